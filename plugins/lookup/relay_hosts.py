# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: relay_hosts
short_description: The hosts of a playbook of this collection, after a check of its variables
version_added: 0.2.0
description:
  - Returns the pattern of hosts that C(pop_before_smtp_hosts) gives, or V(all).
  - Without C(pop_before_smtp_hosts), a host of the group C(pop_before_smtp_engine) is left out unless it has C(pop_before_smtp_engines), as a
    mail host that shares its logins has.
  - Fails if a variable of the playbook is missing or malformed, or if a pattern or C(--limit) matches no host.
  - The playbooks of this collection use it for their C(hosts). A failure there ends the run before any host is changed, with every strategy,
    and is reported once.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  _terms:
    description: The name of the playbook.
    type: str
    required: true
  names_seen:
    description:
      - The name of a registered variable of the hosts that lists which of C(relay_virtual_servers) each host has.
      - The lookup fails if no host has one of these virtual servers.
    type: str
  only_if_named:
    description: Whether to return a pattern that matches no host unless C(relay_virtual_servers) is given.
    type: bool
    default: false
  engines:
    description: Whether to return the group C(pop_before_smtp_engine) instead.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show which hosts the playbook vsmtp.relay.site would work on
  ansible.builtin.debug:
    msg: "{{ lookup('vsmtp.relay.relay_hosts', 'site') }}"
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from ansible import context
from ansible.errors import AnsibleError, AnsibleLookupError, AnsibleUndefinedVariable
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.plugins.lookup import LookupBase
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.vsmtp.relay.plugins.filter.virtual_server_name import virtual_server_name
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.plugin_utils.playbook_variables import PLAYBOOKS, check, check_names, listed
from ansible_collections.vsmtp.relay.plugins.plugin_utils.sharing_table import (
    DEFAULT_PORT,
    ENGINES,
    GROUP,
    table_of,
    unknown_engines,
)

