# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command lines of the services: what is wrong with one ends with the exit status of wrong usage.

Monitoring reads the 2 that argparse ends with as "broken".
"""

from __future__ import annotations

import argparse

from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Options(argparse.ArgumentParser):
    """A parser of options, which have to be written out: an abbreviation would mean another one in a later version."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Print ``message`` in one line, and exit."""
        self.exit(UsageError.exit_status, f"{self.prog}: {message}; {self.prog} --help shows the options\n")
