#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relay_status_info
short_description: Return the state of POP-before-SMTP on a host
version_added: 0.1.0
description:
  - Returns for each virtual server the number and ages of the entries in its database, and whether the running sendmail looks there.
  - Returns for the host whether the login recorder is up, and whether last night's expiry ran.
  - Where Dovecot reports logins, one of the user V(vsmtprelay-probe) is tried, and one with a wrong password. Neither is recorded.
  - A virtual server that fails is returned with its fault, and the others are still inspected.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.attributes.info
options:
  names:
    description: Inspect only the virtual servers with these names. By default all.
    type: list
    elements: str
    default: []
  table:
    description: The table of virtual servers. The role writes it.
    type: path
    default: /etc/vsmtprelay/virtual_servers
"""

EXAMPLES = r"""
- name: Inspect the host
  vsmtp.relay.relay_status_info:
  register: relay_status
"""

RETURN = r"""
recorder:
  description:
    - V(up) if a login that was tried at Dovecot reached it, or if PAM reports logins and its units are active.
    - V(unproven) if its units are active and no such login reached it, V(down) if they are not active, V(none) if there is none.
    - V(shared) if nothing on this host reports logins, and it records those of other hosts.
  returned: always
  type: str
  sample: up
recorder_faults:
  description: Why logins are not recorded although the recorder runs, with the remedy. With V(up) they concern other instances of Dovecot.
  returned: always
  type: list
  elements: str
  sample: []
recorder_counts:
  description: What the recorder counted since it started; V(null) if that is not known.
  returned: always
  type: dict
  contains:
    since:
      description: The time at which it started, in epoch seconds.
      type: int
    recorded:
      description: The number of recorded logins.
      type: int
    delayed:
      description: The number of logins that had to wait for their database.
      type: int
    ignored:
      description: The number of logins that are not to be recorded.
      type: int
    refused:
      description: The number of reports that were malformed or had no key.
      type: int
    failed:
      description: The number of failures to write a database or to ask Dovecot about an account.
      type: int
  sample: {"since": 1789990000, "recorded": 812, "delayed": 0, "ignored": 3, "refused": 0, "failed": 0}
unknown:
  description: What only root can know, if the module runs as another user.
  returned: always
  type: list
  elements: str
  sample: []
recorder_restarts:
  description: How often systemd restarted the login recorder since it was started.
  returned: always
  type: int
  sample: 0
recorder_proven:
  description: Whether a login that was tried at Dovecot reached the login recorder; V(null) if none was tried.
  returned: always
  type: bool
  sample: true
expiry:
  description: The nightly expiry.
  returned: always
  type: dict
  contains:
    last:
      description: The time at which it last ended, in epoch seconds; V(null) if it never did.
      type: int
    status:
      description: Its exit status, V(0) if all went well.
      type: int
    late:
      description: Whether it missed its last scheduled time.
      type: bool
  sample: {"last": 1790000000, "status": 0, "late": false}
sharing:
  description: What C(vsmtprelay-share) does; V(null) if the host does not share its logins.
  returned: always
  type: dict
  contains:
    fault:
      description: The reason why nothing more is known, or an empty string.
      type: str
    engines:
      description:
        - The state of each engine. C(engine) is its name and port, C(connected) whether this host is, C(since) since when that holds, in epoch seconds,
          C(error) what is wrong or V(null), C(unsent) the number of addresses that it does not have yet, C(lag_ms) how late the last login of another
          host was, and C(refused) what was refused, by host and reason.
      type: list
      elements: dict
    addresses:
      description: The number of addresses that each host opened here.
      type: dict
    failed_servers:
      description: The virtual servers whose databases cannot be written, with the reasons.
      type: dict
    recorder:
      description: Whether the login recorder answers (C(reachable)), and if not, the reason (C(error)).
      type: dict
    alone_since:
      description: Since when no engine can be used, in epoch seconds; V(null) if one can.
      type: int
  sample:
virtual_servers:
  description: The virtual servers.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    relayers_db:
      description: Its database.
      type: str
    sendmail_cf:
      description: Its sendmail configuration.
      type: str
    fault:
      description: The reason why nothing more is known, or an empty string.
      type: str
    ruleset:
      description: V(live) if the running sendmail has the ruleset; V(not read yet), V(missing), V(no daemon), V(unproven); V(none) if the host does not relay;
        V(unknown) if only root can know.
      type: str
    window:
      description: The window of the ruleset in minutes, V(0) if it has no end; V(null) without a ruleset, or if it is not known.
      type: int
    entries:
      description: The number of entries.
      type: int
    pinned:
      description: The number of entries with a timestamp in the future.
      type: int
    permanent:
      description: The number of those among them that are declared in the inventory.
      type: int
    oldest:
      description: The timestamp of the oldest other entry; V(null) if there is none.
      type: int
    newest:
      description: The timestamp of the newest other entry; V(null) if there is none.
      type: int
    ages:
      description: The numbers of other entries less than an hour old, from one hour to two, and so on; the last of the 25 numbers is for a day and more.
      type: list
      elements: int
  sample: []
"""


from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import DATABASE_OPTIONS, module_with_binding
from ansible_collections.vsmtp.relay.plugins.module_utils._module.relay_status_info import run
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import TABLE


def main():
    module = module_with_binding(
        argument_spec=dict(
            lock_timeout=DATABASE_OPTIONS["lock_timeout"],
            names=dict(type="list", elements="str", default=[]),
            table=dict(type="path", default=TABLE),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
