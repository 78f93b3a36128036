# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the virtual servers of a host, of its recorder and of its last expiry."""

from __future__ import annotations

import time

from .._vsmtprelay.errors import RelayError
from .._vsmtprelay.servers.virtual_servers import VirtualServers
from .._vsmtprelay.status import host
from .results import Outcome, finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    try:
        servers = VirtualServers.from_table(parameters["table"]).servers
        meant = [server for server in servers if not parameters["names"] or server.name in parameters["names"]]
        results = host.of_host(meant, int(time.time()), parameters["lock_timeout"])
    except RelayError as error:
        module.fail_json(msg=str(error))
    finish(module, False, Outcome(), **results)
