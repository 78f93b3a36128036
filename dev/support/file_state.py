# SPDX-License-Identifier: GPL-3.0-or-later
"""What shows whether somebody wrote a file; who only read it leaves no trace there."""

from __future__ import annotations

import os


def file_state(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """Return all that stat(2) tells of the file at ``path``, but for when it was last read."""
    status = os.stat(path)
    owner = (status.st_mode, status.st_nlink, status.st_uid, status.st_gid)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, *owner)
