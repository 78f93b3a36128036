# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorder was measured with; recorder_host.py RESULT writes it to RESULT as JSON."""

import json
import platform
import subprocess
import sys

import host

# The name of each figure, and the packages whose versions it is made of.
PACKAGES = {
    "Dovecot": ["dovecot-core"],
    "recorder": ["python3-httptools", "python3-bsddb3", "python3-systemd"],
    "systemd": ["systemd"],
}


def main():
    described = host.describe()
    found = {name: described[name] for name in ("machine", "kernel", "guest", "file system")}
    for name, packages in PACKAGES.items():
        found[name] = ", ".join(filter(None, [_version(package) for package in packages]))
    found["recorder"] = f"Python {platform.python_version()}, {found['recorder']}"
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)


def _version(package):
    show = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}", package]
    return subprocess.run(show, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
