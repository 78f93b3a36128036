# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the library, each with its exit status from sysexits.h."""

from __future__ import annotations

import errno


class RelayError(Exception):
    """An error that is reported to a person: one line that names the file or the value, and the remedy.

    ``exit_status`` (int) is the exit status of a command that fails for this reason.
    """

    exit_status = 70  # EX_SOFTWARE

    def __str__(self) -> str:
        """Return the message as one line: the names of files in it may hold any character."""
        return printable(super().__str__())


class UsageError(RelayError):
    """The command line is not understood."""

    exit_status = 64  # EX_USAGE


class MalformedError(RelayError):
    """An address, a timestamp, a number of minutes or a configuration line is malformed."""

    exit_status = 65  # EX_DATAERR


class UnreadableError(RelayError):
    """A file to be read is missing, may not be read, or is not of its kind."""

    exit_status = 66  # EX_NOINPUT


class ForbiddenError(UnreadableError):
    """A file may not be read by the user of this process."""


class TooLargeError(UnreadableError):
    """A file is larger than the caller takes."""


class MissingBindingError(RelayError):
    """This Python interpreter has no Berkeley DB binding."""

    exit_status = 69  # EX_UNAVAILABLE


class MissingPackageError(RelayError):
    """A package of the distribution that only this call needs is not installed."""

    exit_status = 69  # EX_UNAVAILABLE


class UnwritableError(RelayError):
    """A file cannot be created or replaced."""

    exit_status = 73  # EX_CANTCREAT


class InputOutputError(RelayError):
    """The disk is full, or failed during a read or a write."""

    exit_status = 74  # EX_IOERR


class BusyError(RelayError):
    """Another process held the database locked, or a program ran, past the deadline."""

    exit_status = 75  # EX_TEMPFAIL


class LockedError(BusyError):
    """Another process holds the database locked, so another try can succeed at any moment."""


class Naming:
    """A ``with`` block whose errors name ``path`` (str): behind a symbolic link, a file has a name that nobody knows."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RelayError) and printable(self._path) not in str(error):
            raise type(error)(f"{self._path}: {error}") from None


# What whoever runs a playbook has to do that is not root on a host.
BE_ROOT = "connect as root, or run the playbook with --become"


def remedy_for(error: OSError) -> str:
    """Return the remedy for ``error``, the failure of a file operation."""
    return {
        errno.EACCES: "run this as root or as the owner of the file and its directory",
        errno.EPERM: "run this as root or as the owner of the file and its directory",
        errno.EROFS: "remount the file system for writing",
        errno.ENOSPC: "free some space on that file system",
        errno.EDQUOT: "free some space or raise the quota",
        errno.EIO: "look for disk errors in the kernel's log",
        errno.ENOENT: "create the directory first",
        errno.ENOTDIR: "a part of the path is a file; check the path",
        errno.ELOOP: "check the symbolic links on the path",
    }.get(error.errno or 0, "check the path and its permissions")


def printable(text: str) -> str:
    """Return ``text`` as one line without control characters: a name in it can neither forge a line nor command a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
