# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of a fleet: a file on the controller with one line of JSON for each report, of which the page draws the trends.

A line has the numbers of its report. What recorders count starts again with each of them, so a line has what was counted
since the line before, and the last line also has, by host, the counts from which the next report goes on.
"""

from __future__ import annotations

import json
import os
import stat

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.counts_file import KINDS

from .status_words import findings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# In each line, so that no other file is taken for a history. It changes when a member gets another meaning.
KIND = "vsmtp.relay.status 1"
# With a report each day, more than a year.
MOST_LINES = 400
# 400 lines of numbers and the counts of ten thousand hosts take 2 MB.
LARGEST_BYTES = 16 * 1024 * 1024
# In epoch seconds, the last that has a date.
LATEST = 253_402_300_799
NUMBERS = ("made", "hosts", "attention", "entries", "logins")
COUNTS = ("since", *KINDS)


def read(path: str) -> list[dict[str, Any]]:
    """Return the lines of the history at ``path``, the oldest first; none if there is no such file.

    ``made`` is the time of the report in epoch seconds; ``hosts`` the number of hosts, and ``attention`` of those that need
    attention; ``entries`` that of entries, and ``logins`` of those from logins within a day. For each of counts_file.KINDS
    there is what was counted since the line before, or None in the first line. The last line has ``counted``: for each host
    the counts as relay_status_info returns them.

    Raises UnreadableError, a line that names the file and the remedy, if it cannot be read or is no history.
    """
    try:
        # A pipe without a writer is no reason to wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _foreign(path, "it is no file")
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None
    if len(content) > LARGEST_BYTES:
        raise _foreign(path, f"it has more than {LARGEST_BYTES:,} bytes")
    if content and not content.endswith(b"\n"):
        raise _foreign(path, "its last line is cut off")
    lines = content.splitlines()
    return [_parse(path, number, line, number == len(lines)) for number, line in enumerate(lines, 1)]


def extended(lines: Sequence[Mapping[str, Any]], fleet: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the last of ``lines`` and one for the state of ``fleet``, which status_words describes."""
    before = lines[-1] if lines else None
    older = [{name: value for name, value in line.items() if name != "counted"} for line in lines]
    return [*older, _line_of(fleet, before)][-MOST_LINES:]


def text_of(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the content of the file."""
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def counts_of(host: Mapping[str, Any]) -> Mapping[str, int] | None:
    """Return what the recorder of a host counted since it started, or None if that is not known."""
    return None if host["fault"] else host.get("recorder_counts")


def logins_of(server: Mapping[str, Any]) -> int:
    """Return the number of entries of a virtual server whose last login was within a day."""
    return sum(server.get("ages", [])[:-1])


def _line_of(fleet: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    servers = [server for host in fleet["hosts"] for server in host.get("virtual_servers", [])]
    known = {host["host"]: counts_of(host) for host in fleet["hosts"]}
    earlier = before["counted"] if before else {}
    # A host that is down now goes on from its earlier counts.
    counted = {name: counts or earlier.get(name) for name, counts in known.items()}
    line: dict[str, Any] = {
        "report": KIND,
        "made": fleet["made"],
        "hosts": len(fleet["hosts"]),
        "attention": sum(bool(findings_of(host, fleet["made"])) for host in fleet["hosts"]),
        "entries": sum(server.get("entries", 0) for server in servers),
        "logins": sum(map(logins_of, servers)),
    }
    for kind in KINDS:
        line[kind] = None
        if before:
            since = before["made"]
            line[kind] = sum(_new(kind, counts, earlier.get(name), since) for name, counts in known.items() if counts)
    line["counted"] = {name: counts for name, counts in counted.items() if counts}
    return line


def _new(kind: str, counts: Mapping[str, int], earlier: Mapping[str, int] | None, since: int) -> int:
    """Return the number of events of a host since the report at ``since`` (epoch seconds), which had the ``earlier`` counts."""
    if counts["since"] >= since or (earlier and any(counts[each] < earlier[each] for each in KINDS)):
        # The recorder has started since; what it counted before, after that report, is lost.
        return counts[kind]
    return counts[kind] - earlier[kind] if earlier else 0


def _parse(path: str, number: int, line: bytes, is_last: bool) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("report") != KIND:
        raise _foreign(path, f"line {number} is none of this version of vsmtp.relay")
    sound = all(_is_number(found.get(name)) for name in NUMBERS) and found["made"] <= LATEST
    sound = sound and all(kind in found and (found[kind] is None or _is_number(found[kind])) for kind in KINDS)
    if is_last:
        counted = found.get("counted")
        sound = sound and isinstance(counted, dict) and all(map(_is_counts, counted.values()))
    if not sound:
        raise _foreign(path, f"line {number} lacks a number")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_counts(value: object) -> bool:
    return isinstance(value, dict) and all(_is_number(value.get(name)) for name in COUNTS)


def _foreign(path: str, reason: str) -> UnreadableError:
    return UnreadableError(f"{path}: is no history of vsmtp.relay.status: {reason}; name another file, or move this one away")
