# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a host for a report, from the results that the playbook status registered. status_words describes its fields."""

from __future__ import annotations

from .status_shape import is_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STRANGE = "its answer is not that of the module relay_status_info; look whether that host was taken over"


def host_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of one host.

    ``found`` has the name as ``host``, the result of relay_status_info as ``status``, the result of the role's
    last task in check mode as ``role``, empty if the role did not run, and as ``role_fault`` the reason why the
    role would fail, or "".
    """
    name, status = found["host"], found["status"]
    if status.get("unreachable"):
        return {"host": name, "fault": f"unreachable: {(status['msg'].splitlines() or [''])[-1].strip()}"}
    if "virtual_servers" not in status:
        return {"host": name, "fault": str(status.get("msg"))}
    if not is_status(status):
        return {"host": name, "fault": STRANGE}
    role_fault = str(found.get("role_fault", ""))
    drift = None if role_fault else found.get("role", {}).get("drift")
    return {
        "host": name,
        "fault": "",
        "recorder": status["recorder"],
        "recorder_faults": status.get("recorder_faults", []),
        "recorder_counts": status.get("recorder_counts"),
        "expiry": status["expiry"],
        "sharing": status.get("sharing"),
        "unknown": status.get("unknown", []),
        "drift": None if drift is None else [str(each) for each in drift],
        "drift_fault": role_fault,
        "virtual_servers": status["virtual_servers"],
    }