NO_HOST = "all:!all"
# With these options the command works on no host.
LISTING = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    """The hosts of a playbook."""

    def run(self, terms, variables=None, **kwargs):
        """Return the pattern in a list. Raises AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        playbook, variables = terms[0], variables or {}
        pattern = self._templar.template(variables.get("pop_before_smtp_hosts", self._mail_hosts(variables)))
        pattern = ",".join(pattern) if isinstance(pattern, list) else str(pattern)
        if any(context.CLIARGS.get(option) for option in LISTING):
            return [pattern]
        try:
            check_names(playbook, variables)
            for name in PLAYBOOKS[playbook][0]:
                self._check(name, variables)
            if playbook == "engine":
                _check_engines(variables, self._hostvars(variables))
                wanted, other = (GROUP, pattern) if self.get_option("engines") else (pattern, GROUP)
                # A limit to engines, or to mail hosts, is one for the other plays.
                if not self._has_hosts(wanted, variables) and self._has_hosts(other, variables):
                    return [NO_HOST]
                pattern = wanted
            self._check_hosts(pattern, variables)
            if self.get_option("names_seen"):
                self._check_seen(variables)
        except MalformedError as error:
            raise AnsibleLookupError(str(error)) from None
        if self.get_option("only_if_named") and "relay_virtual_servers" not in variables:
            return [NO_HOST]
        return [pattern]

    def _check(self, name, variables):
        if name not in variables:
            return
        try:
            value = self._templar.template(variables[name])
        except AnsibleUndefinedVariable:
            return  # its value depends on the host
        check(name, value)

    def _hostvars(self, variables):
        """Return the variables of all hosts. Before the first play, Ansible has none, so the inventory is read once more."""
        if "hostvars" in variables:
            return variables["hostvars"]
        inventory = InventoryManager(self._loader, sources=context.CLIARGS.get("inventory"))
        return HostVars(inventory, VariableManager(loader=self._loader, inventory=inventory), self._loader)

    def _mail_hosts(self, variables):
        """Return the pattern of all hosts but the engines that are not mail hosts, too."""
        engines = variables.get("groups", {}).get(GROUP, [])
        hostvars = self._hostvars(variables) if engines else {}
        return ",".join(["all", *(f"!{host}" for host in engines if host in hostvars and not hostvars[host].get(ENGINES))])

    def _inventory(self, variables):
        inventory = InventoryManager(self._loader, parse=False)
        for group, hosts in variables.get("groups", {}).items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_host(host, group=group)
        return inventory

    def _has_hosts(self, pattern, variables):
        """Return whether --limit leaves a host of the pattern."""
        inventory = self._inventory(variables)
        inventory.subset(variables.get("ansible_limit"))
        return bool(inventory.get_hosts(pattern))

    def _check_hosts(self, pattern, variables):
        """Raise MalformedError if a part of the pattern or of --limit, or both together, match no host."""
        inventory = self._inventory(variables)
        limit = variables.get("ansible_limit")
        _check_parts(inventory, pattern, "pop_before_smtp_hosts" if "pop_before_smtp_hosts" in variables else "the inventory")
        if limit:
            parts = split_host_pattern(limit)
            # ansible-pull passes every name that it knows of its host.
            if not {"localhost", "127.0.0.1"}.issubset(parts):
                _check_parts(inventory, limit, "--limit")
            inventory.subset(limit)
            if not inventory.get_hosts(pattern):
                raise MalformedError(f"no host is left of {pattern!r} with --limit {limit!r}")

    def _check_seen(self, variables):
        """Raise MalformedError if none of the hosts that answered has one of the named virtual servers."""
        if "relay_virtual_servers" not in variables:
            return
        known = set()
        for host in variables["groups"]["all"]:
            seen = variables["hostvars"][host].get(self.get_option("names_seen"), {})
            known.update(server["name"] for server in seen.get("virtual_servers", []))
        unknown = [name for name in listed(self._templar.template(variables["relay_virtual_servers"])) if name not in known]
        if unknown:
            raise MalformedError(f"relay_virtual_servers: no host here has a virtual server called {' or '.join(unknown)}")


def _check_parts(inventory, pattern, source):
    for part in split_host_pattern(pattern):
        # An exclusion may match no host; Ansible itself reads a file of names.
        if part.startswith(("!", "@")):
            continue
        try:
            found = inventory.get_hosts(part.lstrip("&"))
        except AnsibleError as error:
            raise MalformedError(f"{source}: {part!r}: {error}") from None
        if not found:
            raise MalformedError(f"{source}: {part!r} matches no host")


def _check_engines(variables, hostvars):
    """Raise MalformedError if there is no engine to set up, or no host to use one, or one that no playbook sets up."""
    engines = variables.get("groups", {}).get(GROUP, [])
    if not engines:
        raise MalformedError(f"the inventory has no group {GROUP}: put the hosts into it that are to become engines")
    table = table_of(hostvars, variables["groups"]["all"], virtual_server_name)
    if not table["engines"]:
        if "absent" in [variables.get(f"{GROUP}_state", hostvars[engine].get(f"{GROUP}_state")) for engine in engines]:
            return  # that nobody uses them is why they go
        raise MalformedError(f"no host in the inventory has {ENGINES}: name the engines there, such as host: {engines[0]}")
    known = [
        (name, hostvars[engine].get(f"{GROUP}_port", DEFAULT_PORT))
        for engine in engines
        for name in (engine, hostvars[engine].get("ansible_host", engine), *hostvars[engine].get(f"{GROUP}_names", []))
    ]
    if not any(hostvars[host].get(f"{GROUP}_ca") for host in table["engines"]):
        unknown = unknown_engines(table, known)
        if unknown:
            raise MalformedError(
                f"{ENGINES}: no host of the group {GROUP} has the name and port {' or '.join(unknown)}: correct it, "
                f"add it to {GROUP}_names of that host, or give {GROUP}_ca if it is none of them"
            )
