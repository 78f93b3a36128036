# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the virtual servers of a host, of its recorder and of its last expiry."""

from __future__ import annotations

import os
import time

from .._vsmtprelay import programs
from .._vsmtprelay.database.in_turn import in_turn
from .._vsmtprelay.errors import RelayError
from .._vsmtprelay.recorder.proof import prove
from .._vsmtprelay.role.variables import last_run
from .._vsmtprelay.servers.virtual_servers import VirtualServers
from .._vsmtprelay.status import last_expiry
from .._vsmtprelay.status import state as status
from .results import Outcome, finish

UNITS = ("vsmtprelay-recorder.socket", "vsmtprelay-recorder.service")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.database.locks import Deadline
    from .._vsmtprelay.servers.virtual_servers import VirtualServer


def recorder() -> tuple[str, list[str]]:
    """Return the state of the recorder, and why logins are not recorded although it runs.

    Raises RelayError if systemctl cannot be run.
    """
    command = ["systemctl", "show", "--property", "LoadState,ActiveState", "--", *UNITS]
    lines = programs.run(command, programs.SECONDS_TO_REPORT).text.splitlines()
    if "LoadState=loaded" not in lines:
        return "none", []
    if lines.count("ActiveState=active") != len(UNITS):
        return "down", []
    if last_run().variables.get("recorder", "dovecot") != "dovecot":
        return "up", []
    if os.geteuid() != 0:
        return "unproven", ["only root can prove that Dovecot reports logins; connect as root, or use --become"]
    proof = prove()
    if not any(proof):
        return "unproven", ["no Dovecot runs, so no login is recorded; start it"]
    return "unproven" if proof.faults else "up", proof.faults + proof.others


def expiry(now: int) -> dict[str, Any]:
    """Return when the nightly expiry last ended, and how."""
    ended, exit_status = last_expiry.last() or (None, None)
    return {"last": ended, "status": exit_status, "late": last_expiry.is_late(now)}


def state_of(server: VirtualServer) -> dict[str, Any]:
    """Return the state of one virtual server without its database."""
    state: dict[str, Any] = {
        "name": server.name,
        "relayers_db": server.relayers_db,
        "sendmail_cf": server.sendmail_cf,
        "fault": "",
    }
    try:
        state.update(ruleset=status.of_ruleset(server.sendmail_cf, server.relayers_db))
    except RelayError as error:
        state["fault"] = str(error)
    return state


def states_of(servers: Iterable[VirtualServer], now: int, lock_seconds: float) -> list[dict[str, Any]]:
    """Return the state of each virtual server at ``now`` (epoch seconds); a database is waited for ``lock_seconds``."""
    states = [state_of(server) for server in servers]
    sound = [state for state in states if not state["fault"]]

    def work(state: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        return status.of_database(state["relayers_db"], now, deadline)

    for number, found in in_turn(sound, work, lock_seconds):
        sound[number].update({"fault": str(found)} if isinstance(found, RelayError) else found)
    return states


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters, now = module.params, int(time.time())
    try:
        servers = VirtualServers.from_table(parameters["table"]).servers
        night, (units, faults) = expiry(now), recorder()
    except RelayError as error:
        module.fail_json(msg=str(error))
    meant = [server for server in servers if not parameters["names"] or server.name in parameters["names"]]
    states = states_of(meant, now, parameters["lock_timeout"])
    finish(module, False, Outcome(), recorder=units, recorder_faults=faults, expiry=night, virtual_servers=states)
