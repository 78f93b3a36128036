# SPDX-License-Identifier: GPL-3.0-or-later
"""After a power cut at any instant, everything that was acknowledged is there, and nothing else."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from powercut import FILE_SYSTEMS, Counts, Plan, Rounds

# So many rounds show it, if it is so.
ROUNDS_OF_REVOCATION = 2


@pytest.mark.fault("power-cut")
def test_nothing_acknowledged_is_lost_and_nothing_else_is_listed(bed, directory, seed, rounds):
    stopped = threading.Event()

    def run(file_system):
        try:
            here = directory / "rounds" / file_system
            return Rounds(bed, file_system, Plan(seed), here).run(rounds, until=lambda counts: stopped.is_set())
        except BaseException:
            # The others need not go on.
            stopped.set()
            raise

    total, complaints = Counts(), []
    # An emulated machine keeps one processor busy.
    with ThreadPoolExecutor(max(os.cpu_count() or 1, 1)) as threads:
        try:
            for result in threads.map(run, FILE_SYSTEMS):
                total += result.counts
                complaints += result.complaints
        finally:
            stopped.set()
    print(
        f"power cut: {total.rounds} rounds on {', '.join(FILE_SYSTEMS)}: "
        f"{total.acknowledged:,} acknowledged changes lost: {total.lost}, "
        f"listed without a record: {total.unrecorded + total.came_back}, damaged files: {total.damaged}"
    )
    assert total.acknowledged > total.rounds
    assert not total.faults, "\n".join([str(total), *complaints])


@pytest.mark.fault("power-cut")
def test_a_revoked_login_that_waited_in_the_spool_stays_revoked(bed, directory, seed):
    plan = Plan(seed, scenes=("revoke_delayed",), cuts=("end",), fill=False)
    place = directory / "rounds" / "revoked"
    result = Rounds(bed, "btrfs", plan, place).run(ROUNDS_OF_REVOCATION, until=lambda counts: counts.came_back > 0)
    assert not result.counts.faults, "\n".join(result.complaints)
