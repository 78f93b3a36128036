# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop the login recorder of a guest together with its socket, which refuses that to people."""

from __future__ import annotations

from guests import Guest

UNITS = ("vsmtprelay-recorder.socket", "vsmtprelay-recorder.service")
ALLOW = """
directory=/run/systemd/system/vsmtprelay-recorder.socket.d
mkdir -p $directory
printf '[Unit]\\nRefuseManualStop=no\\n' > $directory/test.conf
systemctl daemon-reload
"""


def stop_recorder(guest: Guest) -> None:
    """Stop both units; from then on the socket can be stopped and started at will, until the guest boots again."""
    guest.run(["sh", "-ec", ALLOW])
    guest.run(["systemctl", "stop", *UNITS])
