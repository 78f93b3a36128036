# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host must have besides what guests need: an emulator, a block server, and what makes file systems."""

import os
import platform

from guests import prerequisites as of_guests

from .errors import PowerCutError

PACKAGE_OF_COMMAND = {
    "qemu-system-x86_64": "qemu-system-x86",
    "nbdkit": "nbdkit",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
}
# nbdkit's plugins are files, no commands.
PYTHON_PLUGIN = "nbdkit-plugin-python"
PLUGIN_PATHS = ("/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-python-plugin.so",)


def require_all() -> None:
    """Raise PowerCutError or GuestsError unless the machine can be built and run here; installs missing packages."""
    of_guests.require_all()
    if platform.machine() != "x86_64":
        raise PowerCutError("the power-cut test needs a host with the x86-64 architecture")
    missing = of_guests.packages_without(PACKAGE_OF_COMMAND)
    if not any(map(os.path.exists, PLUGIN_PATHS)):
        missing.append(PYTHON_PLUGIN)
    if missing:
        of_guests.install_packages(missing)
