# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that the modules for relayers.db share."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the Berkeley DB binding and of the lock timeout."""

    DOCUMENTATION = r"""
requirements:
  - On the target the distribution's package C(python3-bsddb3), or the Python package C(berkeleydb).
options:
  lock_timeout:
    description: The number of seconds to wait for other programs that are writing the database.
    type: float
    default: 30
"""

    SERVERS = r"""
options:
  virtual_servers:
    description:
      - The names of virtual servers that the role set up on the host, instead of paths.
      - V(*) stands for all virtual servers of the host. A name that the host does not have is ignored, since one list serves
        many hosts.
    type: list
    elements: str
  table:
    description: The file on the target that lists its virtual servers.
    type: path
    default: /etc/vsmtprelay/virtual_servers
"""
