# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a host for a report, from what the playbook status registered there. status_words says what it consists of."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def host_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of one host.

    ``found`` has its name as ``host``; as ``status`` the result of relay_status_info; as ``role`` the result of the role's
    last task in check mode, empty where the role did not run; as ``role_fault`` the reason why the role would fail, or "".
    """
    name, status = found["host"], found["status"]
    if status.get("unreachable"):
        return {"host": name, "fault": f"unreachable: {status['msg'].splitlines()[-1].strip()}"}
    if "virtual_servers" not in status:
        return {"host": name, "fault": status["msg"]}
    role_fault = found.get("role_fault", "")
    return {
        "host": name,
        "fault": "",
        "recorder": status["recorder"],
        "expiry": status["expiry"],
        "drift": None if role_fault else found.get("role", {}).get("drift"),
        "drift_fault": role_fault,
        "virtual_servers": status["virtual_servers"],
    }
