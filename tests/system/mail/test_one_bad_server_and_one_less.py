# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of virtual servers of which one is at fault, and one that is taken off the list."""

from __future__ import annotations

import json

import pytest

from support.places import CHECKOUT
from support.playbook import play

HOST = "mailhost"
MAIN = {"name": "main"}
GOOD, BAD = "/srv/good", "/srv/bad"


@pytest.fixture(scope="module")
def servers(lab, mail_host):
    """Return what runs the playbook with a list of virtual servers; their directories are there."""
    for root in (GOOD, BAD):
        mail_host.run(["sh", "-ec", f"mkdir -p {root}/etc; cp -p /etc/mail/sendmail.cf {root}/etc/sendmail.cf"])
    # As they were before the role came: without its ruleset.
    variables = {"files": [{"path": f"{root}/etc/sendmail.cf"} for root in (GOOD, BAD)], "state": "absent"}
    play(lab, str(CHECKOUT / "tests" / "system" / "sendmail_cf" / "rulesets.yml"), "-e", json.dumps(variables))

    def run(*roots, **variables):
        items = [MAIN, *({"name": root.rpartition("/")[2], "root": root, "domains": [root[5:]]} for root in roots)]
        return play(lab, "vsmtp.relay.site", "-e", json.dumps({"pop_before_smtp_virtual_servers": items, **variables}))

    yield run
    assert play(lab, "vsmtp.relay.site").status == 0


def content(guest, root):
    return guest.path(f"{root}/etc/sendmail.cf").read_bytes()


def test_a_bad_item_of_the_list_is_named_and_nothing_is_done(lab, mail_host):
    items = [MAIN, {"name": "Bad Name", "root": "/srv/x"}, {"name": "other", "root": "not absolute"}]
    run = play(lab, "vsmtp.relay.site", "-e", json.dumps({"pop_before_smtp_virtual_servers": items}))
    assert run.status != 0
    assert run.counts[HOST]["changed"] == 0
    assert "Bad Name" in run.output
    assert "not absolute" in run.output


@pytest.mark.fault("bad-sendmail-cf")
def test_a_server_whose_sendmail_cf_is_at_fault_is_named_and_the_others_are_done(servers, mail_host):
    before = content(mail_host, BAD)
    mail_host.path(f"{BAD}/etc/sendmail.cf").write_bytes(before + b"Xbroken\n")
    run = servers(BAD, GOOD)
    assert run.status != 0
    assert f"{BAD}/etc/sendmail.cf: sendmail rejects it" in run.output
    assert content(mail_host, BAD) == before + b"Xbroken\n"
    assert b"\nSRcpt_ok\n" in content(mail_host, GOOD).partition(b"# BEGIN vsmtp.relay")[2]
    assert mail_host.run(["systemctl", "is-active", "vsmtprelay-recorder.service"]).stdout == "active\n"
    mail_host.path(f"{BAD}/etc/sendmail.cf").write_bytes(before)


def test_the_next_run_after_mending_completes_it(servers, mail_host):
    run = servers(BAD, GOOD)
    assert run.status == 0, run.output
    assert b"# BEGIN vsmtp.relay" in content(mail_host, BAD)
    assert servers(BAD, GOOD).counts[HOST]["changed"] == 0


def test_a_server_that_is_taken_off_the_list_loses_the_ruleset_and_keeps_its_database(servers, mail_host):
    run = servers(GOOD)
    assert run.status == 0, run.output
    assert b"vsmtp.relay" not in content(mail_host, BAD)
    assert mail_host.path(f"{BAD}/etc/relayers.db").is_file()
    assert "bad" not in mail_host.read("/etc/vsmtprelay/virtual_servers")
    assert servers(GOOD).counts[HOST]["changed"] == 0


def test_its_database_goes_where_that_is_asked_for(servers, mail_host):
    run = servers(pop_before_smtp_remove_databases=True)
    assert run.status == 0, run.output
    assert b"vsmtp.relay" not in content(mail_host, GOOD)
    assert not mail_host.path(f"{GOOD}/etc/relayers.db").exists()
    assert mail_host.path("/etc/mail/relayers.db").is_file()
