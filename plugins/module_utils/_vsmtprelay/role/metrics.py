# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of the metrics: where the variable ``metrics`` puts it, and where earlier runs of the role put it."""

from __future__ import annotations

import os
import re

from ..errors import MalformedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# That of Debian's package prometheus-node-exporter.
DIRECTORY = "/var/lib/prometheus/node-exporter"
NAME = "vsmtprelay.prom"
UNIT_FILE = "/etc/systemd/system/vsmtprelay-metrics.service"
# As text from --extra-vars or an INI inventory.
ON = frozenset(("true", "yes", "on", "1"))
OFF = frozenset(("false", "no", "off", "0"))
# What systemd takes as one word without quotes, in ExecStart= and ReadWritePaths= (systemd.syntax(7)).
PATH = re.compile(r"/[A-Za-z0-9/_.,@+=-]*")
OUTPUT = re.compile(r"^ExecStart=.* --output (/\S+)$", re.MULTILINE)


def directory_of(value: Any) -> str:
    """Return the directory that the variable ``metrics`` means, or an empty text if it is off. Raises MalformedError."""
    text = str(value).strip()
    if text.lower() in ON:
        return DIRECTORY
    if text.lower() in OFF:
        return ""
    if not PATH.fullmatch(text):
        raise MalformedError(f"{text!r} is neither true nor false nor the absolute path of a directory, without blanks")
    return os.path.normpath(text)


def file_in(directory: str) -> str:
    """Return the path of the file of the metrics in ``directory``; empty if that is."""
    return os.path.join(directory, NAME) if directory else ""


def file_of_unit(unit: str) -> str:
    """Return the path of the file that the unit with the text ``unit`` writes; empty if it names none."""
    found = OUTPUT.search(unit)
    return found.group(1) if found else ""
