# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host with Dovecot 2.3 and one with 2.4, set up by the playbook, and a client that has a whole network."""

from __future__ import annotations

import json

import pytest

from support.load import MANY, Load
from support.playbook import play
from support.releases import releases
from support.throttles import bear_load, lift_throttles

RELEASES = releases({"bookworm": "Dovecot 2.3", "trixie": "Dovecot 2.4"})
DATABASE = "/srv/relay/relayers.db"
SERVERS = [{"name": "default", "relayers_db": DATABASE}]
# As /etc/mail is.
MAKE_FILE_SYSTEM = """
mkdir /srv/relay
mount -t tmpfs -o size=4m none /srv/relay
chown smmta:smmsp /srv/relay
chmod 2755 /srv/relay
"""


@pytest.fixture(scope="session")
def hosts(lab, client):
    """The hosts by release. Their database has a file system of its own, which can be filled and made read-only."""
    guests = {release: lab.guest(f"recorder-{release}", release=release) for release in RELEASES}
    lab.boot(guests.values())
    for guest in guests.values():
        lift_throttles(guest, MANY)
        guest.run(["ip", "route", "add", MANY, "via", client.address4])
        guest.run(["sh", "-ec", MAKE_FILE_SYSTEM])
        bear_load(guest)
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


@pytest.fixture
def load(client):
    return lambda server, *options: Load(client, server, *options)
