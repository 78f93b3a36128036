# SPDX-License-Identifier: GPL-3.0-or-later
"""From an empty directory to a fleet, by hand and by CI: the sections "Begin", "Set it up" and "Let CI work"."""

from __future__ import annotations

import re

import pytest
import yaml
from documentation.blocks import blocks_of
from documentation.rules import check_variables

from support.documentation import table
from support.mail import log_in, rcpt
from support.places import CHECKOUT
from support.sharing import OPEN, REFUSED, until_answer

from .provider import FILES, PAGE

CI = yaml.safe_load((FILES / ".gitlab-ci.yml").read_text(encoding="utf-8"))
JOBS = {name: job for name, job in CI.items() if isinstance(job, dict) and "script" in job}
HEADER = re.compile(r"\A(?:#.*\n)+---\n")


def test_each_command_of_the_first_sections_does_what_the_page_says(set_up):
    assert len(set_up.begun) == 4
    assert len(set_up.done) == 8


def test_the_page_shows_the_files_as_they_are():
    text = PAGE.read_text(encoding="utf-8")
    shown = [block for block in blocks_of(PAGE) if block.language == "yaml"]
    assert len(shown) == 3
    for block in shown:
        before = text.partition(block.text)[0]
        name = re.findall(r"`(inventory/[\w./]+)`", before)[-1]
        assert HEADER.sub("", (FILES / name).read_text(encoding="utf-8")) == block.text, name


def test_the_role_knows_all_variables_of_the_inventory():
    files = [*(FILES / "inventory").glob("*_vars/*.yml")]
    assert len(files) == 5
    for file in files:
        check_variables(file, yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_page_says_what_each_file_is_for():
    named = re.findall(r"`([^`]+)`", " ".join(row[0] for row in table("provider.md", "file")))
    files = {str(file.relative_to(FILES)) for file in FILES.rglob("*") if file.is_file()}
    assert {file for file in files if not any(file == name or file.startswith(f"{name}/") for name in named)} == set()
    assert {name for name in named if not (FILES / name).exists()} == set()


def test_the_version_that_is_asked_for_is_this_one():
    (wanted,) = yaml.safe_load((FILES / "collections" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert wanted == {"name": "vsmtp.relay", "version": version}


def test_a_secret_that_is_encrypted_as_the_page_says_is_read(provider, set_up):
    (output,) = (output for text, output in set_up.done.items() if "encrypt_string" in text)
    encrypted = re.search(r"^ansible_become_password: !vault.*\n(?: +.*\n)+", output, re.MULTILINE)[0]
    file = provider.write("vault.yml", encrypted)
    seen = provider.run(f"ansible smtp_hosts -e @{file} -m ansible.builtin.debug -a var=ansible_become_password")
    assert "secret-of-sudo" in seen.output


@pytest.mark.parametrize("name", ["lint", "preview"])
def test_a_job_of_the_ci_succeeds(set_up, name):
    assert set_up.jobs[name].status == 0, set_up.jobs[name].output


@pytest.mark.parametrize("name", ["preview", "apply"])
def test_by_hand_it_is_what_the_ci_does(set_up, name):
    assert JOBS[name]["script"][-1] in set_up.done


def test_the_page_names_all_jobs():
    assert {*JOBS} == {row[0].strip("`") for row in table("provider.md", "job")}


def test_no_job_of_another_branch_gets_the_key():
    with_key = {name: job for name, job in JOBS.items() if any("ANSIBLE_PRIVATE_KEY_FILE" in line for line in job["script"])}
    assert {*with_key} == {*JOBS} - {"lint"}
    for name, job in with_key.items():
        (rule,) = job["rules"]
        assert rule["if"].startswith(("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", '$CI_PIPELINE_SOURCE == "schedule"')), name


def test_after_the_set_up_there_is_nothing_left_to_do(set_up):
    counts = set_up.jobs["preview"].counts
    assert {host: each["changed"] for host, each in counts.items()} == dict.fromkeys(counts, 0)
    assert len(counts) == 3


def test_a_login_on_the_pop_host_opens_the_smtp_host_and_no_customer(provider, caller):
    client = caller(90)
    assert rcpt(client, provider.addresses["smtp1"])[0] == REFUSED
    assert log_in(client, provider.addresses["pop1"])
    until_answer(client, provider.addresses["smtp1"], OPEN)
    assert rcpt(client, provider.addresses["flowers"])[0] == REFUSED


def test_a_login_at_a_customer_opens_that_virtual_server_and_no_other_host(provider, caller):
    client = caller(91)
    assert log_in(client, provider.addresses["flowers"])
    until_answer(client, provider.addresses["flowers"], OPEN)
    assert rcpt(client, provider.addresses["garage"])[0] == REFUSED
    assert rcpt(client, provider.addresses["smtp1"])[0] == REFUSED
