# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host with Dovecot 2.3 and one with 2.4, set up by the playbook with a window of a minute, and their users.

All pairs of programs go through their story at the same time, since a window takes a minute for each of them.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.mail import Smtp
from support.playbook import play
from support.releases import releases
from support.throttles import bear_load, lift_throttles
from support.waiting import wait_until

from .computer import Computer
from .pairs import PAIRS
from .senders import SENDER
from .story import Story, entries, letter_to

RELEASES = releases({"bookworm": "Dovecot 2.3", "trixie": "Dovecot 2.4"})
WINDOW_MINUTES = 1
# From a login to the end of its window, and to the renewal of its entry, on a busy machine.
PATIENCE_SECONDS = 120
AT_A_TIME = 6
ACCOUNTS = {pair: f"user{number}" for number, pair in enumerate(PAIRS, 1)}
# STARTTLS as Debian has it.
PREPARE = """
sed -i "s|^MAILER_DEFINITIONS|include(\\`/etc/mail/tls/starttls.m4')dnl\\n&|" /etc/mail/sendmail.mc
make -C /etc/mail
for user in {accounts}; do
    useradd --create-home "$user"
    echo "$user:$user-secret" | chpasswd
done
"""

VERSIONS = """
. /etc/os-release
version() { dpkg-query --show --showformat='${source:Upstream-Version}' "$1" | sed 's/+dfsg.*//'; }
echo "Debian ${VERSION_ID:-$VERSION_CODENAME} (sendmail $(version sendmail-bin), Dovecot $(version dovecot-core))"
"""


def prepare(guest):
    """Give each user an account, before the playbook runs."""
    guest.run(["sh", "-ec", PREPARE.format(accounts=" ".join(ACCOUNTS.values()))])
    lift_throttles(guest)
    bear_load(guest)


def deliver(client, guest):
    """Deliver a message to each account, as somebody from outside."""
    with Smtp(client, guest.address4) as session:
        for account in ACCOUNTS.values():
            text = f"From: {SENDER}\r\nTo: {account}@example.test\r\nSubject: Hello\r\n\r\n{letter_to(account)}\r\n"
            session.sendmail(SENDER, [f"{account}@example.test"], text)
    for account in ACCOUNTS.values():
        inbox = guest.path(f"/var/mail/{account}")
        wait_until(lambda account=account, inbox=inbox: inbox.exists() and letter_to(account) in inbox.read_text())


@pytest.fixture(scope="session")
def hosts(lab, reader):
    """The hosts by release, with a message for each account."""
    guests = {release: lab.guest(f"clients-{release}", release=release) for release in RELEASES}
    lab.boot(guests.values())
    with ThreadPoolExecutor() as pool:
        list(pool.map(prepare, guests.values()))
    run = play(lab, "vsmtp.relay.site", "-e", f"pop_before_smtp_window={WINDOW_MINUTES}", "--limit", "clients-*")
    assert run.status == 0, run.output
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda guest: deliver(reader, guest), guests.values()))
    return guests


@pytest.fixture(scope="session")
def stories(lab, hosts, tmp_path_factory):
    """(release, pair) → Story, at its end; what went wrong before that is raised by the result of its ``begun``."""
    directory = tmp_path_factory.mktemp("clients")
    stories = {}
    for pair, account in ACCOUNTS.items():
        client = lab.client(f"clients-{account}")
        for release, guest in hosts.items():
            computer = Computer(lab, client, guest, account, directory / release / account)
            stories[release, pair] = Story(pair, computer, guest)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        # The permission of who stays is to be renewed meanwhile.
        order = sorted(stories, key=lambda key: not key[1].stays_open)
        begun = {key: pool.submit(stories[key].begin) for key in order}
    for key, story in stories.items():
        story.begun = begun[key]
    fine = {key: story for key, story in stories.items() if not begun[key].exception()}
    stay = [story for (_, pair), story in fine.items() if pair.stays_open]
    for story in stay:
        wait_until(lambda story=story: story.entry() > story.first_login, PATIENCE_SECONDS)
    end = max(stamp for guest in hosts.values() for stamp in left(guest, stay)) + WINDOW_MINUTES * 60
    wait_until(lambda: time.time() > end + 1, PATIENCE_SECONDS)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(Story.come_back, fine.values()))
    for story in stay:
        story.close()
        story.grow_old(WINDOW_MINUTES * 60)
    yield stories
    for story in stories.values():
        story.close()


def left(guest, stay):
    """Return the timestamps of those whose sessions have ended."""
    return [stamp for address, stamp in entries(guest).items() if address not in {story.address for story in stay}]


@pytest.fixture(scope="session")
def versions(hosts):
    """Return release → what the host says of itself, for the heading of a table."""
    return {release: guest.run(["sh", "-c", VERSIONS]).stdout.strip() for release, guest in hosts.items()}


@pytest.fixture(scope="session")
def queued(hosts, stories):
    """Return release → what sendmail has accepted and keeps, since nobody answers for the recipients."""
    return {release: guest.run(["sh", "-c", "cat /var/spool/mqueue/df*"]).stdout for release, guest in hosts.items()}


@pytest.fixture(scope="session")
def journals(hosts, stories):
    """Return release → the lines of Dovecot and of sendmail in the journal."""
    command = ["journalctl", "--identifier=dovecot", "--identifier=sm-mta", "--output=cat"]
    return {release: guest.run(command).stdout.splitlines() for release, guest in hosts.items()}
