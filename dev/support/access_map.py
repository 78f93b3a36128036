# SPDX-License-Identifier: GPL-3.0-or-later
"""sendmail's access map on a guest."""

from collections.abc import Iterable

from guests.guest import Guest

ACCESS = "/etc/mail/access"


def add_to_access_map(guest: Guest, entries: Iterable[tuple[str, str]]) -> None:
    """Add keys with their values behind what is there, and make the map anew."""
    text = guest.read(ACCESS) + "".join(f"{key}\t{value}\n" for key, value in entries)
    guest.write(ACCESS, text)
    guest.run(["makemap", "hash", ACCESS], input=text)
