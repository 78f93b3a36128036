#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: Show the state of a fleet
version_added: 0.1.0
description:
  - Prints a table of the results of M(vsmtp.relay.relay_status_info) on many hosts, and what needs attention.
  - Optionally writes the same as JSON, and as one HTML page, which is self-contained.
  - Runs on the controller. Use it with C(run_once).
  - The role and the playbooks of this collection use it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  hosts:
    description:
      - For each host its name as V(host), and as V(fault) the reason why its state is unknown, or an empty string.
      - If V(fault) is empty, also V(recorder), V(expiry) and V(virtual_servers) as M(vsmtp.relay.relay_status_info) returns them, V(drift), a
        list of the changes that the role would make there, or V(null), and optionally V(drift_fault), the reason why the role would fail.
    type: list
    elements: dict
  found:
    description:
      - Instead of O(hosts), the results that the playbook status registered on each host; its name as V(host), the result of
        M(vsmtp.relay.relay_status_info) as V(status), that of the role in check mode as V(role), and its fault as V(role_fault).
    type: list
    elements: dict
  report:
    description: The HTML file to write on the controller.
    type: path
  json:
    description: The JSON file to write on the controller.
    type: path
  history:
    description:
      - The file on the controller to which a line is added for each report. It keeps the last 400 of them.
      - The page shows the trends of its last 60 reports.
      - A file that is no history is an error, and stays as it is.
    type: path
  strict:
    description: Whether to fail if anything needs attention.
    type: bool
    default: false
attributes:
  check_mode:
    description: Writes no file in C(check_mode).
    support: full
  diff_mode:
    description: A report shows no difference.
    support: none
  idempotent:
    description: Changes no host. A report contains the time at which it was made.
    support: full
  platform:
    description: The systems on which it works.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: Inspect the host
  vsmtp.relay.relay_status_info:
  register: relay_status

- name: Show the report
  vsmtp.relay.status_report:
    hosts:
      - host: "{{ inventory_hostname }}"
        fault: ""
        recorder: "{{ relay_status.recorder }}"
        expiry: "{{ relay_status.expiry }}"
        virtual_servers: "{{ relay_status.virtual_servers }}"
        drift:
"""

RETURN = r"""
fleet:
  description: The time at which the report was made, in epoch seconds, as V(made), and V(hosts).
  returned: always
  type: dict
  sample: {"made": 1790000000, "hosts": [{"host": "mail3", "fault": "unreachable"}]}
attention:
  description: What needs attention, a sentence for each thing.
  returned: always
  type: list
  elements: str
  sample: ["mail3: unreachable"]
"""
