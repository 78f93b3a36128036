# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, in words for the person at the terminal."""


class PowerCutError(Exception):
    """The test bed, or a program in it, did not do its part; the message names the log."""
