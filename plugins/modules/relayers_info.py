#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relayers_info
short_description: Read the entries of relayers.db
version_added: 0.1.0
description:
  - Returns the client addresses in one or many databases of POP-before-SMTP permissions.
  - A database that does not exist is empty. A database that fails is named, and the others are still read.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.relayers.servers
  - vsmtp.relay.attributes.info
options:
  path:
    description: The database.
    type: path
    default: /etc/mail/relayers.db
  paths:
    description: Many databases, instead of O(path).
    type: list
    elements: path
  older_than:
    description: Return only entries that are at least so many minutes old. V(0) returns every entry that is not in the future.
    type: int
  text:
    description: Whether to return the entries as one text, as C(makemap) and M(vsmtp.relay.relayers_restore) read it, instead of a list.
    type: bool
    default: false
  verify:
    description: Whether to check every page of a database. It then is no error that one is damaged.
    type: bool
    default: false
seealso:
  - module: vsmtp.relay.relayers
  - module: vsmtp.relay.relayers_expire
"""

EXAMPLES = r"""
- name: Read all entries
  vsmtp.relay.relayers_info:
  register: relayers

- name: Show who may relay
  ansible.builtin.debug:
    msg: "{{ relayers.databases[0].relayers | map(attribute='address') | list }}"
"""

RETURN = r"""
databases:
  description: The entries of each database.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The database.
      type: str
    virtual_server:
      description: The name of its virtual server. Only with O(virtual_servers).
      type: str
    exists:
      description: Whether there is such a file.
      type: bool
    sound:
      description: Whether the database is sound. Only with O(verify=true).
      type: bool
    fault:
      description: What is wrong with it, or an empty string. Only with O(verify=true).
      type: str
    text:
      description: The entries, ordered by key, with a comment before each that tells the time. Only with O(text=true).
      type: str
    relayers:
      description: The entries, ordered by key. None with O(text=true).
      type: list
      elements: dict
      contains:
        address:
          description: The address as people write it, IPv6 in its short form. A key that is no address stands here too.
          type: str
        key:
          description: The key as it is stored, which is as sendmail looks the address up.
          type: str
        timestamp:
          description: Epoch seconds; V(null) where the stored value is not a timestamp.
          type: int
        age:
          description: Age in seconds, negative in the future; V(null) where the stored value is not a timestamp.
          type: int
  sample:
    - path: /etc/mail/relayers.db
      exists: true
      relayers:
        - {"address": "198.51.100.7", "key": "198.51.100.7", "timestamp": 1924991999, "age": -129648999}
        - {"address": "2001:db8::5", "key": "ipv6:2001:db8:0:0:0:0:0:5", "timestamp": 1795342800, "age": 200}
"""

import os
import time

from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    SERVER_OPTIONS,
    databases_meant,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.results import finish, for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db, repair
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.addresses import address_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.makemap_text import entry_lines, printable_text
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.timestamps import expiry_cutoff, timestamp_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError


def relayer_of(key, timestamp, now):
    """Return an entry as the module returns it."""
    text = printable_text(key)
    age = None if timestamp is None else now - timestamp
    return dict(address=address_of(text), key=text, timestamp=timestamp, age=age)


def main():
    module = module_with_binding(
        argument_spec=dict(
            DATABASE_OPTIONS,
            **SERVER_OPTIONS,
            paths=dict(type="list", elements="path"),
            older_than=dict(type="int"),
            text=dict(type="bool", default=False),
            verify=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("paths", "virtual_servers")],
        supports_check_mode=True,
    )
    parameters = module.params
    if parameters["older_than"] is not None and parameters["older_than"] < 0:
        module.fail_json(msg=f"older_than: {parameters['older_than']} minutes: an age is not negative")
    now = int(time.time())
    older_than = parameters["older_than"]
    limit = None if older_than is None else expiry_cutoff(now, older_than)

    def is_meant(value):
        timestamp = timestamp_of(value)
        return limit is None or (timestamp is not None and timestamp <= limit)

    def work(item):
        path, soundness = item["path"], {}
        if parameters["verify"] and os.path.exists(path):
            try:
                repair.verify(path, parameters["lock_timeout"])
                soundness = dict(sound=True, fault="")
            except UnreadableError as error:
                return dict(item, exists=True, relayers=[], sound=False, fault=str(error))
        with relayers_db.read(path, parameters["lock_timeout"]) as snapshot:
            chosen = sorted((key, value) for key, value in snapshot.items() if is_meant(value))
            result = dict(soundness, **item, exists=snapshot.exists, relayers=[])
        if parameters["text"]:
            result["text"] = "".join(printable_text(entry_lines(key, value)) for key, value in chosen)
        else:
            result["relayers"] = [relayer_of(key, timestamp_of(value), now) for key, value in chosen]
        return result

    results, failures = for_each(databases_meant(module), work)
    finish(module, False, failures, databases=results)


if __name__ == "__main__":
    main()
