# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the package, each with the exit status that sysexits.h gives to its kind."""

from __future__ import annotations

import errno


class RelayError(Exception):
    """Something a person has to see: the message is one line that names the file or the value, and the remedy.

    ``exit_status`` (int) is the status with which a command ends that fails for this reason.
    """

    exit_status = 70  # EX_SOFTWARE


class UsageError(RelayError):
    """The words of a call are not understood."""

    exit_status = 64  # EX_USAGE


class MalformedError(RelayError):
    """An address, a timestamp, a number of minutes or a configuration line is not what it has to be."""

    exit_status = 65  # EX_DATAERR


class UnreadableError(RelayError):
    """A file that is to be read is missing, not permitted, or not what it claims to be."""

    exit_status = 66  # EX_NOINPUT


class MissingBindingError(RelayError):
    """No Berkeley DB binding for this Python interpreter."""

    exit_status = 69  # EX_UNAVAILABLE


class UnwritableError(RelayError):
    """A file cannot be created or replaced where it has to be."""

    exit_status = 73  # EX_CANTCREAT


class InputOutputError(RelayError):
    """The disk is full or failed while a file was read or written."""

    exit_status = 74  # EX_IOERR


class BusyError(RelayError):
    """Somebody else kept the database locked for longer than one was ready to wait."""

    exit_status = 75  # EX_TEMPFAIL


def remedy_for(error: OSError) -> str:
    """Return what a person can do about ``error`` of a file operation."""
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
