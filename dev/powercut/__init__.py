# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts: an emulated machine, behind whose back a drive forgets, tears and reorders what was not flushed.

    require_all()
    with locked(directory):
        bed = Bed(build(directory, programs_in_guest))
    result = Rounds(bed, "ext4", Plan(seed=1), directory / "ext4").run(4)
    print(result.counts)

Needs root on a Debian host.
"""

from .disk import FILE_SYSTEMS, Disk
from .errors import PowerCutError
from .image import build, locked
from .ledger import Counts, Ledger
from .machine import Bed
from .prerequisites import require_all
from .rounds import Plan, Result, Rounds

__all__ = [
    "FILE_SYSTEMS",
    "Bed",
    "Counts",
    "Disk",
    "Ledger",
    "Plan",
    "PowerCutError",
    "Result",
    "Rounds",
    "build",
    "locked",
    "require_all",
]
