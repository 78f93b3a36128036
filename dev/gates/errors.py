# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of the gates."""


class GateError(Exception):
    """A gate stays closed: the message says which, and what to do."""
