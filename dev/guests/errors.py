# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, in words for the person at the terminal."""

import subprocess


class GuestsError(Exception):
    """A failure with a message that says what to do; the command line prints it and exits 1."""


class CommandFailed(subprocess.CalledProcessError):
    """A command ended with a status other than 0; its text shows what the command printed."""

    def __str__(self) -> str:
        """Return the status, the command and the ends of its output and error output."""
        printed = [text[-4000:] for text in (self.stdout, self.stderr) if text]
        return "\n".join([super().__str__(), *printed])
