# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for the command: stages.py BEGIN PROGRAM RESULT ARGUMENT ... runs it as ledger.run() says. Small, to start fast."""

import sys
from time import perf_counter

FIRST = perf_counter()

sys.path.insert(0, "/root/bench")
import ledger  # noqa: E402

sys.path.pop(0)
begin, program, result = sys.argv[1:4]
sys.argv[:] = [program, *sys.argv[4:]]
ledger.run(float(begin), FIRST, program, result)
