# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that is not had in time: exit 75 and one line, nothing written. One that is let go in time is waited for."""

import pytest


@pytest.mark.fault("locked-database")
def test_whoever_holds_the_database_is_waited_for_as_long_as_asked_and_no_longer(host, run_script):
    counts = run_script(host, "lock_timeout").counts
    assert counts["faults"] == []
    assert counts["holders"] == 7
    assert min(counts["gave up"], counts["not kept waiting"], counts["succeeded when let go"]) > 0
