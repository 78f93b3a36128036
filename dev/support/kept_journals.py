# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals of mail hosts, kept when a test fails: the hosts are gone by the time that somebody reads of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

UNITS = (
    *("dovecot.service", "vsmtprelay-recorder.service", "vsmtprelay-share.service"),
    *("redis-server@vsmtprelay.service", "valkey-server@vsmtprelay.service"),
)


class Host(Protocol):
    """What is asked of a guest."""

    name: str

    def journal(self, *options: str) -> str: ...


def keep(hosts: Iterable[Host], test: str, since: float, directory: Path) -> list[Path]:
    """Write what UNITS of ``hosts`` logged since ``since`` (seconds of the epoch) to files below ``directory``; return these.

    ``test`` is pytest's id of the test, or any other text.
    """
    place = directory / re.sub(r"[^A-Za-z0-9_.-]+", "-", test).strip("-.")[-150:]
    files = []
    for host in hosts:
        options = [f"--since=@{since:.6f}", "--output=short-precise", "--all", *(f"--unit={unit}" for unit in UNITS)]
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{host.name}.log"
        file.write_text(host.journal(*options) + "\n", encoding="utf-8")
        files.append(file)
    return files
