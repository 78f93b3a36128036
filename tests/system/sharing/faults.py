# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to an engine, to a link and to the programs of a host. A fault is a context, and lasts while one is in it."""

from __future__ import annotations

import contextlib
import time

from support.sharing import PORT

from .fleet import RECORDER, SHARER

TABLE = "sharing_test"
# In the guest's own network namespace.
RULES = """
table inet {table} {{
  chain in {{
    type filter hook input priority 0;
    {incoming}
  }}
  chain out {{
    type filter hook output priority 0;
    {outgoing}
  }}
}}
"""
KILL_EVERY_SECONDS = 0.7


@contextlib.contextmanager
def stopped(fleet, name):
    """The engine is stopped."""
    unit = fleet.unit(name)
    fleet[name].run(["systemctl", "stop", unit])
    try:
        yield
    finally:
        fleet[name].run(["systemctl", "start", unit])


@contextlib.contextmanager
def killed(fleet, name):
    """The engine is killed; systemd starts it again meanwhile."""
    unit = fleet.unit(name)
    fleet.kill(name, unit)
    try:
        yield
    finally:
        fleet[name].run(["systemctl", "start", unit])


@contextlib.contextmanager
def emptied(fleet, name):
    """The engine is replaced by an empty one, as after the loss of its disk."""
    unit, files = fleet.unit(name), _files(fleet, name)
    fleet[name].run(["systemctl", "stop", unit])
    fleet[name].run(["sh", "-ec", f"find {files} -mindepth 1 -delete"])
    try:
        yield
    finally:
        fleet[name].run(["systemctl", "start", unit])


@contextlib.contextmanager
def rolled_back(fleet, name):
    """The engine is killed at the end, and goes on with the files that it had at the beginning."""
    unit, files = fleet.unit(name), _files(fleet, name)
    copy = f"/root/{name}-before"
    fleet[name].run(["sh", "-ec", f"rm -rf {copy}; cp -a {files} {copy}"])
    try:
        yield
    finally:
        script = f"systemctl stop {unit}; find {files} -mindepth 1 -delete; cp -a {copy}/. {files}/; systemctl start {unit}"
        fleet.kill(name, unit)
        fleet[name].run(["sh", "-ec", script])


@contextlib.contextmanager
def hung(fleet, name):
    """The engine takes connections and says nothing."""
    unit = fleet.unit(name)
    pid = fleet.main_pid(name, unit)
    fleet[name].run(["kill", "-STOP", pid])
    try:
        yield
    finally:
        fleet[name].run(["kill", "-CONT", pid], check=False)


@contextlib.contextmanager
def unplugged(fleet, name):
    """The link of the host is down."""
    guest = fleet[name]
    guest.namespace.ip("link set eth0 down")
    try:
        yield
    finally:
        # Going down takes the routes and the IPv6 address along.
        guest.namespace.ip("link set eth0 up", f"address replace {guest.address6}/64 dev eth0 nodad")


@contextlib.contextmanager
def silent(fleet, name, incoming=True, outgoing=True):
    """Packets between the host and engines, or another host and this engine, are dropped without a word."""
    directions = {"incoming": incoming, "outgoing": outgoing}
    drops = {
        way: f"tcp sport {PORT} drop\n    tcp dport {PORT} drop" if is_dropped else "" for way, is_dropped in directions.items()
    }
    fleet[name].namespace.run(["nft", "-f", "-"], input=RULES.format(table=TABLE, **drops))
    try:
        yield
    finally:
        fleet[name].namespace.run(["nft", "delete", "table", "inet", TABLE])


def deaf(fleet, name):
    """Of the connections between the host and engines, only packets that come in are dropped."""
    return silent(fleet, name, outgoing=False)


def mute(fleet, name):
    """Of the connections between the host and engines, only packets that go out are dropped."""
    return silent(fleet, name, incoming=False)


@contextlib.contextmanager
def sharer_killed(fleet, name):
    """vsmtprelay-share is killed."""
    fleet.kill(name, SHARER)
    yield


@contextlib.contextmanager
def recorder_killed(fleet, name):
    """The recorder is killed."""
    fleet.kill(name, RECORDER)
    yield


@contextlib.contextmanager
def recorder_restarted(fleet, name):
    """The recorder is restarted, as a run of the role does."""
    fleet[name].run(["systemctl", "restart", RECORDER])
    yield


@contextlib.contextmanager
def store_lost(fleet, name):
    """vsmtprelay-share has lost all that it knew."""
    fleet[name].run(["systemctl", "stop", SHARER])
    fleet[name].run(["sh", "-ec", "find /var/lib/private/vsmtprelay-share -mindepth 1 -delete"])
    try:
        yield
    finally:
        fleet[name].run(["systemctl", "start", SHARER])


def keep_killing(fleet, name, unit, seconds):
    """Kill a service again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fleet.kill(name, unit)
        time.sleep(KILL_EVERY_SECONDS)


def _files(fleet, name):
    """Return the directory of the engine's files, in which it works."""
    return fleet[name].run(["readlink", f"/proc/{fleet.main_pid(name, fleet.unit(name))}/cwd"]).stdout.strip()


OF_ENGINES = {
    "is stopped": stopped,
    "is killed": killed,
    "is emptied": emptied,
    "is rolled back": rolled_back,
    "hangs": hung,
    "is unplugged": unplugged,
    "is silent": silent,
    "is deaf": deaf,
    "is mute": mute,
}
OF_HOSTS = {
    "is silent": silent,
    "is deaf": deaf,
    "is mute": mute,
    "has its sharer killed": sharer_killed,
    "has its recorder killed": recorder_killed,
    "has its recorder restarted": recorder_restarted,
    "loses what its sharer knows": store_lost,
}
