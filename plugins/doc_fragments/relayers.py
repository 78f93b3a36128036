# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules that open a relayers.db have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the binding they need, and of how long they wait."""

    DOCUMENTATION = r"""
requirements:
  - On the target the distribution's package C(python3-bsddb3), or the Python package C(berkeleydb).
options:
  lock_timeout:
    description: For how many seconds to wait for other programs that are writing the database.
    type: float
    default: 30
"""
