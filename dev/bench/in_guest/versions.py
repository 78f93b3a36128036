# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of the recorder that are measured in turns: the one that the role installed, and an earlier one.

``versions.py NAME`` has the service run that version. The earlier one lies in EARLIER_LIBRARY, if there is one. ALONE is the
one that the role installed on a host that shares logins, as it would run if the host did not.
"""

import os
import re
import subprocess
import sys

NOW, EARLIER, ALONE = "now", "earlier", "alone"
EARLIER_LIBRARY = "/usr/local/lib/vsmtprelay-earlier"
PROGRAM = "/usr/local/sbin/vsmtprelay-recorder"
UNIT = "vsmtprelay-recorder.service"
DROP_IN = f"/run/systemd/system/{UNIT}.d/earlier.conf"
# What the unit does for the recorder came later.
PLAIN_UNIT = "ExecStartPost=\nCPUWeight=100\n"
SHARER = "vsmtprelay-share.service"
# Each with its argument.
SHARE_OPTION = re.compile(r" --share \S+")
LATER_OPTIONS = re.compile(r" --(share|counts) \S+")
LIBRARIES = {NOW: "/usr/local/lib", EARLIER: EARLIER_LIBRARY}


def there():
    """Return the versions that there are."""
    return [NOW, EARLIER] if os.path.isdir(EARLIER_LIBRARY) else [NOW]


def switch(version):
    """Have the service run ``version`` from now on, with new counters. Raises CalledProcessError."""
    if len(there()) > 1:
        _install(version)
    elif os.path.exists(f"/etc/systemd/system/{SHARER}"):
        _set_sharing(version != ALONE)
    subprocess.run(["systemctl", "restart", UNIT], check=True)


def _install(version):
    with open(PROGRAM) as file:
        program = file.read()
    for library in LIBRARIES.values():
        program = program.replace(f'"{library}"', f'"{LIBRARIES[version]}"')
    with open(f"{PROGRAM}.new", "w") as file:
        file.write(program)
    os.chmod(f"{PROGRAM}.new", 0o755)
    os.replace(f"{PROGRAM}.new", PROGRAM)
    if version == EARLIER:
        _write_drop_in(LATER_OPTIONS, PLAIN_UNIT)
    elif os.path.exists(DROP_IN):
        os.unlink(DROP_IN)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def _set_sharing(shares):
    """Have the recorder pass logins on to the sharer, or do without both."""
    if shares:
        if os.path.exists(DROP_IN):
            os.unlink(DROP_IN)
    else:
        _write_drop_in(SHARE_OPTION)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "start" if shares else "stop", SHARER], check=True)


def _write_drop_in(without, more=""):
    """Have the unit start the recorder ``without`` the options that this pattern matches; ``more`` are further lines."""
    with open(f"/etc/systemd/system/{UNIT}") as file:
        (command,) = [line for line in file.read().splitlines() if line.startswith("ExecStart=")]
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    with open(DROP_IN, "w") as file:
        file.write(f"[Service]\nExecStart=\n{without.sub('', command)}\n{more}")


if __name__ == "__main__":
    switch(sys.argv[1])
