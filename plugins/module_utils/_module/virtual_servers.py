# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual servers of a host: table, databases and rulesets."""

from __future__ import annotations

import os
import time

from .._vsmtprelay.database import edits, relayers_db
from .._vsmtprelay.errors import MissingBindingError, RelayError
from .._vsmtprelay.files import text_file
from .._vsmtprelay.servers.permissions import permanent_keys
from .._vsmtprelay.servers.virtual_servers import (
    VirtualServers,
    departed,
    read_table,
    table_of,
)
from .databases import (
    diff_of,
    for_each_database,
)
from .files import ensure_file, ensure_no_file
from .other_hosts import OtherHosts
from .results import Outcome, finish, for_each
from .rulesets import edit_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.database.edits import Edit
    from .._vsmtprelay.database.locks import Deadline
    from .._vsmtprelay.servers.virtual_servers import VirtualServer


class Host:
    """The virtual servers of this host, changed step by step from their present state to the list."""

    def __init__(self, module: AnsibleModule) -> None:
        """Read the present servers and the list. Raises RelayError if anything in the list is malformed."""
        self._module = module
        self._parameters = parameters = module.params
        # Failures and differences of all steps.
        self.outcome = Outcome()
        self.table_changed = False
        self.databases: list[str] = []
        self.files: list[str] = []
        self.reloaded: list[str] = []
        listed = VirtualServers.from_list(parameters["virtual_servers"])
        self._permanent = permanent_keys(parameters["permissions"], listed)
        self._present = parameters["state"] == "present"
        self.servers = listed if self._present else VirtualServers([])
        self._before = [*self._known("memory"), *self._known("table")]
        self.departing = departed([*self._before, *(() if self._present else listed.servers)], self.servers.servers)

    def write_tables(self) -> None:
        """Write the table of virtual servers. Raises RelayError if that fails; then nothing else may be done."""
        # In this order: when the table loses the departing servers, the memory already has them.
        self._remember(departed(self._before, self.servers.servers))
        self.table_changed = self._write("table", self.servers.servers, self._present, self.outcome.diff)

    def create_databases(self) -> None:
        """Ensure each database and its permanent entries."""
        now = int(time.time())
        others = OtherHosts(self._module, self.servers)
        # Without sendmail nothing else has made the directory.
        ruleset = self._parameters["ruleset"]
        makes_directory = bool(ruleset) and ruleset["state"] == "absent" and not self._module.check_mode

        def work(server: VirtualServer, deadline: Deadline) -> None:
            edit, before = edits.ensure({}, now, permanent=self._permanent[server.name]), {}
            if makes_directory:
                text_file.create_directory(os.path.dirname(server.relayers_db))
            try:
                if others.are_meant:
                    # The permissions that left the list.
                    planned = relayers_db.change(server.relayers_db, edit, deadline, check_only=True)
                    others.revoke([(server.relayers_db, planned.keys_removed())])
                    # This host's own sharer can be the first to remove them.
                    before = planned.removed
                self._edit_database(server.relayers_db, edit, deadline, before)
            except MissingBindingError:
                # In check mode the package that a real run installs first may be missing: then no database can be read.
                if not self._module.check_mode:
                    raise

        self.outcome.take(for_each_database(self.servers.servers, work, self._parameters["lock_timeout"]))
        self.outcome.failures += others.finish()

    def edit_rulesets(self) -> None:
        """Insert the ruleset into the files of the servers, remove it from departing ones, and reload sendmail."""
        options = dict(self._parameters["ruleset"])
        state = options.pop("state")
        items = [
            {"path": server.sendmail_cf, "relayers_db": server.relayers_db, "state": state} for server in self.servers.servers
        ]
        items += [{"path": server.sendmail_cf, "relayers_db": "", "state": "absent"} for server in self.departing]
        edited = edit_files(self._module, items, **options, reload=True)
        self.files = [result["path"] for result in edited.results if result["changed"]]
        self.reloaded = edited.reloaded
        self.outcome.take(edited)
        done = {result["path"] for result in edited.results}
        if self._parameters["remove_databases"]:
            self._remove_databases(done)
        self.departing = [server for server in self.departing if server.sendmail_cf not in done]
        self._remember(self.departing)

    def _remove_databases(self, done: set[str]) -> None:
        """Remove the databases of departing servers whose sendmail.cf is among ``done``, unless another server has them."""
        kept = {server.relayers_db for server in self.servers.servers}
        gone = {server.relayers_db for server in self.departing if server.sendmail_cf in done} - kept

        def work(path: str) -> None:
            if os.path.lexists(path):
                self.databases.append(path)
                if not self._module.check_mode:
                    text_file.remove(path)

        self.outcome.take(for_each(sorted(gone), work))

    def _edit_database(self, path: str, edit: Edit, deadline: Deadline, before: Mapping[bytes, bytes]) -> None:
        changes = relayers_db.change(path, edit, deadline, check_only=self._module.check_mode)
        changes.add_removed(before)
        if changes:
            self.databases.append(path)
            self.outcome.diff.append(diff_of(path, changes))

    def _known(self, name: str) -> list[VirtualServer]:
        """Return the servers of the table or the memory; none if the file is missing or foreign, which is then replaced."""
        try:
            return read_table(self._parameters[name])
        except RelayError:
            return []

    def _remember(self, departing: list[VirtualServer]) -> None:
        """Write the departing servers to the memory. It does not count as a change of the host."""
        self._write("memory", departing, bool(departing), [])

    def _write(self, name: str, servers: Iterable[VirtualServer], wanted: bool, diff: list[dict[str, str]]) -> bool:
        """Ensure the table or the memory, or its absence; return whether it changed."""
        path, check_mode = self._parameters[name], self._module.check_mode
        if wanted:
            attributes = text_file.Attributes(uid=0, gid=0, mode=0o644)
            return ensure_file(path, table_of(servers).encode(), attributes, check_mode, diff)
        return ensure_no_file(path, check_mode, diff)


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    try:
        host = Host(module)
        host.write_tables()
    except RelayError as error:
        module.fail_json(msg=str(error))
    if module.params["databases"]:
        host.create_databases()
    if module.params["ruleset"]:
        host.edit_rulesets()
    finish(
        module,
        host.table_changed or bool(host.databases or host.files or host.reloaded),
        host.outcome,
        virtual_servers=[server.as_dict() for server in host.servers.servers],
        table_changed=host.table_changed,
        databases=host.databases,
        files=host.files,
        reloaded=host.reloaded,
        # Templates are slow with a thousand servers, so these values are computed here, once.
        directories=sorted({os.path.dirname(server.relayers_db) for server in host.servers.servers}),
        departing=[server.as_dict() for server in host.departing],
    )
