# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a file, and the files that one process published."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    Identity = Tuple[int, ...]


def identity_of(status: os.stat_result) -> Identity:
    """Return what changes whenever a file is written or replaced: device, inode, size, mtime and ctime in nanoseconds."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def identity_at(path: str, directory: int | None = None) -> Identity | None:
    """Return the present identity of the file at ``path``, or None if there is no file. Raises OSError.

    ``path`` is relative to the open ``directory``, if there is one.
    """
    try:
        return identity_of(os.stat(path, dir_fd=directory))
    except FileNotFoundError:
        return None


class Published:
    """The files that one process published, by path.

    libdb crashes on a damaged page, so each file is checked page by page before libdb opens it. The check takes
    longer than the rest of a small change. A file that this process wrote, and that is unchanged since, needs no
    further check.

    A process that writes many times owns the only instance and passes it on; in the recorder that is Writers. A
    change without one checks every file.
    """

    def __init__(self) -> None:
        self._identities: dict[str, Identity] = {}

    def note(self, path: str, identity: Identity) -> None:
        """Record that this process published the file with ``identity`` at ``path``."""
        self._identities[path] = identity

    def has(self, path: str, identity: Identity | None) -> bool:
        """Return whether the file with ``identity`` is the one that this process published at ``path``."""
        return identity is not None and self._identities.get(path) == identity
