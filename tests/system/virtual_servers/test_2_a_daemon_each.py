# SPDX-License-Identifier: GPL-3.0-or-later
"""A sendmail daemon for each virtual server: whom a login opens, and which daemon a run of the role has reread its file."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest

from support.mail import LOCAL, REMOTE, SENDER, Smtp, rcpt
from support.waiting import wait_until

from .host import FAMILIES, HOST, OWN_DAEMONS, on_all

ALL = (HOST, *OWN_DAEMONS)
RULESET = re.compile(r"^# BEGIN vsmtp\.relay.*?^# END vsmtp\.relay.*?\n", re.MULTILINE | re.DOTALL)


def answers(host, client, family):
    """Return the codes with which the daemons answer to a far recipient, by virtual server."""
    return {server: rcpt(client, host.addresses(server)[family])[0] for server in ALL}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("server", ALL)
@pytest.mark.fault("other-server")
def test_a_login_opens_the_relay_of_its_virtual_server_and_of_no_other(shared_host, reader, server, family, counts):
    shared_host.log_in(reader, server, family)
    assert answers(shared_host, reader, family) == {other: 250 if other == server else 550 for other in ALL}
    assert [other for other in ALL if shared_host.listed(other)] == [server]
    counts["logins"] += 1
    counts["daemons asked"] += len(ALL)


@pytest.mark.parametrize("server", OWN_DAEMONS)
def test_what_a_daemon_relays_waits_in_its_own_queue(shared_host, reader, server):
    address = shared_host.addresses(server)["address4"]
    shared_host.log_in(reader, server)
    with Smtp(reader, address) as session:
        session.sendmail(SENDER, [REMOTE], "Subject: to nobody who answers\n\nText\n")
    queued = shared_host.guest.run(["sh", "-c", "ls -d /srv/*/mqueue/qf* /var/spool/mqueue/qf*"], check=False).stdout.split()
    mine = [path for path in queued if path.startswith(f"/srv/{server}/")]
    assert mine
    assert queued == mine
    shared_host.guest.run(["rm", *mine])


class Turn:
    """What a run of the role did to a host: which daemons reread their file, and whether open sessions went on."""

    def __init__(self, host, client):
        self.host = host
        self.client = client
        self._sessions = ExitStack()
        addresses = {server: host.addresses(server)["address4"] for server in ALL}
        self._open = {server: self._sessions.enter_context(Smtp(client, address)) for server, address in addresses.items()}
        self._before = host.generations()

    def look(self):
        """Note what there is to see after the run."""
        after = self.host.generations()
        self.told = {server for server in ALL if after[server] != self._before[server]}
        self.running = {server for server in ALL if after[server]}
        with self._sessions:
            self.went_on = {server for server, session in self._open.items() if session.ask(LOCAL)[0] == 250}


def take_a_turn(hosts, client, run_site, prepare):
    """Prepare each host, run the role on all of them at once, and return what it did on each, by release."""
    on_all(hosts.values(), prepare)
    turns = {release: Turn(host, client) for release, host in hosts.items()}
    run_site(hosts.values())
    for turn in turns.values():
        turn.look()
    return turns


@pytest.fixture(scope="module")
def repair(shared_hosts, reader, run_site):
    """A run after which the ruleset of ``a`` is back, which somebody took out, and had its daemon read the file without it."""

    def prepare(host):
        path, before = host.sendmail_cf("a"), host.generation("a")
        text = host.guest.read(path)
        assert len(RULESET.findall(text)) == 1
        host.guest.write(path, RULESET.sub("", text))
        host.guest.run(["systemctl", "reload", "sendmail@a"])
        wait_until(lambda: host.generation("a") not in (None, before))
        host.log_in(reader, "a")
        host.refused_without_ruleset = answers(host, reader, "address4")["a"]

    return take_a_turn(shared_hosts, reader, run_site, prepare)


@pytest.fixture
def repaired(request, repair):
    return repair[request.param]


def test_the_daemon_whose_file_the_role_repaired_is_told_and_no_other(repaired, counts):
    assert repaired.told == {"a"}
    assert repaired.running == set(ALL)
    counts["daemons told"] += 1
    counts["daemons left alone"] += len(ALL) - 1


def test_it_relays_again_for_who_has_logged_in(repaired, reader):
    assert repaired.host.refused_without_ruleset == 550
    repaired.host.log_in(reader, "a")
    assert answers(repaired.host, reader, "address4")["a"] == 250


def test_sessions_that_were_open_go_on_everywhere_when_one_daemon_is_told(repaired):
    assert repaired.went_on == set(ALL)


@pytest.fixture(scope="module")
def departure(repair, shared_hosts, reader, run_site):
    """The run after that: ``b`` has another database, and ``c`` is no longer on the list."""

    def prepare(host):
        host.forget_logins()
        host.log_in(reader, "c")
        host.relayed_before = answers(host, reader, "address4")["c"]
        host.change_server("b", relayers_db="/srv/b/etc/customers.db")
        host.servers = [server for server in host.servers if server["name"] != "c"]

    return take_a_turn(shared_hosts, reader, run_site, prepare)


@pytest.fixture
def departed(request, departure):
    """Each of the hosts in turn after that run, with nobody listed."""
    turn = departure[request.param]
    turn.host.forget_logins()
    return turn


def test_told_are_the_daemon_with_another_database_and_the_one_off_the_list_and_no_other(departed, counts):
    assert departed.told == {"b", "c"}
    assert departed.running == set(ALL)
    assert departed.went_on == set(ALL)
    counts["daemons told"] += len(departed.told)
    counts["daemons left alone"] += len(ALL) - len(departed.told)


@pytest.mark.fault("removed-server")
def test_a_server_that_is_off_the_list_has_its_sendmail_cf_back_and_relays_for_nobody(departed, reader):
    assert departed.host.guest.read(departed.host.sendmail_cf("c")) == departed.host.made["c"]
    assert departed.host.relayed_before == 250
    assert answers(departed.host, reader, "address4")["c"] == 550


def test_a_login_opens_the_relay_by_way_of_the_other_database(departed, reader, counts):
    departed.host.log_in(reader, "b")
    assert departed.host.listed("b") == {reader.address4}
    assert answers(departed.host, reader, "address4") == {HOST: 550, "a": 550, "b": 250, "c": 550}
    counts["logins"] += 1
    counts["daemons asked"] += len(ALL)


def test_a_login_at_the_address_of_a_server_that_is_off_the_list_goes_where_the_rest_goes(departed, stranger, counts):
    departed.host.log_in(stranger, "c", recorded_by=HOST)
    assert answers(departed.host, stranger, "address4") == {HOST: 250, "a": 550, "b": 550, "c": 550}
    counts["logins"] += 1
    counts["daemons asked"] += len(ALL)
