# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Symbolic links on the path of a database or a configuration file: which of them root follows.

The files of a virtual server lie in its user's directories, where root works every night. A link made by
that user must not lead root to another user's file: root would empty an access map, or make the
sendmail.cf of the host look into that user's database.
"""

from __future__ import annotations

import os

from ..errors import UnwritableError

MOST_LINKS = 40  # as path_resolution(7)


def resolve(path: str) -> str:
    """Return the absolute path that ``path`` resolves to, whether the file exists or not.

    For root, every link on the path must belong to root or to the owner of the target (of its directory, if
    there is no file). Raises UnwritableError if one does not.
    """
    try:
        real = os.path.realpath(path)
        # Without a link there is nothing to check; a run does this for a thousand paths, several times.
        if os.geteuid() == 0 and real != os.path.abspath(path):
            _check_links(path, real)
    except OSError as error:
        # The owner of a directory may rename all in it at any instant.
        raise UnwritableError(f"{path}: cannot be followed: {error.strerror}, nothing was changed; check the path") from None
    return real


def _check_links(path: str, real: str) -> None:
    """Raise UnwritableError if a link on ``path`` belongs to a user who does not own ``real``. Raises OSError."""
    try:
        owner = os.stat(real if os.path.exists(real) else os.path.dirname(real)).st_uid
    except OSError:
        return  # opening it fails in the same way and reports it
    for link in _links(os.path.abspath(path)):
        if os.lstat(link).st_uid not in (0, owner):
            raise UnwritableError(
                f"{path}: {link} is a symbolic link of a user who does not own {real}, so root does not follow it, "
                "nothing was changed; remove the link, or give it to root with chown -h"
            )


def _links(path: str) -> list[str]:
    """Return all symbolic links that are followed to resolve ``path`` (absolute)."""
    links: list[str] = []
    here, rest = "/", path.split("/")
    while rest and len(links) <= MOST_LINKS:
        name = rest.pop(0)
        if name in ("", "."):
            continue
        here = os.path.dirname(here) if name == ".." else os.path.join(here, name)
        if os.path.islink(here):
            links.append(here)
            target = os.readlink(here)
            here = "/" if target.startswith("/") else os.path.dirname(here)
            rest = target.split("/") + rest
    return links
