# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that stay open for longer than the window, which is a minute here: whose permission is renewed, and whose is not.

Both hosts go through the same story at the same time, since a window takes a minute for each of them.
"""

from __future__ import annotations

import pytest

from support.mail import Imap4, Pop3, log_in, rcpt
from support.playbook import play
from support.waiting import wait_until

from .conftest import RELEASES

# Each has an address for itself.
CLIENTS = ("idles", "reads", "left", "revoked", "followed")
# From a login to the end of its permission, on a busy machine.
PATIENCE_SECONDS = 120


def imap(client, address, user="alice"):
    """Return an IMAP session that waits for mail (IDLE)."""
    session = Imap4(client, address, 143)
    session.login(user, f"{user}-secret")
    session.select()
    session.send(b"a1 IDLE\r\n")
    assert session.readline().startswith(b"+")
    return session


def pop(client, address):
    """Return a POP session."""
    session = Pop3(client, address, 110)
    session.user("alice")
    session.pass_("alice-secret")
    return session


class Story:
    """What happens on one host."""

    def __init__(self, guest, clients):
        self.guest = guest
        self._clients = clients
        self.first = {}
        self.renewed = {}

    def entries(self):
        """Return the clients that are listed, by name, with their timestamps."""
        lines = self.guest.run(["vsmtprelay", "dump"]).stdout.splitlines()[1::2]
        stamps = {key: int(stamp) for key, stamp in map(str.split, lines)}
        return {name: stamps[client.address4] for name, client in self._clients.items() if client.address4 in stamps}

    def may_relay(self, name):
        return rcpt(self._clients[name], self.guest.address4)[0] == 250

    def begin(self):
        address = self.guest.address4
        self.sessions = {name: imap(self._clients[name], address) for name in CLIENTS if name != "reads"}
        self.sessions["reads"] = pop(self._clients["reads"], address)
        self.first = self.entries()
        # What is known of the sessions outlives the recorder.
        self.guest.run(["systemctl", "restart", "vsmtprelay-recorder.service"])
        for name in ("revoked", "followed"):
            self.guest.run(["vsmtprelay", "delete", self._clients[name].address4])
        assert log_in(self._clients["followed"], address, user="bob", password="bob-secret")

    def is_renewed(self, names=("idles", "reads", "left")):
        entries = self.entries()
        return all(entries[name] > self.first[name] for name in names)

    def leave_one(self):
        self.renewed = self.entries()
        self.sessions["left"].shutdown()
        self.sessions.pop("left")

    def end(self):
        for session in self.sessions.values():
            getattr(session, "shutdown", getattr(session, "close", None))()


@pytest.fixture(scope="module")
def stories(lab, hosts):
    """The stories of both hosts, from the logins until nobody relays any more who must not."""
    run = play(lab, "vsmtp.relay.site", "-e", "pop_before_smtp_window=1", "--limit", "recorder-*")
    assert run.status == 0, run.output
    clients = {name: lab.client(f"renewal-{name}") for name in CLIENTS}
    stories = {release: Story(guest, clients) for release, guest in hosts.items()}
    for story in stories.values():
        story.begin()
    for story in stories.values():
        wait_until(story.is_renewed, PATIENCE_SECONDS)
    for story in stories.values():
        story.leave_one()
    for story in stories.values():
        wait_until(lambda story=story: not story.may_relay("left") and not story.may_relay("followed"), PATIENCE_SECONDS)
    yield stories
    for story in stories.values():
        story.end()
    run = play(lab, "vsmtp.relay.site", "--limit", "recorder-*")
    assert run.status == 0, run.output


@pytest.fixture(params=RELEASES, ids=RELEASES.values())
def story(request, stories):
    return stories[request.param]


@pytest.mark.parametrize("name", ["idles", "reads"])
def test_a_client_may_relay_for_as_long_as_its_session_is_open(story, name):
    # Since the first renewal the permission of another client has run out.
    assert story.entries()[name] > story.renewed[name]
    assert story.may_relay(name)


def test_a_session_that_has_ended_is_not_renewed(story):
    assert story.entries()["left"] == story.renewed["left"]
    assert not story.may_relay("left")


@pytest.mark.fault("revoked-session")
def test_an_entry_that_was_revoked_does_not_come_back_although_the_session_stays(story):
    assert "revoked" not in story.entries()
    assert not story.may_relay("revoked")


@pytest.mark.fault("revoked-session")
def test_the_login_of_another_user_from_there_does_not_make_it_last_longer(story):
    assert not story.may_relay("followed")


def test_nothing_went_wrong_on_the_way(story):
    lines = story.guest.run(["journalctl", "-t", "vsmtprelay-recorder", "-o", "cat", "-b"]).stdout.splitlines()
    assert [line for line in lines if "not renewed" in line or "not saved" in line] == []


def test_without_the_variable_nobody_is_asked(stories, lab, hosts):
    run = play(lab, "vsmtp.relay.site", "-e", "pop_before_smtp_renew=false", "--limit", "recorder-*")
    assert run.status == 0, run.output
    for guest in hosts.values():
        command = guest.run(["systemctl", "show", "--property=ExecStart", "vsmtprelay-recorder.service"]).stdout
        assert "--renew" not in command
