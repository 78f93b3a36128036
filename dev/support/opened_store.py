# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of shared logins, opened to be tested, and a time and an address for that."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import gate
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import store as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import Stamps

NOW = 1_700_000_000_000
SECOND = NOW // 1000
WINDOW = 3_600_000
WINDOWS = {"customers": WINDOW, "other": WINDOW // 2}
KEY = "10.0.0.1"
ENGINE = "engine1:6380"


class Opened:
    """A store, opened by a module that may have a mistake in it."""

    def __init__(self, directory, source=module, **more):
        self.source = source
        self.store = source.Store(str(directory), "mail1", WINDOWS, **more)

    def own(self, op, ms, key=KEY, server="customers", now=NOW):
        self.store.join_own([self.source.OwnEvent(server, key, op, ms)], now)

    def received(self, login=0, revoked=0, renewed=0, key=KEY, origin="mail2", now=NOW, hold=False):
        entry = gate.Entry("customers", key, Stamps(login, revoked, renewed))
        return self.store.join_received(ENGINE, origin, [entry], now, hold=hold)

    def compare(self, *words):
        return self.store.compare(*words)[:2]

    def published(self, engine=ENGINE, now=NOW):
        rows = self.store.unsent(engine, now, 100)
        return [(row.key, *(row.stamps if row.stamps.renewed else row.stamps[:2])) for row in rows]

    def todo(self, now=NOW):
        return {task.key: task.wanted for tasks in self.store.todo(now, 100).values() for task in tasks}

    def written(self, now=NOW):
        for server, tasks in self.store.todo(now, 1000).items():
            self.store.done(server, tasks)

    def rows_of(self, origin):
        return self.store._rows[origin]
