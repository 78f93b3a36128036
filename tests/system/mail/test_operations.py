# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks for day-to-day work, and taking everything away again."""

from __future__ import annotations

import pytest

from support.fingerprint import fingerprint
from support.mail import rcpt
from support.playbook import play

HOST = "mailhost"


def test_permit_and_revoke_open_and_close_the_relay_for_an_address(lab, closed_relay, reader):
    address = f"relay_address={reader.address4}"
    assert play(lab, "vsmtp.relay.permit", "-e", address).counts[HOST]["changed"] == 1
    assert rcpt(reader, closed_relay.address4)[0] == 250
    assert play(lab, "vsmtp.relay.revoke", "-e", address).counts[HOST]["changed"] == 1
    assert rcpt(reader, closed_relay.address4)[0] == 550
    assert play(lab, "vsmtp.relay.revoke", "-e", address).counts[HOST]["changed"] == 0


def test_permit_until_a_day_ends_with_that_day(lab, closed_relay, reader):
    words = ["-e", f"relay_address={reader.address4}", "-e", "relay_until=2099-12-31"]
    assert play(lab, "vsmtp.relay.permit", *words).counts[HOST]["changed"] == 1
    # 2099-12-31 23:59:59 UTC, less the window of 1440 minutes that follows every timestamp.
    assert f"{reader.address4} {4102444799 - 86400}\n" in closed_relay.run(["vsmtprelay", "dump"]).stdout
    assert play(lab, "vsmtp.relay.permit", *words).counts[HOST]["changed"] == 0


@pytest.mark.parametrize("playbook", ["vsmtp.relay.permit", "vsmtp.relay.revoke"])
def test_without_an_address_they_say_what_is_missing(lab, closed_relay, playbook):
    run = play(lab, playbook)
    assert run.status != 0
    assert "-e relay_address=198.51.100.7" in run.output


def test_expire_and_status_work_on_every_virtual_server(lab, closed_relay):
    # Other tests had sendmail.cf generated anew, and an expiry fail.
    closed_relay.run(["vsmtprelay", "--all", "expire", "1440"])
    assert play(lab, "vsmtp.relay.site").status == 0
    closed_relay.run(["vsmtprelay", "add", "198.51.100.1", "1"])
    status = play(lab, "vsmtp.relay.status")
    assert "1 host, 1 virtual server, 1 entry, 0 of them in the future." in status.output
    assert "Nothing needs attention." in status.output, status.output
    assert play(lab, "vsmtp.relay.expire").counts[HOST]["changed"] == 1
    assert closed_relay.run(["vsmtprelay", "dump"]).stdout == ""


def test_remove_leaves_the_host_as_it_was(lab, site_runs, mail_host, stranger):
    run = play(lab, "vsmtp.relay.remove")
    assert run.status == 0, run.output
    try:
        before, after = (set(text.splitlines()) for text in (site_runs.before, fingerprint(mail_host)))
        # The database stays unless asked, packages are the host's by now.
        ours = {line for line in after - before if "relayers.db" not in line}
        assert not {line for line in ours if line.startswith("/")}, ours
        assert not {line for line in ours if "vsmtprelay" in line}, ours
        assert rcpt(stranger, mail_host.address4)[0] == 550
        assert play(lab, "vsmtp.relay.remove").counts[HOST]["changed"] == 0
    finally:
        assert play(lab, "vsmtp.relay.site").status == 0
