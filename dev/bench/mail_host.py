# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail host to measure in: the role applied, nothing else at work, and the scripts of in_guest/ there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from guests import Guest, GuestsError, Lab
from guests.recipe import ROLE_PACKAGES
from support.playbook import play

SCRIPTS = Path(__file__).parent / "in_guest"
RESULT = "/run/bench-result"
PATIENCE_SECONDS = 1200


def untouched(lab: Lab, name: str, release: str) -> Guest:
    """Return the guest ``name``, new, without anything of ours but the scripts of in_guest/. Raises GuestsError."""
    say(f"==> Boot a mail host: Debian {release} (builds it the first time)")
    # The network goes with the last guest, be it that of the measurement before.
    guest = lab.up().guest(name, release=release)
    lab.boot([guest])
    guest.run(["mkdir", "-p", "/root/bench"])
    for script in SCRIPTS.glob("*.p[yl]"):
        guest.write(f"/root/bench/{script.name}", script.read_text(encoding="utf-8"))
    return guest


def boot(lab: Lab, name: str, release: str, recorder: str, idle: tuple[str, ...]) -> Guest:
    """Return the guest ``name`` with the role applied and this ``recorder``, the services ``idle`` stopped.

    Raises GuestsError.
    """
    guest = untouched(lab, name, release)
    say("==> Apply the role")
    run = play(lab, "vsmtp.relay.site", "-e", f"pop_before_smtp_recorder={recorder}", "--limit", name)
    if run.status != 0:
        raise GuestsError(f"the playbook ended with {run.status}:\n{run.output}")
    guest.run(["systemctl", "stop", *idle])
    return guest


def install_packages(guest: Guest) -> None:
    """Install what the role would, so that this is not what is measured. Raises GuestsError."""
    install = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *ROLE_PACKAGES]
    guest.run(["env", "DEBIAN_FRONTEND=noninteractive", *install], timeout=PATIENCE_SECONDS)


def measure(guest: Guest, script: str, quick: bool) -> Any:
    """Run ``script`` in the guest, which prints its progress, and return what it found."""
    command = [*guest.enter(), "python3", f"/root/bench/{script}", RESULT, *(["--quick"] if quick else [])]
    subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)
    return json.loads(guest.read(RESULT))


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)
