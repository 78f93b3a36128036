# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that share logins: their inventory, and how long it takes until what happens on one of them is seen on the others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from guests.client import Client

from .mail import Address, rcpt

ENGINE_GROUP = "pop_before_smtp_engine"
PORT = 6380
OPEN, REFUSED = 250, 550
# A client asks again so long after the last time.
INTERVAL_SECONDS = 0.05
PATIENCE_SECONDS = 10


def write_inventory(file: Path, hosts: Mapping[str, Mapping[str, Any]], engines: Iterable[str]) -> Path:
    """Write an inventory of ``hosts``, each with its variables, that share logins over ``engines``; return ``file``.

    It goes beside the inventory of the guests, which says how to reach them.
    """
    engines = list(engines)
    shared = {"pop_before_smtp_engines": [{"host": name, "port": PORT} for name in engines]}
    groups = {
        "sharing": {"hosts": {name: dict(variables) for name, variables in hosts.items()}, "vars": shared if engines else {}},
        ENGINE_GROUP: {"hosts": {name: {} for name in engines}},
    }
    # YAML includes JSON.
    file.write_text(json.dumps({"all": {"children": groups}}, indent=1), encoding="utf-8")
    return file


def until_answer(
    source: Client | Address,
    server: str,
    code: int,
    timeout: float = PATIENCE_SECONDS,
    interval: float = INTERVAL_SECONDS,
) -> float:
    """Ask ``server`` for leave to relay, in a session of its own each time, until it answers with ``code``.

    Return when that was, as time.monotonic(). Raises AssertionError after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        begin = time.monotonic()
        answer = rcpt(source, server)
        now = time.monotonic()
        if answer[0] == code:
            return now
        assert begin < deadline, f"{server} answers {answer} to {source.address4} after {timeout} s"
        time.sleep(max(0.0, begin + interval - now))


def seconds_until(
    source: Client | Address, servers: Mapping[str, str], code: int, since: float, timeout: float = PATIENCE_SECONDS
) -> dict[str, float]:
    """Return how many seconds after ``since`` (time.monotonic()) each of ``servers`` (addresses by name) answers ``code``."""
    with ThreadPoolExecutor(len(servers)) as threads:
        found = {name: threads.submit(until_answer, source, server, code, timeout) for name, server in servers.items()}
        return {name: each.result() - since for name, each in found.items()}


def figures(seconds: Sequence[float]) -> str:
    """Return p50, p99 and the most of ``seconds``, in milliseconds."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, max {ordered[-1] * 1000:.0f} ms"
