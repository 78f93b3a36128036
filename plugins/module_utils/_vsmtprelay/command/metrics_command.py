# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``vsmtprelay metrics``: the state of this host for Prometheus, printed or written for node exporter's textfile collector."""

from __future__ import annotations

import os
import sys
import time

from ..errors import ForbiddenError, RelayError, UsageError
from ..files import text_file
from ..recorder import counts_file
from ..status import host
from ..status.metrics import exposition
from .output import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..servers.virtual_servers import VirtualServer

OUTPUT = "--output"
# The collector may run as any user.
READABLE = text_file.Attributes(uid=0, gid=0, mode=0o644)


def path_in(arguments: Sequence[str]) -> str:
    """Return the file that ``arguments`` name, or an empty text for the standard output. Raises UsageError."""
    words, path = list(arguments), ""
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option != OUTPUT:
            raise UsageError(f"metrics takes no argument {option + equals + value!r}; vsmtprelay metrics --help shows how")
        if not equals and words:
            value = words.pop(0)
        if not value:
            raise UsageError(f"{OUTPUT} needs the path of a file; vsmtprelay metrics --help shows how")
        path = os.path.abspath(value)
    return path


def report(servers: Sequence[VirtualServer], lock_seconds: float, path: str) -> int:
    """Print the metrics of this host with ``servers``, or write them to the file at ``path``; return the exit status.

    The databases are waited for at most ``lock_seconds``. Raises RelayError: ForbiddenError to others than root,
    MissingPackageError, if systemctl cannot be run, and if the file cannot be written.
    """
    if os.geteuid() != 0:
        raise ForbiddenError("metrics: only root can see the state of the whole host; run it as root")
    now = int(time.time())
    state = host.of_host(servers, now, lock_seconds, quietly=True)
    counted, status = _counted(state)
    text = exposition(state, counted, now)
    if path:
        text_file.replace(path, text, READABLE)
    else:
        sys.stdout.write(text.decode())
    return status


def _counted(state: dict[str, Any]) -> tuple[dict[str, Any] | None, int]:
    """Return what the recorder counted, or None, and the exit status: the rest is known without it."""
    if state["recorder"] in ("none", "down"):
        return None, 0
    try:
        return counts_file.load(), 0
    except RelayError as error:
        return None, complain(error)
