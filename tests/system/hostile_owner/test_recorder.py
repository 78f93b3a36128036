# SPDX-License-Identifier: GPL-3.0-or-later
"""Users log in while an owner attacks: all can read their mail, and the logins at Victor's server are recorded at once."""

from __future__ import annotations

import json
import statistics
import sys

import pytest

from support.places import CHECKOUT
from support.waiting import wait_until

from .conftest import ATTEMPTS, HELD_UP, SWAPS
from .host import ETC, Attack

WAYS = ("links", "exchange", "directory", "special", "flock", "lease", "fifo")
# Dovecot waits a quarter of a second for the recorder. The rest of a login takes some milliseconds, on a busy machine more.
LOGIN_SECONDS, LATER_SECONDS = 1.5, 0.15
RATE = 12
# The networks that the logins at Mallory's and at Victor's server come from.
NETWORKS = {"mallory": "198.18.0.0/17", "victor": "198.18.128.0/17"}
UNIT = "vsmtprelay-recorder.service"


class Logins:
    """Logins at one server, at a certain rate, each from another address, by a process in the client's network."""

    first = 1

    def __init__(self, client, host, server, count):
        words = {
            "server": host.addresses[server],
            "network": NETWORKS[server],
            "first": Logins.first,
            "count": count,
            "rate": RATE,
        }
        options = [f"--{name}={value}" for name, value in words.items()]
        self._process = client.popen([sys.executable, "-m", "support.logins", "--threads=8", *options], cwd=CHECKOUT / "dev")

    def result(self):
        output, _ = self._process.communicate(timeout=600)
        assert self._process.returncode == 0
        return json.loads(output)


def usual(logins):
    return statistics.median(login["seconds"] for login in logins)


def start(host, way):
    """Return the attack."""
    if way in ("flock", "lease"):
        return Attack(host, "holder", f"{way}:{ETC}/relayers.db", f"{way}:{ETC}/.relayers.db.vsmtprelay")
    if way == "fifo":
        host.guest.run(
            ["su", "mallory", "-c", f"cd {ETC}; rm -f relayers.db .relayers*; mkfifo relayers.db .relayers.db.vsmtprelay"]
        )
        return Attack(host, "holder")
    return host.attack(way)


def process_of_recorder(host):
    return host.guest.run(["systemctl", "show", "--property=MainPID,NRestarts", UNIT]).stdout


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("way", WAYS)
def test_an_attack_on_one_server_delays_no_login_at_another_one(host, unchanged, counts, client, way, full):
    count = 400 if full else 24
    # It starts with the first login.
    quiet = Logins(client, host, "victor", 15).result()
    wait_until(lambda: quiet[-1]["address"] in host.listed("victor"))
    recorder = process_of_recorder(host)
    with start(host, way) as attack:
        logins = [Logins(client, host, server, count) for server in NETWORKS]
        of_mallory, of_victor = (each.result() for each in logins)
        swaps = attack.end()
    Logins.first += count
    counts[ATTEMPTS] += count
    counts[SWAPS] += swaps if way in ("links", "exchange", "directory", "special") else 0
    slowest = max(login["seconds"] for login in of_victor)
    print(
        f"{host.guest.release}: logins under {way}: slowest {slowest:.2f} s, at Mallory's "
        f"{max(login['seconds'] for login in of_mallory):.2f} s"
    )
    assert [login for login in of_mallory + of_victor if not login["ok"]] == []
    later = usual(of_victor) - usual(quiet)
    counts[HELD_UP] += slowest > LOGIN_SECONDS or later > LATER_SECONDS
    assert slowest < LOGIN_SECONDS
    assert later < LATER_SECONDS
    assert process_of_recorder(host) == recorder
    expected = {login["address"] for login in of_victor}
    wait_until(lambda: expected <= host.listed("victor"), timeout=10)
