# SPDX-License-Identifier: GPL-3.0-or-later
"""Contestants take turns (A B C A B C ...), so that what else the machine does falls upon all of them."""

import statistics

REPETITIONS = {1_000: 15, 10_000: 15, 100_000: 9, 1_000_000: 5}


def repetitions(entries, quick, second=False):
    """Return how often each contestant has a turn at ``entries`` entries; at a ``second`` file of that size it has fewer."""
    turns = 3 if quick else REPETITIONS[entries]
    return min(turns, 9) * 2 // 3 if second else turns


def take_turns(contestants, turns):
    """Call each of ``contestants`` (name → function that returns seconds) ``turns`` times; return name → seconds of each.

    One turn before is not counted: it brings programs and libraries into the page cache.
    """
    took = {name: [] for name in contestants}
    for turn in range(turns + 1):
        for name, work in contestants.items():
            seconds = work()
            if turn:
                took[name].append(seconds)
    return took


def tell(words, took):
    """Print a line of progress: the medians of ``took`` (name → list of seconds)."""
    medians = ", ".join(f"{name} {statistics.median(seconds) * 1000:.1f} ms" for name, seconds in took.items())
    print(f"    {words}: {medians}", flush=True)
