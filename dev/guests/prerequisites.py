# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host must have: root, and a handful of Debian packages."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import GuestsError

PACKAGE_OF_COMMAND = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nft": "nftables",
    "swaks": "swaks",
    "apt-ftparchive": "apt-utils",
    "ssh": "openssh-client",
    "nsenter": "util-linux",
    "mount": "mount",
}

# Who finds apt-get's own lock taken fails at once, and several processes of ours may lack something at the same time.
LOCK = Path("/run/vsr-apt.lock")

# swaks connects to IPv6 addresses only with this module, which its package merely recommends.
SWAKS_IPV6 = (Path("/usr/share/perl5/IO/Socket/INET6.pm"), "libio-socket-inet6-perl")


def require_root() -> None:
    """Raise GuestsError unless this process runs as root."""
    if os.geteuid() != 0:
        raise GuestsError("root is needed for namespaces, mounts and guests: run this as root (sudo)")


def packages_without(package_of_command: Mapping[str, str]) -> list[str]:
    """Return the Debian packages of those commands that are not found on this host."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
    return [package for command, package in package_of_command.items() if not shutil.which(command, path=search)]


def missing_packages() -> list[str]:
    """Return the Debian packages whose command (or Perl module) is not found on this host."""
    missing = packages_without(PACKAGE_OF_COMMAND)
    file, package = SWAKS_IPV6
    return missing if file.exists() else [*missing, package]


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages with apt-get; raises GuestsError where that does not work."""
    wanted = " ".join(packages)
    if not shutil.which("apt-get"):
        raise GuestsError(f"this host has no apt-get: install the equivalents of {wanted}")
    print(f"installing {wanted} on this host ...", file=sys.stderr)
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (install, ["apt-get", "update", "--quiet"], install):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if command is install and done.returncode == 0:
                return
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise GuestsError(
        f"apt-get cannot install {wanted} ({reason}): give this host a working Debian package source, or install them by hand"
    )


def require_all() -> None:
    """Raise GuestsError unless guests can be built and run here; installs missing packages."""
    require_root()
    missing = missing_packages()
    if missing:
        install_packages(missing)
