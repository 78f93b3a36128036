# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in a play of one's own: what it was told there counts for the playbooks of the collection as well."""

from __future__ import annotations

import pytest

from support.playbook import play

HOST = "mailhost"
PRINTER = "198.51.100.7"
OWN_PLAY = f"""\
- name: POP-before-SMTP on all mail hosts, for half a day after each login
  hosts: all
  gather_facts: false
  roles:
    - role: vsmtp.relay.pop_before_smtp
      pop_before_smtp_window: 720
      pop_before_smtp_expire: 2880
      pop_before_smtp_permissions:
        - address: {PRINTER}
          owner: accounting
"""
NOTHING_TOLD = "- hosts: all\n  gather_facts: false\n  roles: [vsmtp.relay.pop_before_smtp]\n"


@pytest.fixture(scope="module")
def own_play(lab, mail_host, tmp_path_factory):
    """What runs a play of one's own, by its text."""
    path = tmp_path_factory.mktemp("plays") / "mail.yml"

    def run(text, *words):
        path.write_text(text)
        return play(lab, str(path), *words)

    yield run
    assert run(NOTHING_TOLD).status == 0
    assert window(mail_host) == "1440"


@pytest.fixture(scope="module")
def told(own_play):
    run = own_play(OWN_PLAY)
    assert run.status == 0, run.output
    return run


def window(host):
    """Return the minutes of the ruleset, as its comment tells them."""
    comment = "# A client that is listed in the database may relay for "
    return host.read("/etc/mail/sendmail.cf").partition(comment)[2].split()[0]


def test_site_undoes_nothing_of_it_and_says_where_it_has_it_from(lab, told, mail_host):
    run = play(lab, "vsmtp.relay.site")
    assert run.status == 0, run.output
    assert run.counts[HOST]["changed"] == 0, run.output
    assert window(mail_host) == "720"
    assert PRINTER in mail_host.run(["vsmtprelay", "dump"]).stdout
    names = "pop_before_smtp_expire, pop_before_smtp_permissions, pop_before_smtp_window"
    assert f"{HOST}: nothing to do ({names} as set by an earlier play)" in run.output


def test_status_sees_no_drift_and_changes_nothing(lab, told):
    run = play(lab, "vsmtp.relay.status", "-e", "relay_strict=true")
    assert run.status == 0, run.output
    assert "Nothing needs attention." in run.output
    assert run.counts[HOST]["changed"] == 0


def test_permit_until_a_day_computes_with_the_host_s_real_window(lab, told, mail_host):
    words = ("-e", "relay_address=203.0.113.8")
    assert play(lab, "vsmtp.relay.permit", *words, "-e", "relay_until=2099-12-31").status == 0
    assert f"203.0.113.8 {4102444799 - 720 * 60}\n" in mail_host.run(["vsmtprelay", "dump"]).stdout
    assert play(lab, "vsmtp.relay.revoke", *words).status == 0


def test_permit_says_for_how_long(lab, told):
    run = play(lab, "vsmtp.relay.permit", "-e", "relay_address=203.0.113.8")
    assert f"{HOST}: 203.0.113.8 may relay through {HOST} for 720 minutes\n" in run.output
    assert play(lab, "vsmtp.relay.revoke", "-e", "relay_address=203.0.113.8").status == 0


def test_expire_takes_the_age_of_the_nightly_run(lab, told, mail_host):
    now = int(mail_host.run(["date", "+%s"]).stdout)
    for address, minutes in {"10.0.0.1": 2000, "10.0.0.2": 3000}.items():
        mail_host.run(["vsmtprelay", "add", address, str(now - minutes * 60)])
    run = play(lab, "vsmtp.relay.expire")
    assert "1 entry 2880 minutes or older expired" in run.output
    listed = mail_host.run(["vsmtprelay", "dump"]).stdout
    assert "10.0.0.1 " in listed
    assert "10.0.0.2 " not in listed
    mail_host.run(["vsmtprelay", "delete", "10.0.0.1"])


def test_revoke_says_that_the_play_still_declares_the_address(lab, told, own_play):
    run = play(lab, "vsmtp.relay.revoke", "-e", f"relay_address={PRINTER}")
    assert f"{PRINTER} is off {HOST}; {PRINTER} is declared in pop_before_smtp_permissions" in run.output
    assert own_play(OWN_PLAY).counts[HOST]["changed"] == 1


def test_the_inventory_and_extra_variables_come_before_what_a_play_told(lab, told, own_play, mail_host):
    run = play(lab, "vsmtp.relay.site", "-e", "pop_before_smtp_window=1440")
    assert run.status == 0, run.output
    assert window(mail_host) == "1440"
    assert PRINTER in mail_host.run(["vsmtprelay", "dump"]).stdout
    # And are not taken for something that a play told.
    assert play(lab, "vsmtp.relay.site").counts[HOST]["changed"] == 0
    assert own_play(OWN_PLAY).counts[HOST]["changed"] > 0
    assert window(mail_host) == "720"


@pytest.mark.full
def test_a_play_of_one_s_own_tells_all_of_it_anew(lab, told, own_play, mail_host):
    assert own_play(NOTHING_TOLD).counts[HOST]["changed"] > 0
    assert window(mail_host) == "1440"
    assert play(lab, "vsmtp.relay.site").counts[HOST]["changed"] == 0
    assert own_play(OWN_PLAY).status == 0
