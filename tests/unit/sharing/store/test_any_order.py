# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes known in any order, and any number of times, leaves the same in the store and in the database."""

from __future__ import annotations

import functools
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.dev.support.opened_store import KEY, NOW, WINDOW, Opened
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import merge
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN, Stamps

EVENTS = st.tuples(st.sampled_from(["mail1", "mail2", "mail3"]), st.sampled_from(Stamps._fields), st.integers(NOW - 5000, NOW))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, min_size=1, max_size=8).flatmap(lambda all: st.tuples(st.just(all), st.permutations(all + all))))
def test_any_order_and_repetition_leave_the_same_and_the_database_agrees(quick_path, case):
    states = []
    for heard in case:
        directory = tempfile.mkdtemp(dir=quick_path)
        store = Opened(directory)
        database = {}
        for origin, kind, ms in heard:
            if origin == "mail1":
                if kind != "revoked":
                    database[KEY] = max(database.get(KEY, 0), ms // 1000)  # as the recorder does before it hands it out
                store.own({"login": "login", "revoked": "revoke", "renewed": "renew"}[kind], ms)
            else:
                store.received(origin=origin, **{kind: ms})
            for key, (what, seconds) in store.todo().items():
                if what == LOGIN:
                    database[key] = max(database.get(key, 0), seconds)
                elif database.get(key, seconds + 1) <= seconds:
                    del database[key]
            store.written()
        states.append((store.store._row("customers", KEY).stamps, database))
        store.store.close()
    assert states[0][0] == states[1][0]
    said = (Stamps()._replace(**{kind: ms}) for _origin, kind, ms in case[0])
    joined = functools.reduce(merge.join, said)
    assert states[0][0] == joined
    for _stamps, database in states:
        # In the very second of a revocation the database may have less, never more.
        if not merge.is_open(joined, NOW, WINDOW):
            assert database == {}
        elif not merge.shares_a_second(joined):
            assert database == {KEY: joined.latest // 1000}
