# SPDX-License-Identifier: GPL-3.0-or-later
"""States of fleets, as the playbook status puts them together, for those who show them."""

from __future__ import annotations

from typing import Any

MADE = 1_790_000_000
HOUR = 3600


def server(name: str = "main", **others: Any) -> dict[str, Any]:
    """Return the state of a virtual server with 30 clients, of which 24 logged in within a day and 2 may in the future too."""
    return {
        "name": name,
        "relayers_db": f"/srv/{name}/etc/relayers.db",
        "sendmail_cf": f"/srv/{name}/etc/sendmail.cf",
        "fault": "",
        "ruleset": "live",
        "window": 1440,
        "entries": 30,
        "pinned": 2,
        "permanent": 1,
        "oldest": MADE - 30 * HOUR,
        "newest": MADE - 90,
        "ages": [1] * 24 + [4],
        **others,
    }


def host(name: str, *servers: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return the state of a host on which all is well."""
    return {
        "host": name,
        "fault": "",
        "recorder": "up",
        "recorder_counts": {"since": MADE - 72 * HOUR, "recorded": 90, "delayed": 0, "ignored": 4, "refused": 0, "failed": 0},
        "expiry": {"last": MADE - 5 * HOUR, "status": 0, "late": False},
        "drift": [],
        "drift_fault": "",
        "virtual_servers": list(servers) or [server()],
        **others,
    }


def engine(name: str = "engine1.example.org:6380", **others: Any) -> dict[str, Any]:
    """Return what a host says of an engine with which all is well."""
    return {
        "engine": name,
        "connected": True,
        "since": MADE - 3 * HOUR,
        "error": None,
        "offset_ms": 4,
        "last_published": MADE - 20,
        "unsent": 0,
        "lag_ms": 12,
        "refused": {},
        **others,
    }


def sharing(*engines: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return what a host says of sharing its logins, while all is well."""
    return {
        "fault": "",
        "engines": list(engines) or [engine()],
        "addresses": {},
        "todo": 0,
        "failed_servers": {},
        "recorder": {"reachable": True, "error": None},
        "alone_since": None,
        **others,
    }


def fleet(*hosts: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a fleet."""
    return {"made": MADE, "hosts": list(hosts)}


def troubled() -> dict[str, Any]:
    """Return the state of a fleet in which everything is wrong that can be, and names are what nobody expects."""
    ugly = "<script>alert('&')</script>"
    return fleet(
        host("mail1.example.org"),
        {"host": ugly, "fault": "unreachable: " + "no route to host " * 9},
        host("late", expiry={"last": MADE - 40 * HOUR, "status": 0, "late": True}, recorder="down"),
        host("failed", expiry={"last": MADE - HOUR, "status": 66, "late": False}, drift=None),
        host("fails", drift=None, drift_fault="no sendmail"),
        host("differs", drift=[f"/etc/{number}" for number in range(9)]),
        host("new", expiry={"last": None, "status": None, "late": False}, recorder="none"),
        host(
            "many-servers-have-a-long-name.example.org",
            server("not-read", ruleset="not read yet"),
            server("missing", ruleset="missing"),
            server("no-daemon", ruleset="no daemon"),
            server("empty", entries=0, pinned=0, permanent=0, oldest=None, newest=None, ages=[0] * 25),
            server("damaged", fault=f"/srv/damaged/etc/relayers.db: {ugly} is damaged; run vsmtprelay repair"),
        ),
    )
