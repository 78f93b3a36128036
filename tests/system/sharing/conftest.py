# SPDX-License-Identifier: GPL-3.0-or-later
"""Three mail hosts that share logins over two engines: one only serves POP, one only relays, one does both.

The numbers of the files are their order: they are the steps of one story, from the set-up on.
"""

from __future__ import annotations

import pytest

from support.fingerprint import fingerprint
from support.load import Load
from support.waiting import wait_until

from .fleet import ENGINES, HOSTS, NETWORKS, Fleet


def pytest_addoption(parser):
    parser.addoption("--minutes", type=float, default=0, help="how long the chaos lasts")
    parser.addoption("--chaos", type=int, default=0, help="repeat the faults that were printed with this number")


@pytest.fixture(scope="session")
def new_fleet(lab, client, tmp_path_factory):
    """The hosts before anything of ours was there."""
    client.namespace.ip("route replace local 198.19.0.0/16 dev lo")
    fleet = Fleet(lab, client, tmp_path_factory.mktemp("inventory"))
    fleet.prepare()
    return fleet


class SetUp:
    """The runs of vsmtp.relay.engine and vsmtp.relay.site, twice, and what the hosts were before."""

    def __init__(self, fleet):
        self.before = {name: fingerprint(fleet[name]) for name in (*HOSTS, *ENGINES)}
        # With all that Ansible can print: no secret may be in it.
        loud = ("--diff", "-vvv")
        self.engine, self.site = fleet.play("engine", *loud), fleet.play("site", *loud)
        self.engine_again, self.site_again = fleet.play("engine", *loud), fleet.play("site", *loud)

    @property
    def runs(self):
        """All runs, in their order."""
        return self.engine, self.site, self.engine_again, self.site_again


@pytest.fixture(scope="session")
def set_up(new_fleet):
    return SetUp(new_fleet)


@pytest.fixture(scope="session")
def sharing(new_fleet, set_up):
    """The hosts after the set-up."""
    for run in set_up.runs:
        assert run.status == 0, run.output[-8000:]
    return new_fleet


@pytest.fixture
def fleet(sharing):
    """The hosts, each of them connected to both engines, also after what the test before did."""
    wait_until(sharing.all_connected, 15)
    return sharing


@pytest.fixture
def load(client, sharing):
    """Return what lets clients log in on a host, one after the other and at a certain rate; it is ended with the test."""
    loads = []

    def begin(name, *options):
        loads.append(Load(client, sharing.addresses[name], *options, network=NETWORKS[name]))
        return loads[-1]

    yield begin
    for each in loads:
        each.stop()
