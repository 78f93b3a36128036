# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole suite, part by part, and how long each part took: PYTHONPATH=dev python -m suite

Parts are targets of the Makefile. Some run at a time, each with mail hosts of its own.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.places import CHECKOUT

BUILD = CHECKOUT / ".build"
LOGS = BUILD / "log"
# What the others need comes first, and what needs no mail host is run beside it. If one of these fails, that is all.
FIRST = ("collection",)
WITHOUT_HOSTS = ("unit", "images", "gates", "lint", "page")
# The longest ones first, so that all processors have work to the end.
WITH_HOSTS = (
    "mail",
    "sharing",
    "fleet",
    "provider",
    "hostile-owner",
    "breaking",
    "sendmail-cf",
    "documentation",
    "molecule",
    "sharing-pages",
    "power-cut",
    "logins",
    "virtual-servers",
    "test-bed",
)
# The first one is about time. The others mostly wait.
LAST = ("recorder", "metrics", "renewal", "clients")


class Suite:
    """Runs parts; knows which failed, and the seconds that each took."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self._state = Path(os.environ.get("GUESTS_STATE") or BUILD / "guests").resolve()
        LOGS.mkdir(parents=True, exist_ok=True)

    def run(self, parts: tuple[str, ...], at_a_time: int, *, with_hosts: bool = False) -> None:
        """Run all the parts, even if one fails; print what each printed when it has ended.

        Those that run at the same time have mail hosts of their own ``with_hosts``."""
        states: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(at_a_time):
            states.put(self._state_of(number) if with_hosts else self._state)
        with ThreadPoolExecutor(at_a_time) as threads:
            list(threads.map(lambda part: self._run_part(part, states), parts))

    def _state_of(self, number: int) -> Path:
        """Return a state of mail hosts that run beside others; all boot from the same images."""
        state = BUILD / f"guests-{number}"
        state.mkdir(exist_ok=True)
        if not (images := state / "images").is_symlink():
            images.symlink_to(self._state / "images")
        return state

    def _run_part(self, part: str, states: queue.SimpleQueue[Path]) -> None:
        state, begin = states.get(), time.monotonic()
        say(f"==> {part} ...")
        # The unit tests have a part of their own.
        environment = {**os.environ, "GUESTS_STATE": str(state), "GATES_OPTIONS": "--quick"}
        with (LOGS / f"{part}.log").open("w+", encoding="utf-8", errors="replace") as log:
            words = ["make", "--no-print-directory", part]
            done = subprocess.run(words, cwd=CHECKOUT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
            log.seek(0)
            self.seconds[part] = time.monotonic() - begin
            outcome = "failed" if done.returncode else "passed"
            say(f"{log.read()}==> {part} {outcome}: {self.seconds[part]:.0f} seconds, {self.elapsed():.0f} since the start")
        if done.returncode:
            self.failed.append(part)
        states.put(state)

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.begin


def say(text: str) -> None:
    # In one write, as another part may end at the same moment.
    print(f"{text}\n", end="", flush=True)


def main() -> int:
    """Run the suite; return 0 if all parts passed, 1 if not."""
    suite = Suite()
    suite.run(FIRST, 1)
    suite.run(WITHOUT_HOSTS, 3)
    if not suite.failed:
        suite.run(WITH_HOSTS, 2, with_hosts=True)
        suite.run(LAST, 2, with_hosts=True)
    for part, seconds in sorted(suite.seconds.items(), key=lambda each: -each[1]):
        say(f"{seconds:6.0f} {part}")
    say(f"==> the whole suite: {suite.elapsed():.0f} seconds" + "".join(f"; {part} failed" for part in suite.failed))
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
