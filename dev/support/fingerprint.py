# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host looks like, to compare before and after."""

from guests.guest import Guest

COMMAND = (
    "find /etc /usr/local /var/spool/cron -xdev ! -type d -printf '%p %U:%G %m %l\\n' | sort;"
    "find /etc /usr/local /var/spool/cron -xdev -type f | sort | xargs -d '\\n' sha256sum;"
    "dpkg-query -W; systemctl list-unit-files --no-legend"
)


def fingerprint(guest: Guest) -> str:
    """Return owner, mode and content of all files that a role could touch, its packages and units: a line for each."""
    return guest.run(["sh", "-c", COMMAND]).stdout
