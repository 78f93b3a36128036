# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of the running guests."""

import json
from collections.abc import Iterable
from pathlib import Path

from .guest import Guest
from .state import State


def render(state: State, guests: Iterable[Guest]) -> str:
    """Return a YAML inventory of GUESTS: all of them, and one group for each release.

    To be used from the controller's namespace. Strings are written as JSON, which YAML includes.
    """
    options = ssh_options(state)
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key_file(state)),
        "ansible_ssh_args": " ".join(f"-o {name}={value}" for name, value in options.items()),
    }
    lines = ["all:", "  vars:", *(f"    {name}: {json.dumps(value)}" for name, value in variables.items())]
    releases: dict[str, list[Guest]] = {}
    for guest in sorted(guests, key=lambda guest: guest.name):
        releases.setdefault(guest.release, []).append(guest)
    lines.append("  children:" if releases else "  children: {}")
    for release, members in sorted(releases.items()):
        lines += [f"    {release}:", "      hosts:"]
        for guest in members:
            lines += [
                f"        {guest.name}:",
                f"          ansible_host: {json.dumps(guest.address4)}",
                f"          guest_address6: {json.dumps(guest.address6)}",
            ]
    return "\n".join(lines) + "\n"


def ssh_options(state: State) -> dict[str, str]:
    """Return the options of ssh for guests, in the controller's namespace: one connection to each, which is kept."""
    return {
        "ControlMaster": "auto",
        "ControlPersist": "60s",
        # Of a host that goes down while a connection is kept, ssh learns in seconds; without these, in a quarter of an hour.
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "2",
        "ControlPath": f"{state.control_sockets}/%h-%p-%r",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
    }


def key_file(state: State) -> Path:
    """Return the private key that logs in to guests as root."""
    return state.ssh / "id_ed25519"
