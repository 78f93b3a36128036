# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a guest, read from its disk by the host: that works for a guest that is dead or hangs, too."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

PLACE = Path("var/log/journal")


def read(upper: Path, options: Sequence[str], timeout: float = 30) -> str:
    """Return what journalctl with OPTIONS prints of the journal on the disk whose upper layer is UPPER, or why it does not.

    An image has no journal, so the upper layer has all of it. Before systemd-journald has moved it there, a guest's journal
    is in its memory and is lost with it.
    """
    directory = upper / PLACE
    if not any(directory.glob("*/*.journal")):
        return "(there is no journal on the disk yet)"
    command = ["journalctl", f"--directory={directory}", "--no-pager", "--quiet", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"(the journal cannot be read: {error})"
    return (done.stdout + done.stderr).rstrip("\n")
