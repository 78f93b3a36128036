# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files: read, and atomic replace."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat

from ..errors import ForbiddenError, MalformedError, UnreadableError, UnwritableError, remedy_for
from .owner import RightsOfOwner, give, mode_of
from .symlinks import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


# How often another process may take the name of the temporary file meanwhile.
ATTEMPTS = 10
OCTAL_DIGITS = frozenset("01234567")
# More than any file of a configuration has; what the owner of a tree can make is not limited by a disk (truncate(1)).
LARGEST_BYTES = 64 << 20
# The largest sendmail.cf and sendmail.mc: the largest of the stock ones has 0.1 MiB.
LARGEST_CONFIGURATION = 4 << 20


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
    """Return owner, group and mode of the file at ``path``, or None if there is no file. Raises UnreadableError."""
    try:
        with RightsOfOwner(path):
            status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}; {remedy_for(error)}") from None
    return Attributes(status.st_uid, status.st_gid, mode_of(status))


def read(path: str, largest: int = LARGEST_BYTES) -> bytes | None:
    """Return the content of the file at ``path``, or None if there is no file.

    Raises UnreadableError, also if it is no regular file or has more than ``largest`` bytes: the owner of a tree can put
    a FIFO there, which would block, or a file that is larger than memory.
    """
    try:
        with RightsOfOwner(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError(f"{path}: is not a regular file; check the path")
            content = file.read(largest + 1) if status.st_size <= largest else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        kind = ForbiddenError if isinstance(error, PermissionError) else UnreadableError
        raise kind(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from None
    if status.st_size > largest or len(content) > largest:
        raise UnreadableError(f"{path}: has more than {largest >> 20} MiB, so it is not read; check the path")
    return content


def replace(path: str, content: bytes, attributes: Attributes, check: Callable[[str], None] | None = None) -> None:
    """Replace the file at ``path`` atomically: write a temporary file beside it, fsync it, rename it.

    The temporary file has a fixed name, so the next write removes what a killed writer left. ``check`` is
    called with the path of the temporary file; if it raises, the old file stays in place. Symbolic links are
    followed, by root only those that resolve() allows. In an ordinary user's tree all of it has that user's rights, and
    the file is theirs. Raises UnwritableError.
    """
    with RightsOfOwner(path):
        _replace(resolve(path), content, attributes, check)


def _replace(path: str, content: bytes, attributes: Attributes, check: Callable[[str], None] | None) -> None:
    """Replace the file, as replace() does; nothing on ``path`` is a symbolic link.

    The directory is held open, so that all steps happen in the same one, whatever its owner makes of its name meanwhile.
    """
    where, name = os.path.split(path)
    reserved, temporary, directory = f".{name}.vsmtprelay", "", -1
    try:
        directory = os.open(where, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        descriptor = _create_anew(reserved, directory)
        temporary = reserved
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, attributes.mode)
            give(descriptor, attributes.uid, attributes.gid)
            os.fsync(descriptor)
        if check is not None:
            check(os.path.join(where, temporary))
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        temporary = ""
    except OSError as error:
        raise UnwritableError(
            f"{path}: cannot be written: {error.strerror}, the old file is untouched; check the directory and the disk"
        ) from None
    finally:
        if temporary:
            try:
                _remove_if_there(temporary, directory)
            except OSError:
                pass  # the owner of the directory has put something else there
        if directory >= 0:
            os.close(directory)


def _create_anew(name: str, directory: int) -> int:
    """Remove any file ``name`` in ``directory``; return the descriptor of a new one with mode 0600. Raises OSError."""
    for _attempt in range(ATTEMPTS):
        try:
            # The owner of the directory can create a link there.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(name, flags, 0o600, dir_fd=directory)
        except FileExistsError:
            _remove_if_there(name, directory)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _remove_if_there(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


def create_directory(path: str) -> None:
    """Create the directory ``path`` and its parents, with mode 0755, if it is missing; in a user's tree, as that user.

    Raises UnwritableError.
    """
    if os.path.isdir(path or "."):
        return
    create_directory(os.path.dirname(path))
    try:
        with RightsOfOwner(path):
            os.mkdir(path)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchmod(descriptor, 0o755)  # regardless of the umask
            finally:
                os.close(descriptor)
    except OSError as error:
        raise UnwritableError(f"{path}: cannot be created: {error.strerror}; check the directory above it") from None


def remove(path: str) -> None:
    """Remove the file at ``path`` if it exists. Raises UnwritableError."""
    try:
        with RightsOfOwner(path):
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
