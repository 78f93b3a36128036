# SPDX-License-Identifier: GPL-3.0-or-later
"""make demo shows every step, and ends with 0 only then."""

from __future__ import annotations

import subprocess

from support.places import CHECKOUT

STEPS = [
    "==> Before: the host relays for nobody",
    "Relaying denied",
    "==> Apply the role",
    "==> A wrong password opens nothing",
    "-ERR",
    "==> The scanner logs in by POP, and may relay at once",
    "+OK",
    "250 2.1.5 <somebody@remote.example>... Recipient ok",
    "==> The stranger still may not; mail to local users is accepted from anybody",
    "250 2.1.5 <alice@example.test>... Recipient ok",
    "==> The permission expires",
    "Relaying denied",
    "==> Apply the role again: nothing is left to do",
    "changed=0",
    "==> Boot three mail hosts and one for the engine",
    "==> Set up the engine, then the hosts",
    "==> Nobody has read mail, so nobody may relay",
    "Relaying denied",
    "==> The laptop logs in on pop, and smtp and both relay for it within a second",
    "+OK",
    "smtp answers 250 to laptop after",
    "both answers 250 to laptop after",
    "==> The printer, which did not log in, still may not",
    "Relaying denied",
    "==> The laptop is revoked on smtp, and refused on both hosts within a second",
    "both answers 550 to laptop after",
    "==> The engine is stopped",
    "+OK",
    "Recipient ok",
    "Relaying denied",
    "==> The engine is started, and smtp makes up for what it missed",
    "smtp answers 250 to printer after",
    "==> Run both playbooks again: nothing is left to do",
    "both: ok=",
    "changed=0",
    "==> Every step was seen",
]


def test_make_demo_shows_every_step_in_order():
    done = subprocess.run(["make", "demo"], cwd=CHECKOUT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rest = done.stdout
    for step in STEPS:
        assert step in rest, f"{step!r} is missing after what was shown before:\n{done.stdout}"
        rest = rest.partition(step)[2]
