# SPDX-License-Identifier: GPL-3.0-or-later
"""A writer killed at any instant loses nothing, damages nothing, and leaves no reader behind."""

import pytest


@pytest.mark.fault("killed-writer")
def test_kill_9_at_any_instant(host, run_script, full):
    sizes = {"single": 700, "prepared": 700, "bulk": 300, "expire": 60}
    if not full:
        sizes = {"single": 50, "prepared": 50, "bulk": 15, "expire": 4}
    counts = run_script(host, "kill", **sizes).counts
    assert counts["kills"] == sum(sizes.values())
    assert counts["hit while writing"] > counts["kills"] // 10
    assert {name: counts[name] for name in ("failed", "lost", "others lost", "damaged", "stale", "left over")} == {
        "failed": 0,
        "lost": 0,
        "others lost": 0,
        "damaged": 0,
        "stale": 0,
        "left over": 0,
    }
