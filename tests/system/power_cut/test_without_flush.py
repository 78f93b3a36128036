# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of power cuts notices programs that flush too little."""

from __future__ import annotations

import shutil

import pytest

from powercut import FILE_SYSTEMS, Plan, Rounds

# So many rounds show it; most show it in the first one.
MOST_ROUNDS = 6
SCENES = ("add", "logins_alone", "logins_together", "delete")


@pytest.mark.parametrize(("mutant", "file_system"), [("no-flush", "ext4"), ("no-directory-flush", "btrfs")])
def test_changes_are_lost_without_the_flush(bed, directory, seed, mutant, file_system):
    plan = Plan(seed, scenes=SCENES, cuts=("acknowledgement",), mutant=mutant)
    place = directory / "rounds" / f"{mutant}-{file_system}"
    counts = Rounds(bed, file_system, plan, place).run(MOST_ROUNDS, until=lambda counts: counts.lost > 0).counts
    shutil.rmtree(place)
    print(f"power cut: {mutant} on {file_system}: {counts.lost} of {counts.acknowledged} acknowledged changes lost")
    assert counts.lost, f"no change was lost on {file_system} in {counts.rounds} rounds with {mutant}"


@pytest.mark.full
@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_the_flush_of_a_renamed_file_takes_its_new_name_along(bed, directory, seed, file_system):
    plan = Plan(seed, scenes=SCENES, cuts=("acknowledgement",), mutant="file-for-directory")
    result = Rounds(bed, file_system, plan, directory / "rounds" / f"file-{file_system}").run(MOST_ROUNDS)
    assert not result.counts.faults, "\n".join(result.complaints)
