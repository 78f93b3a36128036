# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this host fetches Debian packages from, and how: images are built from the same place."""

import re
import subprocess
import tempfile
from pathlib import Path

from .errors import GuestsError

# What a host needs to reach its package source at all: proxies, certificates, snapshots, retries.
TRANSPORT = re.compile(r"^Acquire::(https?::|ftp::|Retries|Check-Valid-Until|Check-Date|ForceIPv)[^ ]* \"[^\"]+\";$")

APT_HELPER = "/usr/lib/apt/apt-helper"


def source_lines(release: str, with_updates: bool = True) -> list[str]:
    """Return sources.list lines for RELEASE on the mirrors of this host.

    The list is empty where the host has no Debian mirror configured (or never ran apt-get update):
    mmdebstrap then takes its own default. With with_updates=False only the release itself.
    """
    archive, security = _mirrors()
    if not archive:
        return []
    lines = [f"deb {archive} {release} main"]
    if with_updates:
        lines.append(f"deb {archive} {release}-updates main")
        if security:
            lines.append(f"deb {security} {release}-security main")
    return lines


def codename(suite: str) -> str:
    """Return what the release is called that SUITE, such as "testing", stands for at present; raises GuestsError."""
    archive, _security = _mirrors()
    if not archive:
        raise GuestsError(f"cannot tell what {suite} is: this host knows no Debian mirror; run apt-get update")
    address = f"{archive}/dists/{suite}/InRelease"
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "InRelease"
        # As apt fetches everything else: over the same proxies, with the same certificates.
        done = subprocess.run([APT_HELPER, "download-file", address, str(file)], capture_output=True, text=True, check=False)
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.search(r"^Codename: (\S+)$", text, re.MULTILINE)
    if not found:
        reason = (done.stderr.strip() or "there is no line Codename in it").splitlines()[-1]
        raise GuestsError(f"cannot read {address} ({reason}): check that the package sources of this host can be reached")
    return found[1]


def transport_options() -> list[str]:
    """Return this host's apt settings for proxies and certificates as apt.conf lines."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return [line for line in dump.splitlines() if TRANSPORT.match(line)]


def _mirrors() -> tuple[str | None, str | None]:
    """Return the addresses of Debian's archive and of its security archive, None if unknown."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(SITE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found: dict[str, str] = {}
    for line in listing.splitlines():
        origin, label, site = (field.strip() for field in line.split("|", 2))
        if origin == "Debian" and site and not site.startswith("cdrom:"):
            found.setdefault(label, site)
    return found.get("Debian"), found.get("Debian-Security")
