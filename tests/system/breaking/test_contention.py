# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is lost under contention."""

import pytest


@pytest.mark.fault("concurrent-writers")
def test_eight_writers_and_makemap_lose_nothing(host, run_script, full):
    counts = run_script(host, "contention", each=500 if full else 40).counts
    assert counts["acknowledged"] == counts["of"]
    assert counts["makemap"] > 0
    assert counts["lookups"] > 0
    assert (counts["lost"], counts["makemap lost"], counts["sound"], counts["leftovers"]) == (0, 0, True, [])
