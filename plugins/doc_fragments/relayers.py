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

    SERVERS = r"""
options:
  virtual_servers:
    description:
      - The names of virtual servers, as the role set them up on the host, instead of paths.
      - V(*) stands for all of the host. A name that the host does not have is passed over, as one list is for many hosts.
    type: list
    elements: str
  table:
    description: The file on the target that tells which virtual servers there are.
    type: path
    default: /etc/vsmtprelay/virtual_servers
"""
