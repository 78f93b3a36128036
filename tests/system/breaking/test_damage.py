# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage is found and mended, and nothing is made up."""

import pytest


@pytest.mark.fault("damaged-pages")
def test_randomly_damaged_files_are_found_and_repaired(host, run_script, full):
    counts = run_script(host, "damage", files=400 if full else 30).counts
    assert counts["damaged as db5.3_verify says"] > 0
    assert counts["recovered"] > 0
    wanted = ("of these not found", "unsound after repair", "no copy kept", "refused and changed", "crashes", "made up")
    assert {name: counts[name] for name in wanted} == dict.fromkeys(wanted, 0)
