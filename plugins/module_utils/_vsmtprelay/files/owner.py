# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose tree a file lies in, and file access with that user's rights instead of root's.

The owner of a virtual server can rename, link and swap everything in the tree, at any instant, between any two system
calls of root. So root does no work there: for the time of that work the thread has the file system ids of the owner
(setfsuid(2), setfsgid(2)) and no supplementary groups, and loses with them every capability over other users' files
(capabilities(7), "Effect of user ID changes on capabilities"). These ids belong to one thread, unlike the effective ids,
which the C library sets for all of them: the recorder works for several owners at once.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat

# start-up: see __init__; threading takes long, and its local() is this.
from _thread import _local

from ..errors import UnwritableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# UID_MIN of login.defs(5): a smaller id is root's or a system account's, such as smmta, which owns Debian's /etc/mail.
FIRST_ORDINARY_UID = 1000
MOST_LINKS = 40  # as path_resolution(7)
NOBODY_GID = 65534
# For setfsuid(2): no user has this id, so the call changes nothing and returns the present one.
NO_ID = 0xFFFFFFFF


def owner_of(path: str) -> int | None:
    """Return the uid of the ordinary user in whose tree ``path`` lies, or None for a tree of root and system accounts.

    The directories on the whole path count, also behind links: their owners decide where it leads. A user's file in a
    directory of root's is not theirs to replace. Raises UnwritableError if the directories belong to several ordinary
    users: no one of them may have work done in another one's tree.
    """
    owners: dict[int, str] = {}
    # The directory so far, without the slash at its end. A run does this for a thousand paths, several times.
    here, rest, links = "", os.path.abspath(path).split("/"), 0
    while rest:
        name = rest.pop(0)
        if name in ("", "."):
            continue
        here = here.rpartition("/")[0] if name == ".." else f"{here}/{name}"
        try:
            status = os.lstat(here or "/")
            target = os.readlink(here) if stat.S_ISLNK(status.st_mode) else ""
        except OSError:
            break  # it does not exist, or not any more: using the path fails
        if status.st_uid >= FIRST_ORDINARY_UID and stat.S_ISDIR(status.st_mode):
            owners.setdefault(status.st_uid, here)
        if target:
            links += 1
            if links > MOST_LINKS:
                break
            here = "" if target.startswith("/") else here.rpartition("/")[0]
            rest = target.split("/") + rest
    if len(owners) > 1:
        named = " and ".join(f"{place} belongs to {_name(uid)}" for uid, place in owners.items())
        raise UnwritableError(f"{path}: {named}, nothing was changed; give the whole tree to one user")
    return next(iter(owners), None)


def writer_of(path: str) -> int | None:
    """Return the uid of the ordinary user who decides what ``path`` says: the owner of its tree, else of the file itself.

    None stands for root and system accounts. Raises UnwritableError as owner_of(), and if tree and file belong to two users.
    """
    owner = _owner_once(path)
    try:
        author = os.stat(path).st_uid
    except OSError:
        return owner
    if author < FIRST_ORDINARY_UID:
        return owner
    if owner not in (None, author):
        raise UnwritableError(f"{path}: belongs to another user than its directory, nothing was changed; use chown")
    return author


def _owner_once(path: str) -> int | None:
    """Return owner_of(), but in a RightsOfOwner block for the same ``path`` the owner that the block has found."""
    block: RightsOfOwner | None = getattr(_THREAD, "block", None)
    return block.uid if block is not None and block.path == path else owner_of(path)


class RightsOfOwner:
    """A ``with`` block in which this thread has the rights of the owner of ``path``; outside root's process it changes nothing.

    Blocks may be nested. In one for the same ``path``, the owner is the one that the outer block found.
    """

    def __init__(self, path: str, uid: int | None = None) -> None:
        """Find the owner, unless their ``uid`` is given. Raises UnwritableError if there are several, as owner_of()."""
        self.path = path
        self.uid = uid
        if uid is None and os.geteuid() == 0:
            self.uid = _owner_once(path)
        self._before = (0, 0)
        self._around: RightsOfOwner | None = None

    def __enter__(self) -> RightsOfOwner:
        self._around = getattr(_THREAD, "block", None)
        if self.uid is not None:
            try:
                if os.getgroups():
                    os.setgroups([])  # root needs none, so they are not set again
                self._before = _set_ids(self.uid, group_of(self.uid))
            except OSError:
                raise UnwritableError(
                    f"{self.path}: belongs to {_name(self.uid)}, and this process may not work as that user, nothing was "
                    "changed; give it the capabilities CAP_SETUID and CAP_SETGID"
                ) from None
        if os.geteuid() == 0:
            _THREAD.block = self
        return self

    def __exit__(self, *unused: object) -> None:
        _THREAD.block = self._around
        if self.uid is not None:
            _set_ids(*self._before)


def acting_uid() -> int:
    """Return the uid whose rights over files this thread has, which is the owner of the files that it creates."""
    uid: int | None = getattr(_THREAD, "uid", None)
    return os.geteuid() if uid is None else uid


def give(descriptor: int, uid: int, gid: int) -> None:
    """Give the open file ``descriptor``, which this thread has created, to a user and a group. Raises OSError.

    With the rights of an owner it stays theirs. It gets the group only if ``uid`` is that owner: then they gave that group
    to their own file, or root did. That is the last thing to be done to a file, since its new owner may open it.
    """
    here = os.fstat(descriptor)
    if (here.st_uid, here.st_gid) == (uid, gid):
        return
    acting = acting_uid()
    if acting == os.geteuid():
        os.fchown(descriptor, uid, gid)
        return
    if acting != uid:
        return
    before = _set_ids(0, 0)
    try:
        # By descriptor: whatever the owner has made of the name by now, this is the file that was written.
        os.fchown(descriptor, uid, gid)
    finally:
        _set_ids(*before)


def mode_of(status: os.stat_result) -> int:
    """Return the permission bits of a file that another one may have: never those that run it as somebody else."""
    return stat.S_IMODE(status.st_mode) & 0o777


# To look an account up takes longer than all the rest, and a run works for a thousand of them.
_GROUPS: dict[int, int] = {}


def group_of(uid: int) -> int:
    """Return the primary group of a user, nogroup for one who has no account."""
    if uid not in _GROUPS:
        try:
            _GROUPS[uid] = pwd.getpwuid(uid).pw_gid
        except KeyError:
            _GROUPS[uid] = NOBODY_GID
    return _GROUPS[uid]


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


_THREAD = _local()
_LIBC: Any = None


def _libc() -> Any:
    global _LIBC  # noqa: PLW0603
    if _LIBC is None:
        import ctypes  # start-up: see __init__

        _LIBC = ctypes.CDLL(None)
        for function in (_LIBC.setfsuid, _LIBC.setfsgid):
            function.argtypes, function.restype = [ctypes.c_uint32], ctypes.c_uint32
    return _LIBC


def _set_ids(uid: int, gid: int) -> tuple[int, int]:
    """Set the file system ids of this thread; return those before. Raises OSError if that is not permitted."""
    libc = _libc()
    # The group first, and the user first on the way back: root's rights are needed for neither, but for both together.
    before_gid = int(libc.setfsgid(gid))
    before_uid = int(libc.setfsuid(uid))
    if (int(libc.setfsuid(NO_ID)), int(libc.setfsgid(NO_ID))) != (uid, gid):
        libc.setfsuid(before_uid)
        libc.setfsgid(before_gid)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    _THREAD.uid = None if uid == os.geteuid() else uid
    return before_uid, before_gid
