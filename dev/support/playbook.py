# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection's playbooks on the guests, as its users do, from the tarball that they get."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from guests import Lab

from .places import COLLECTIONS, RELEASE

RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)
COUNT = re.compile(r"(\w+)=(\d+)")


class Run:
    """What a run of a playbook printed, and what it counted: ``counts[host]["changed"]`` and so on."""

    def __init__(self, process: subprocess.CompletedProcess[str]) -> None:
        self.status = process.returncode
        self.output = process.stdout + process.stderr
        self.counts = {
            host: {name: int(number) for name, number in COUNT.findall(counts)}
            for host, counts in RECAP.findall(process.stdout)
        }


def tarball() -> Path:
    """Return what users get: the collection as one file."""
    (file,) = RELEASE.glob("vsmtp-relay-*.tar.gz")
    return file


def words_of(lab: Lab, playbook: str, *options: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs ``playbook`` over all guests that are up, and the environment that it needs."""
    inventory = lab.state.directory / "inventory.yml"
    inventory.write_text(lab.inventory(), encoding="utf-8")
    return [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"--inventory={inventory}",
        playbook,
        *options,
    ], settings_for(COLLECTIONS)


def settings_for(collections: Path) -> dict[str, str]:
    """Return the environment in which Ansible finds the collections below ``collections``, and prints what tests can read.

    All else is as Ansible comes: without pipelining, so each module has a terminal."""
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def play(lab: Lab, playbook: str, *options: str, timeout: float = 600, settings: Mapping[str, str] | None = None) -> Run:
    """Run ``playbook`` (``vsmtp.relay.site`` or the path of a file) over all guests that are up.

    ``settings`` go into the environment, where Ansible looks for more settings.
    """
    command, environment = words_of(lab, playbook, *options)
    return Run(lab.controller.run(command, check=False, env={**environment, **(settings or {})}, timeout=timeout))
