# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtp.relay.engine and vsmtp.relay.site set up hosts that share logins, with Ansible's own settings."""

from __future__ import annotations

import json

import pytest

from support.mail import rcpt
from support.sharing import REFUSED

from .fleet import CUSTOMERS, ENGINES, HOSTS, RELAYS, VARIABLES

SECRET = "/etc/vsmtprelay/share-secret"


def test_each_first_run_ends_well(set_up):
    for run in (set_up.engine, set_up.site):
        assert run.status == 0, run.output[-8000:]


def test_a_second_run_changes_nothing(set_up):
    for run in (set_up.engine_again, set_up.site_again):
        assert run.status == 0, run.output[-8000:]
        assert {name: counts["changed"] for name, counts in run.counts.items()} == dict.fromkeys(run.counts, 0)
    assert set(set_up.site_again.counts) == set(HOSTS)


def test_every_host_is_connected_to_every_engine_and_shares_what_it_has_in_common_with_others(fleet):
    for name in HOSTS:
        assert fleet[name].run(["vsmtprelay-share", "--check"]).returncode == 0
        assert fleet.all_connected()
        config = json.loads(fleet[name].read("/etc/vsmtprelay/share.json"))
        assert config["servers"]["customers"]["hosts"] == list(HOSTS)
        assert ("office" in config["servers"]) == (name in RELAYS)


def test_hosts_have_what_they_need_and_nothing_else(fleet):
    # No ruleset where nothing relays, and no reports where nobody logs in.
    assert "vsmtprelay" not in fleet["mail1"].read("/etc/mail/sendmail.cf")
    assert not fleet["mail2"].path("/etc/dovecot/conf.d/95-vsmtprelay.conf").exists()
    for name in ENGINES:
        assert not fleet[name].path("/usr/local/bin/vsmtprelay").exists()
        # TLS only, on one port.
        ports = fleet[name].run(["ss", "-tlnpH"]).stdout.splitlines()
        server = [line.split()[3] for line in ports if "redis" in line or "valkey" in line]
        assert {address.rpartition(":")[2] for address in server} == {"6380"}, ports


def test_the_secret_is_root_s_alone_and_engines_know_its_hash_only(fleet):
    secrets = [fleet[name].read(SECRET).strip() for name in HOSTS]
    assert len(set(secrets)) == len(HOSTS)
    for name, secret in zip(HOSTS, secrets, strict=True):
        assert fleet[name].run(["stat", "-c", "%U:%G %a", SECRET]).stdout == "root:root 600\n"
        for engine in ENGINES:
            found = fleet[engine].run(["grep", "-rlF", "--", secret, "/etc", "/var/lib"], check=False)
            assert found.stdout == "", engine


def test_nobody_relays_before_a_login(fleet):
    for address in fleet.relays.values():
        assert rcpt(fleet.address(), address)[0] == REFUSED


@pytest.mark.parametrize(
    ("variables", "engines", "words"),
    [
        ({"pop_before_smtp_relay": "none"}, (), "pop_before_smtp_relay is none and pop_before_smtp_engines is empty"),
        ({"pop_before_smtp_relay": "none", "pop_before_smtp_recorder": "none"}, ENGINES, "are both none"),
    ],
    ids=["without engines", "nothing to do"],
)
def test_a_host_on_which_nothing_could_ever_open_is_refused_in_one_line(fleet, monkeypatch, variables, engines, words):
    monkeypatch.setitem(VARIABLES, "mail1", {"pop_before_smtp_virtual_servers": [CUSTOMERS], **variables})
    run = fleet.play("site", "--check", "--limit", "mail1", engines=engines)
    assert run.counts["mail1"]["failed"] == 1
    assert len([line for line in run.output.splitlines() if line.startswith("mail1: ") and words in line]) == 1, run.output
