# SPDX-License-Identifier: GPL-3.0-or-later
"""An earlier version of the recorder, installed in a guest beside the present one (``--earlier REVISION``)."""

from __future__ import annotations

import subprocess

from guests import Guest
from guests.recipe import EARLIER_PACKAGES
from support.places import CHECKOUT

from .in_guest.versions import EARLIER_LIBRARY

LIBRARY = "plugins/module_utils/_vsmtprelay"


def install(guest: Guest, revision: str) -> None:
    """Install the library of ``revision`` (git) in ``guest``, and the packages that it needs. Raises GuestsError."""
    archive = subprocess.run(
        ["git", "archive", f"{revision}:{LIBRARY}"], cwd=CHECKOUT, stdout=subprocess.PIPE, check=True
    ).stdout
    place = f"{EARLIER_LIBRARY}/vsmtprelay"
    guest.run(["mkdir", "-p", place])
    unpack = [*guest.enter(), "tar", "--extract", "--directory", place]
    subprocess.run(unpack, input=archive, check=True)
    guest.run(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *EARLIER_PACKAGES], timeout=300)
