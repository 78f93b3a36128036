# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mail hosts on one machine: Debian guests in systemd-nspawn on an isolated network.

    with Lab() as lab:
        guest = lab.guest("mail1", release="bookworm")
        lab.boot([guest])
        client = lab.client("cl1", address4="192.0.2.101")
        client.run(["swaks", "--server", guest.address4, "--to", "alice@example.test"])

Needs root on a Debian host. On the command line: PYTHONPATH=dev python3 -m guests --help.
"""

from .client import Client
from .errors import CommandFailed, GuestsError
from .guest import Guest
from .lab import Lab
from .programs import Programs

__all__ = ["Client", "CommandFailed", "Guest", "GuestsError", "Lab", "Programs"]
