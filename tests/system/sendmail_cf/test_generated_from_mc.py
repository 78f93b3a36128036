# SPDX-License-Identifier: GPL-3.0-or-later
"""The ruleset in a sendmail.cf that Debian generates from sendmail.mc, after everything that generates it anew.

The tests build on each other, for each release in turn.
"""

from __future__ import annotations

import json
import time

import pytest

from support.mail import LOCAL, REMOTE, rcpt
from support.playbook import play

from .conftest import PLAYBOOK, RELEASES

CONFIGURATION, SOURCE, DATABASE = "/etc/mail/sendmail.cf", "/etc/mail/sendmail.mc", "/etc/mail/relayers.db"
GENERATED_BY = {
    "make -C /etc/mail": f"touch {SOURCE} && make -C /etc/mail",
    "sendmailconfig": "yes | sendmailconfig",
    "a reinstallation": "apt-get install --quiet --yes --reinstall sendmail-base sendmail-cf sendmail-bin sendmail",
}


@pytest.fixture(scope="module")
def edit(lab):
    """Return what has the module edit the sendmail.cf of a host."""

    def edit(guest, state="present", source="auto"):
        item = {"path": CONFIGURATION, "relayers_db": DATABASE}
        variables = json.dumps({"files": [item], "state": state, "source": source, "reload": True})
        return play(lab, PLAYBOOK, "-e", variables, "--limit", guest.name)

    return edit


def generation(guest):
    return guest.run(["stat", "-c", "%i %Z", CONFIGURATION]).stdout


def changed(run, guest):
    assert run.status == 0, run.output
    return run.counts[guest.name]["changed"]


@pytest.fixture(scope="module", params=[*(pytest.param(each, marks=pytest.mark.full) for each in RELEASES[:-1]), RELEASES[-1]])
def mail_host(request, guests, reader):
    """The host of each release in turn, with one client that is listed."""
    guest = guests[request.param]
    guest.run(["makemap", "hash", DATABASE], input=f"{reader.address4} {int(time.time())}\n")
    return guest


def test_the_ruleset_goes_into_the_source_and_what_is_generated_from_it(mail_host, edit):
    assert changed(edit(mail_host), mail_host) == 1
    for path in (CONFIGURATION, SOURCE):
        assert mail_host.read(path).count("\n# BEGIN vsmtp.relay") == 1
    assert changed(edit(mail_host), mail_host) == 0


@pytest.mark.parametrize("way", GENERATED_BY)
def test_it_is_still_there_and_works_after(way, mail_host, edit, reader, stranger):
    before = generation(mail_host)
    mail_host.run(["env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", GENERATED_BY[way]], timeout=180)
    assert generation(mail_host) != before, "it was not generated anew"
    assert mail_host.read(CONFIGURATION).count("\n# BEGIN vsmtp.relay") == 1
    mail_host.run(["systemctl", "restart", "sendmail"])
    mail_host.wait_until_ready()
    assert rcpt(reader, mail_host.address4, REMOTE)[0] == 250
    assert rcpt(stranger, mail_host.address4, REMOTE)[0] == 550
    assert rcpt(stranger, mail_host.address4, f"<{LOCAL}>")[0] == 250
    assert changed(edit(mail_host), mail_host) == 0


def test_a_source_that_is_demanded_and_not_there_is_named(mail_host, edit):
    mail_host.run(["mv", SOURCE, f"{SOURCE}.away"])
    run = edit(mail_host, source="mc")
    mail_host.run(["mv", f"{SOURCE}.away", SOURCE])
    assert run.status != 0
    assert f"{CONFIGURATION}: there is no {SOURCE}" in run.output


def test_only_the_file_that_is_named_is_edited_if_the_user_says_so(mail_host, edit):
    assert changed(edit(mail_host, state="absent"), mail_host) == 1
    source = mail_host.read(SOURCE)
    assert changed(edit(mail_host, source="cf"), mail_host) == 1
    assert mail_host.read(SOURCE) == source
    assert changed(edit(mail_host, state="absent", source="cf"), mail_host) == 1
    assert "vsmtp.relay" not in mail_host.read(CONFIGURATION) + source
