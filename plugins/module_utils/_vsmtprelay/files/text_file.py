# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files: read, and atomic replace."""

from __future__ import annotations

import errno
import grp
import os
import pwd

from ..errors import MalformedError, UnreadableError, UnwritableError
from .symlinks import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


# How often another process may take the name of the temporary file meanwhile.
ATTEMPTS = 10
OCTAL_DIGITS = frozenset("01234567")


class Attributes:
    """Owner and mode of a file: numeric ``uid`` and ``gid``, and the permission bits ``mode``."""

    __slots__ = ("gid", "mode", "uid")

    def __init__(self, uid: int, gid: int, mode: int) -> None:
        self.uid = uid
        self.gid = gid
        self.mode = mode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributes) and (self.uid, self.gid, self.mode) == (other.uid, other.gid, other.mode)

    def __hash__(self) -> int:
        return hash((self.uid, self.gid, self.mode))

    def __str__(self) -> str:
        return f"owner {_user(self.uid)}, group {_group(self.gid)}, mode {self.mode:04o}"

    @classmethod
    def named(cls, owner: str, group: str, mode: str) -> Attributes:
        """Return the attributes for a user name, a group name and an octal mode. Raises MalformedError."""
        try:
            uid, gid = pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
        except KeyError as error:
            raise MalformedError(f"no such owner or group: {error}") from None
        if len(mode) not in (3, 4) or not OCTAL_DIGITS.issuperset(mode):
            raise MalformedError(f"{mode!r} is not an octal mode such as 0644")
        return cls(uid, gid, int(mode, 8))


def attributes_of(path: str) -> Attributes | None:
    """Return owner, group and mode of the file at ``path``, or None if there is no file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return Attributes(status.st_uid, status.st_gid, status.st_mode & 0o7777)


def read(path: str) -> bytes | None:
    """Return the content of the file at ``path``, or None if there is no file. Raises UnreadableError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from None


def replace(path: str, content: bytes, attributes: Attributes, check: Callable[[str], None] | None = None) -> None:
    """Replace the file at ``path`` atomically: write a temporary file beside it, fsync it, rename it.

    The temporary file has a fixed name, so the next write removes what a killed writer left. ``check`` is
    called with the path of the temporary file; if it raises, the old file stays in place. Symbolic links are
    followed, by root only those that resolve() allows. Raises UnwritableError.
    """
    path = resolve(path)
    directory, name = os.path.split(path)
    reserved, temporary = os.path.join(directory, f".{name}.vsmtprelay"), ""
    try:
        descriptor = _create_anew(reserved)
        temporary = reserved
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchown(descriptor, attributes.uid, attributes.gid)
            os.fchmod(descriptor, attributes.mode)
            file.flush()
            os.fsync(descriptor)
        if check is not None:
            check(temporary)
        os.rename(temporary, path)
        temporary = ""
    except OSError as error:
        raise UnwritableError(
            f"{path}: cannot be written: {error.strerror}, the old file is untouched; check the directory and the disk"
        ) from None
    finally:
        if temporary:
            os.unlink(temporary)


def _create_anew(path: str) -> int:
    """Remove any file at ``path``; return the descriptor of a new one with mode 0600. Raises OSError."""
    for _attempt in range(ATTEMPTS):
        try:
            # The owner of the directory can create a link there.
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            os.unlink(path)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def create_directory(path: str) -> None:
    """Create the directory ``path`` and its parents, with mode 0755, if it is missing. Raises UnwritableError."""
    if os.path.isdir(path or "."):
        return
    create_directory(os.path.dirname(path))
    try:
        os.mkdir(path)
        os.chmod(path, 0o755)  # regardless of the umask
    except OSError as error:
        raise UnwritableError(f"{path}: cannot be created: {error.strerror}; check the directory above it") from None


def remove(path: str) -> None:
    """Remove the file at ``path`` if it exists. Raises UnwritableError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UnwritableError(f"{path}: cannot be removed: {error.strerror}; check the directory") from None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
