# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be said of a guest that has ended, or that does not get ready."""

from pathlib import Path
from typing import TYPE_CHECKING

from . import inotify, memory
from .nspawn import status_in_words

if TYPE_CHECKING:
    from .guest import Guest

LINES = 20
JOURNAL_LINES = 30


def report(guest: "Guest") -> str:
    """Return how GUEST ended if it did, what its nspawn and it said, the end of its journal, and what the host lacks."""
    nspawn = guest.launched
    # The disk may have the journal of earlier starts, too.
    since = f"--since=@{nspawn.started_at():.6f}"
    # journalctl of Debian 12 prints the first lines, not the last ones, where it is given both a time and a number of lines.
    journal = _last_of(guest.journal("--output=short-precise", since), JOURNAL_LINES)
    parts = [
        _said(f"the end of what systemd-nspawn said ({nspawn.words_file})", _last_of(_text_of(nspawn.words_file), LINES)),
        _said(f"the end of the console ({nspawn.console})", _last_of(_text_of(nspawn.console), LINES)),
        _said("the end of the journal", journal),
        inotify.in_words(),
        *_memory_kills(guest),
    ]
    if nspawn.has_died():
        parts.insert(0, f"its systemd-nspawn ended {status_in_words(nspawn.status())}")
    return "\n".join(parts)


def _last_of(text: str, count: int) -> str:
    """Return the last COUNT lines of TEXT without the end of the last one."""
    return "\n".join(text.splitlines()[-count:])


def _text_of(file: Path) -> str:
    """Return the text of FILE (UTF-8, or nearly), "" where there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _said(title: str, text: str) -> str:
    """Return TEXT below TITLE."""
    return f"{title}:\n{text}" if text.strip() else f"{title}: nothing"


def _memory_kills(guest: "Guest") -> list[str]:
    """Return lines on processes killed for want of memory: of GUEST or, where only that is known, of the host."""
    kills = memory.kills_in_group(guest.machine)
    whose = "the guest"
    if kills is None:
        before, now = guest.launched.memory_kills_before(), memory.kills_on_host()
        whose = "the whole host, since the guest was started"
        kills = None if before is None or now is None else now - before
    count = "not known" if kills is None else kills
    words = memory.kernels_words() if kills != 0 else []
    return [f"processes killed for want of memory, of {whose}: {count}", *words]
