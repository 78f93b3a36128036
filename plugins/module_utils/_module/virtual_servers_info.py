# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of virtual servers of a host."""

from __future__ import annotations

from .._vsmtprelay.errors import RelayError
from .._vsmtprelay.servers.virtual_servers import VirtualServers
from .results import Outcome, finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    try:
        servers = VirtualServers.from_table(module.params["table"])
    except RelayError as error:
        module.fail_json(msg=str(error))
    names = module.params["names"]
    wanted = [server for server in servers.servers if not names or server.name in names]
    finish(module, False, Outcome(), virtual_servers=[server.as_dict() for server in wanted])
