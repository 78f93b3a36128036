# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger tells a lost change from one that was under way, and from one that nobody made."""

from __future__ import annotations

import pytest

from powercut import Ledger

NOW = 1_800_000_000


@pytest.fixture
def ledger():
    return Ledger()


def found(entries, **more):
    sound = {"db5.3_verify": [0, ""], "makemap": [0, ""], "dump": [0, ""], "agree": True}
    return {"say": "found", "database": "main", "entries": entries, "files": {"relayers.db": [1, "x"]}, **sound, **more}


def add(ledger, key, is_done=True):
    ledger.hear({"say": "add", "n": 1, "database": "main", "key": key, "ticks": None, "time": NOW})
    if is_done:
        ledger.hear({"say": "done", "n": 1})


def faults(ledger):
    counts = ledger.counts
    return {name for name in ("lost", "unrecorded", "came_back", "half_done", "damaged") if getattr(counts, name)}


def test_an_acknowledged_change_has_to_be_there(ledger):
    add(ledger, "10.0.0.1")
    ledger.hear(found({}))
    assert faults(ledger) == {"lost"}


def test_a_change_under_way_may_be_there_or_not(ledger):
    add(ledger, "10.0.0.1", is_done=False)
    ledger.hear(found({}))
    assert not faults(ledger)
    add(ledger, "10.0.0.2", is_done=False)
    ledger.hear(found({"10.0.0.2": str(NOW + 1)}))
    assert not faults(ledger)


def test_what_was_there_once_has_to_stay(ledger):
    add(ledger, "10.0.0.1", is_done=False)
    ledger.hear(found({"10.0.0.1": str(NOW + 1)}))
    ledger.hear(found({}))
    assert faults(ledger) == {"lost"}


def test_an_entry_that_nobody_recorded_is_noticed(ledger):
    ledger.hear(found({"10.0.0.9": str(NOW)}))
    assert faults(ledger) == {"unrecorded"}


def test_an_acknowledged_removal_has_to_last(ledger):
    add(ledger, "10.0.0.1")
    ledger.hear({"say": "delete", "n": 2, "database": "main", "keys": ["10.0.0.1"], "time": NOW})
    ledger.hear({"say": "done", "n": 2})
    ledger.hear(found({"10.0.0.1": str(NOW + 1)}))
    assert faults(ledger) == {"lost"}


def test_a_login_from_the_spool_may_come_late_but_not_after_its_removal(ledger):
    ledger.hear({"say": "login", "database": "main", "keys": ["10.0.0.1"], "time": NOW})
    ledger.hear(found({}))
    recovered = {"say": "recovered", "database": "main", "status": 0, "changed": {"10.0.0.1": str(NOW)}, "gone": []}
    ledger.hear(recovered)
    assert not faults(ledger)
    ledger.hear({"say": "delete", "n": 2, "database": "main", "keys": ["10.0.0.1"], "time": NOW})
    ledger.hear({"say": "done", "n": 2})
    ledger.hear(found({}))
    ledger.hear(recovered)
    assert faults(ledger) == {"came_back"}


def test_a_later_login_of_a_listed_address_may_still_be_in_the_spool(ledger):
    add(ledger, "10.0.0.1")
    ledger.hear({"say": "login", "database": "main", "keys": ["10.0.0.1"], "time": NOW + 500})
    ledger.hear(found({"10.0.0.1": str(NOW + 1)}))
    ledger.hear({"say": "recovered", "database": "main", "status": 0, "changed": {}, "gone": []})
    ledger.hear({"say": "recorded", "key": "10.0.0.1", "spool": True})
    ledger.hear(found({"10.0.0.1": str(NOW + 501)}))
    assert not faults(ledger)
    ledger.hear(found({"10.0.0.1": str(NOW + 1)}))
    assert faults(ledger) == {"lost"}


def test_half_of_a_command_is_noticed(ledger):
    ledger.hear({"say": "import", "n": 1, "database": "main", "first": 1, "count": 4, "stamps": [NOW, 5], "time": NOW})
    ledger.hear(found({"10.0.0.1": str(NOW), "10.0.0.2": "5"}))
    assert faults(ledger) == {"half_done"}


def test_a_file_that_a_program_refuses_is_damaged(ledger):
    ledger.hear(found({}, makemap=[65, "bad"]))
    assert faults(ledger) == {"damaged"}


def patient(**more):
    return {**found({}), "database": "patient", **more}


@pytest.fixture
def damaged_patient(ledger):
    """A ledger of a database with two entries that was damaged on purpose, and whose repair was begun."""
    ledger.hear({"say": "patient anew"})
    ledger.hear({"say": "import", "n": 1, "database": "patient", "first": 1, "count": 2, "stamps": [NOW, NOW], "time": NOW})
    ledger.hear({"say": "done", "n": 1})
    ledger.hear({"say": "damaging"})
    ledger.hear({"say": "damaged", "digest": [9, "damaged"]})
    ledger.hear({"say": "repair", "n": 2, "database": "patient"})
    return ledger


def test_a_file_that_was_damaged_on_purpose_may_be_there_until_its_repair_is_acknowledged(damaged_patient):
    refused = {"files": {"relayers.db": [9, "damaged"]}, "entries": {}, "dump": [66, "damaged"], "agree": False}
    damaged_patient.hear(patient(**refused))
    damaged_patient.hear({"say": "recovered", "database": "patient", "status": 66, "changed": {}, "gone": []})
    assert not faults(damaged_patient)


def test_a_repair_that_was_acknowledged_has_to_last_and_the_damaged_file_has_to_be_kept(damaged_patient):
    damaged_patient.hear({"say": "done", "n": 2})
    entries = {"10.0.0.1": str(NOW)}
    damaged_patient.hear({"say": "repaired", "status": 0, "entries": entries})
    copy = {"relayers.db.damaged-1": [9, "damaged"], "relayers.db": [8, "x"]}
    damaged_patient.hear(patient(files=copy, entries=entries))
    assert not faults(damaged_patient)
    damaged_patient.hear(patient(files={"relayers.db": [8, "x"]}, entries=entries))
    assert faults(damaged_patient) == {"lost"}


def test_a_repair_makes_nothing_up(damaged_patient):
    damaged_patient.hear({"say": "done", "n": 2})
    damaged_patient.hear({"say": "repaired", "status": 0, "entries": {"10.9.9.9": str(NOW)}})
    assert faults(damaged_patient) == {"unrecorded"}
