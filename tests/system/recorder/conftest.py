# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host with Dovecot 2.3 and one with 2.4, set up by the playbook, and a client that has a whole network."""

from __future__ import annotations

import json
import sys

import pytest

from support.playbook import CHECKOUT, play
from support.throttles import lift_throttles

RELEASES = {"bookworm": "Dovecot 2.3", "trixie": "Dovecot 2.4"}
# Belongs to the client as a whole; RFC 2544 sets it aside for measurements.
MANY = "198.18.0.0/16"
DATABASE = "/srv/relay/relayers.db"
SERVERS = [{"name": "default", "relayers_db": DATABASE}]
# As /etc/mail is.
MAKE_FILE_SYSTEM = """
mkdir /srv/relay
mount -t tmpfs -o size=4m none /srv/relay
chown smmta:smmsp /srv/relay
chmod 2755 /srv/relay
"""
# What a login costs without us is not what is tested: Debian's password hash takes 20 ms.
CHEAP_PASSWORD = """usermod -p "$(openssl passwd -1 alice-secret)" alice"""
# sendmail accepts no connections while the machine is busy.
ACCEPT_UNDER_LOAD = """sed -i 's/^#*O RefuseLA=.*/O RefuseLA=1000/' /etc/mail/sendmail.cf"""


@pytest.fixture(scope="session")
def hosts(lab, client):
    """The hosts by release. Their database has a file system of its own, which can be filled and made read-only."""
    guests = {release: lab.guest(f"recorder-{release}", release=release) for release in RELEASES}
    lab.boot(guests.values())
    for guest in guests.values():
        lift_throttles(guest, MANY)
        guest.run(["ip", "route", "add", MANY, "via", client.address4])
        guest.run(["sh", "-ec", MAKE_FILE_SYSTEM])
        guest.run(["sh", "-ec", CHEAP_PASSWORD])
        guest.run(["sh", "-ec", ACCEPT_UNDER_LOAD])
    options = ["-e", json.dumps({"pop_before_smtp_virtual_servers": SERVERS})]
    run = play(lab, "vsmtp.relay.site", *options, "--limit", "recorder-*")
    assert run.status == 0, run.output
    return guests


@pytest.fixture(params=RELEASES, ids=RELEASES.values())
def host(request, hosts):
    """Each of the hosts in turn, with nobody listed."""
    guest = hosts[request.param]
    guest.run(["vsmtprelay", "expire"])
    assert guest.run(["vsmtprelay", "dump"]).stdout == ""
    return guest


class Load:
    """Logins from addresses of MANY, one after the other and at a certain rate, by a process in the client's network."""

    def __init__(self, client, server, *options):
        words = [sys.executable, "-m", "support.logins", f"--network={MANY}", f"--server={server}", *map(str, options)]
        self._process = client.popen(words, cwd=CHECKOUT / "dev")

    def result(self):
        """Wait for the end; return a list of dictionaries with address, ok and seconds, and perhaps refused."""
        output, _ = self._process.communicate(timeout=3600)
        assert self._process.returncode == 0
        return json.loads(output)


@pytest.fixture
def load(client):
    return lambda server, *options: Load(client, server, *options)
