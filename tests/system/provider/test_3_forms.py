# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of AWX, with the answers as AWX passes them: the section "Forms for the help desk"."""

from __future__ import annotations

import json
import re
import time

import pytest

from support.documentation import table

from .provider import FILES

FORMS = FILES / "awx" / "job_templates.json"
JOBS = {job["name"]: job for job in json.loads(FORMS.read_text(encoding="utf-8"))["job_templates"]}
ROWS = {row[0]: row for row in table("provider.md", "form")}
ADDRESS = "198.51.100.7"
# What somebody types where the form proposes nothing.
TYPED = {"relay_address": f"{ADDRESS}, 2001:db8::5", "relay_until": "2099-12-31"}
END_OF_LAST_DAY = 4102444799
# As AWX checks it (awx/main/models/mixins.py): what an answer to a question of a type is.
ANSWERS = {"text": str, "multiplechoice": str, "multiselect": str.splitlines}


def spec_of(job):
    return job["related"]["survey_spec"]["spec"]


def answers_to(job):
    """Return the extra variables that AWX makes of the answers to a form."""
    found = {}
    for question in spec_of(job):
        answer = question["default"] or TYPED[question["variable"]]
        found[question["variable"]] = ANSWERS[question["type"]](answer)
    return found


def run(provider, name, **answers):
    """Run the playbook of a form. The answers go to Ansible in a file, as AWX has it."""
    job = JOBS[name]
    file = provider.write("answers.json", json.dumps({**answers_to(job), **answers}))
    return provider.run(f"ansible-playbook {job['playbook']} -e @{file}")


def entries(provider, host, server):
    """Return the timestamps of a database by key."""
    lines = provider.guests[host].run(["vsmtprelay", "--server", server, "dump"]).stdout.splitlines()
    return {key: int(stamp) for key, stamp in (line.split() for line in lines[1::2])}


def test_the_page_imports_the_file_with_the_forms(provider):
    (command,) = provider.commands("Forms for the help desk")
    assert command.text == f"awx import < {FORMS.relative_to(FILES)}"


@pytest.mark.parametrize("name", [*JOBS])
def test_the_page_says_what_each_form_asks_for(name):
    job = JOBS[name]
    _name, playbook, asked = ROWS[name]
    assert playbook.strip("`") == job["playbook"]
    assert re.findall(r"`(\w+)`", asked) == [question["variable"] for question in spec_of(job)]
    assert len(ROWS) == len(JOBS)


@pytest.mark.parametrize("name", [*JOBS])
def test_awx_would_take_each_form(name):
    """Its rules for a survey, of _validate_spec_data() in awx/api/views."""
    job = JOBS[name]
    assert job["survey_enabled"]
    assert job["natural_key"] == {"organization": job["project"]["organization"], "name": name, "type": "job_template"}
    assert {"name", "description", "spec"} == set(job["related"]["survey_spec"])
    for question in spec_of(job):
        assert question["type"] in ANSWERS
        assert question["required"]
        assert all(isinstance(question[part], str) for part in ("question_name", "question_description", "variable", "default"))
        if question["type"] == "text":
            shortest, longest = question["min"], question["max"]
            assert shortest <= len(question["default"] or TYPED[question["variable"]]) <= longest
        else:
            assert set(question["default"].splitlines()) <= set(question["choices"])


def test_an_address_is_permitted_on_the_hosts_with_the_virtual_server(provider):
    begin = int(time.time())
    permitted = run(provider, "Permit an address")
    assert permitted.status == 0, permitted.output
    for host in ("pop1", "smtp1"):
        found = entries(provider, host, "mail")
        assert found[ADDRESS] >= begin
        assert "ipv6:2001:db8:0:0:0:0:0:5" in found
    assert ADDRESS not in entries(provider, "web1", "flowers")


def test_an_address_is_permitted_until_the_end_of_a_day_at_a_customer(provider):
    permitted = run(provider, "Permit an address until a day", relay_virtual_servers=["flowers"])
    assert permitted.status == 0, permitted.output
    # It lasts for the window after that.
    assert entries(provider, "web1", "flowers")[ADDRESS] == END_OF_LAST_DAY - 1440 * 60
    assert ADDRESS not in entries(provider, "web1", "garage")


def test_an_address_is_revoked_everywhere(provider):
    revoked = run(provider, "Revoke an address")
    assert revoked.status == 0, revoked.output
    for host, server in (("pop1", "mail"), ("smtp1", "mail"), ("web1", "flowers"), ("web1", "garage")):
        assert ADDRESS not in entries(provider, host, server)


def test_the_status_is_shown(provider):
    status = run(provider, "Status")
    assert status.status == 0, status.output
    assert "Nothing needs attention." in status.output


def test_a_typing_error_in_a_form_ends_in_one_line_and_changes_nothing(provider):
    refused = run(provider, "Permit an address", relay_address="printer.example.org")
    assert refused.status != 0
    assert "relay_address: 'printer.example.org' is not an IP address" in refused.output
    assert not refused.counts
