# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up fleet of many hosts, for those who show it, with the history of its reports. It is the same in every run."""

from __future__ import annotations

import random
from typing import Any

from ansible_collections.vsmtp.relay.plugins.plugin_utils import status_history

from .fleet_state import HOUR, MADE, engine, fleet, host, server, sharing

CITIES = ("amsterdam", "bremen", "chemnitz", "dresden", "edinburgh", "firenze", "gothenburg", "heidelberg", "innsbruck", "jena")
DAY = 24 * HOUR
REPORTS = 45
# How busy each hour before the report was, which was made at 12:53.
BUSY = (9, 10, 9, 7, 5, 3, 2, 1, 1, 1, 2, 3, 5, 6, 6, 7, 8, 8, 9, 10, 10, 9, 8, 9)
TROUBLES = {
    "gone": "unreachable: Failed to connect to the host via ssh: connect to host port 22: Connection timed out",
    "locked": "/srv/shop.example.org/etc/relayers.db: locked by another process for 10 seconds; try again",
}


def many_hosts(number: int = 500) -> dict[str, Any]:
    """Return the state of a fleet of ``number`` hosts. Each has one to four virtual servers, and about one in 25 a trouble."""
    chance = random.Random(500)
    return fleet(*(_host(index, chance) for index in range(number)))


def history_of(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a line for each of the daily reports up to ``state``."""
    chance = random.Random(45)
    now = status_history.extended([], state)[0]
    lines = []
    for day in range(REPORTS, 0, -1):
        # Fewer people log in at weekends; the fleet grows.
        part = (1 - day / 150) * (0.72 if (REPORTS - day) % 7 > 4 else 1) * chance.uniform(0.97, 1.03)
        lines.append(
            {
                **{name: value for name, value in now.items() if name != "counted"},
                "made": now["made"] - day * DAY,
                "entries": int(now["entries"] * (1 - day / 150) * chance.uniform(0.985, 1.015)),
                "logins": int(now["logins"] * part),
                "attention": chance.choice((4, 6, 7, 9)) + (31 if day in (20, 19) else 0),
                "recorded": None if day == REPORTS else int(5.2 * now["logins"] * part),
                "delayed": None if day == REPORTS else chance.choice((0, 0, 0, 2, 5)),
                "ignored": None if day == REPORTS else chance.randrange(300, 500),
                "refused": None if day == REPORTS else chance.choice((0, 0, 1, 3)) + (58 if day == 12 else 0),
                "failed": None if day == REPORTS else (7 if day in (20, 19, 3) else 0),
            }
        )
    before = {name: dict(counts) for name, counts in now["counted"].items()}
    for counts in before.values():
        for kind in ("recorded", "ignored"):
            counts[kind] -= counts[kind] // 40
        counts["refused"] -= counts["refused"] // 11
        counts["failed"] -= counts["failed"] // 8
    lines[-1]["counted"] = before
    return status_history.extended(lines, state)


def _host(index: int, chance: random.Random) -> dict[str, Any]:
    name = f"mail{index // len(CITIES) + 1}.{CITIES[index % len(CITIES)]}.example.org"
    names = ["example.org", "example.net", "example.com", "lists.example.org"]
    servers = [_server(each, chance) for each in names[: chance.choice((1, 1, 1, 2, 2, 3, 4))]]
    since = MADE - chance.randrange(2 * DAY, 60 * DAY)
    recorded = chance.randrange(2_000, 90_000)
    counts = {"since": since, "recorded": recorded, "delayed": 0, "ignored": recorded // 60, "refused": 0, "failed": 0}
    counts["refused"] = chance.choice((0,) * 12 + (2, 4, 11))
    state = host(name, *servers, recorder_counts=counts)
    state["expiry"] = {"last": MADE - chance.randrange(9 * HOUR, 10 * HOUR), "status": 0, "late": False}
    trouble = index % 25 and index % 67 and index % 131
    if trouble:
        return state
    return _troubled(state, index, chance)


def _server(name: str, chance: random.Random) -> dict[str, Any]:
    busy = chance.choice((0.3, 1, 1, 2, 4))
    ages = [int(chance.uniform(0.6, 1.4) * busy * part) for part in BUSY]
    old = int(sum(ages) * chance.uniform(0.02, 0.2))
    return server(
        name,
        window=chance.choice((1440, 1440, 1440, 720, 30)),
        ages=[*ages, old],
        entries=sum(ages) + old + 2,
        newest=MADE - chance.randrange(5, 600) if sum(ages) else None,
        oldest=MADE - chance.randrange(24 * HOUR, 33 * HOUR) if old else MADE - 22 * HOUR,
    )


def _troubled(state: dict[str, Any], index: int, chance: random.Random) -> dict[str, Any]:
    """Return the state with a trouble, each of them in turn."""
    kind = (index // 25 + index // 67) % 9
    if kind == 0:
        return {"host": state["host"], "fault": TROUBLES["gone"]}
    if kind == 1:
        state["expiry"] = {"last": MADE - 2 * DAY, "status": 0, "late": True}
    elif kind == 2:
        state["drift"] = ["/etc/cron.d/vsmtprelay", "/etc/mail/sendmail.mc"]
    elif kind == 3:
        state.update(recorder="down", recorder_counts=None)
    elif kind == 4:
        state["virtual_servers"][0]["ruleset"] = "not read yet"
    elif kind == 5:
        state["recorder_counts"]["failed"] = chance.randrange(1, 20)
        locked = server("shop.example.org", fault=TROUBLES["locked"])
        unknown = ("entries", "pinned", "oldest", "newest", "ages")
        state["virtual_servers"].append({name: value for name, value in locked.items() if name not in unknown})
    elif kind == 6:
        down = engine("engine2.example.org:6380", connected=False, since=MADE - 300, error="no route to host", lag_ms=None)
        state["sharing"] = sharing(engine(), down)
    elif kind == 7:
        state["virtual_servers"][0].update(ruleset="missing", window=None)
    else:
        state.update(drift=None, drift_fault="Dovecot 2.2 is too old; it needs 2.3 or later")
    return state
