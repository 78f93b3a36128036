# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The standard output and error output of the command, even if the caller closed them."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import RelayError


def replace_closed_streams() -> None:
    """Replace a standard output or error output that the caller closed, for which Python has None.

    Writing to a closed output fails, as in other programs. A message to a closed error output is dropped.
    """
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115 (for the rest of the process)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def drop_output() -> None:
    """Discard the output that could not be written, so that Python does not flush it at exit and fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: RelayError) -> int:
    """Print ``error`` in one line on the standard error output; return its exit status."""
    sys.stderr.write(f"vsmtprelay: {error}\n")
    return error.exit_status
