# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may relay over IPv4 and IPv6, with STARTTLS, and against the access map: with delay_checks and without.

With delay_checks one IPv6 socket serves both families, as in the guests' sendmail.mc; without, each has a socket of its own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.access_map import add_to_access_map
from support.documentation import table
from support.mail import LOCAL, REMOTE, Smtp, rcpt

from .host import FAMILIES, HOST, PAGE, key_of

OUTCOMES = table(PAGE, "in the access map")
# Of the first of the clients that have a row of that table each.
FIRST_CLIENT = 160


@pytest.fixture(scope="module", params=[True, False], ids=["delay_checks", "no delay_checks"])
def delay_checks(request, new_hosts):
    """Whether the client and the sender are looked up at RCPT."""
    if not request.param:
        request.getfixturevalue("shared_hosts")
    return request.param


@pytest.fixture
def host(request, delay_checks, new_hosts):
    """Each of the hosts in turn, with nobody listed."""
    host = new_hosts[request.param]
    host.forget_logins()
    return host


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def server(host, family):
    """The address of the host, of each family in turn."""
    return host.addresses(HOST)[family]


def test_the_one_socket_or_the_sockets_of_both_families_are_what_is_tested(host, delay_checks):
    lines = host.guest.run(["ss", "-Hltn", "sport = :25"]).stdout.splitlines()
    listening = {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}
    if delay_checks:
        assert listening == {"*"}
    else:
        assert set(host.addresses(HOST).values()) <= listening
        assert "*" not in listening
    assert ("delay_checks.m4" in host.guest.read("/etc/mail/sendmail.cf")) == delay_checks


def test_a_login_opens_the_relay_over_the_family_that_it_came_by(host, reader, counts):
    addresses = host.addresses(HOST)
    for family in FAMILIES:
        host.forget_logins()
        host.log_in(reader, HOST, family)
        assert host.listed(HOST) == {key_of(getattr(reader, family))}
        answers = {other: rcpt(reader, addresses[other])[0] for other in FAMILIES}
        assert answers == {other: 250 if other == family else 550 for other in FAMILIES}
        counts["logins"] += 1
        counts["sessions"] += len(answers)


def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address(host, reader):
    host.guest.run(["vsmtprelay", "--server", HOST, "add", f"::ffff:{reader.address4}"])
    assert host.listed(HOST) == {reader.address4}
    assert rcpt(reader, host.addresses(HOST)["address4"])[0] == 250
    assert rcpt(reader, host.addresses(HOST)["address6"])[0] == 550


def test_who_may_relay_before_starttls_may_after_it_in_the_same_session(host, server, family, reader, counts):
    with Smtp(reader, server) as session:
        assert session.ask(REMOTE)[0] == 550
        host.log_in(reader, HOST, family)
        assert session.ask(REMOTE)[0] == 250
        session.encrypt()
        assert session.sock.cipher()
        assert session.ask(REMOTE)[0] == 250
        host.forget_logins()
        assert session.ask(REMOTE)[0] == 550
    counts["logins"] += 1
    counts["sessions with STARTTLS"] += 1


def test_a_login_after_starttls_opens_the_session_that_is_encrypted_already(host, server, family, reader, counts):
    with Smtp(reader, server) as session:
        session.encrypt()
        assert session.ask(REMOTE)[0] == 550
        host.log_in(reader, HOST, family)
        assert session.ask(REMOTE)[0] == 250
    counts["logins"] += 1
    counts["sessions with STARTTLS"] += 1


@pytest.mark.fault("starttls")
def test_starttls_opens_the_relay_to_nobody(host, server, family, reader, stranger, counts):
    host.log_in(reader, HOST, family)
    with Smtp(stranger, server) as session:
        assert session.ask(REMOTE)[0] == 550
        session.encrypt()
        assert session.ask(REMOTE)[0] == 550
        assert session.ask(LOCAL)[0] == 250
    counts["logins"] += 1
    counts["sessions with STARTTLS"] += 1


class Row:
    """A row of the table of outcomes: a client that it is about, and what each column says."""

    def __init__(self, lab, number, cells):
        place = FIRST_CLIENT + number
        self.client = lab.client(f"row-{number}", address4=f"192.0.2.{place}", address6=f"2001:db8:99::{place}")
        self.sender = f"sender-{number}@example.org"
        self.recipient = LOCAL if "local user" in cells[0] else f"recipient-{number}@remote.example"
        self.entry, *self.outcomes = cells
        self._entries = [text.split(" ", 1) for text in cells[0].split("`") if text.partition(":")[2]]

    def entries(self):
        """Return the keys and values for the access map."""
        for key, value in self._entries:
            tag, _, placeholder = key.partition(":")
            # The address of each family for CLIENT.
            for address in (self.client.address4, self.client.address6) if placeholder == "CLIENT" else [""]:
                names = {"CLIENT": key_of(address), "SENDER": self.sender, "RECIPIENT": self.recipient}
                yield f"{tag}:{names[placeholder]}", value

    def outcome(self, server, documented):
        """Return what is ``documented``, as the table has it, if it is so; else the last command and its answer."""
        with Smtp(self.client, server) as session:
            command, code, text = session.transaction(self.recipient, self.sender)
        answer = f"{command} {code}"
        words = documented.removeprefix(answer)
        return documented if words != documented and words.strip() in text else f"{answer} {text}"


@pytest.fixture(scope="module")
def rows(lab, new_hosts):
    """All rows, with their entries in the access map of every host."""
    rows = [Row(lab, number, cells) for number, cells in enumerate(OUTCOMES)]
    for host in new_hosts.values():
        add_to_access_map(host.guest, [entry for row in rows for entry in row.entries()])
    return rows


def test_the_access_map_has_the_last_word(host, server, family, rows, delay_checks, counts):
    documented = {row.entry: row.outcomes[:2] if delay_checks else row.outcomes[2:] for row in rows}

    def outcomes(column):
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda row: row.outcome(server, documented[row.entry][column]), rows))

    before = outcomes(0)
    for row in rows:
        host.log_in(row.client, HOST, family)
    seen = {row.entry: list(both) for row, *both in zip(rows, before, outcomes(1), strict=True)}
    assert seen == documented
    counts["logins"] += len(rows)
    counts["outcomes of the access map"] += 2 * len(rows)
