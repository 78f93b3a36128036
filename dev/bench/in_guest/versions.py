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
# What the unit does for the recorder came later.
DROP_IN = f"/run/systemd/system/{UNIT}.d/earlier.conf"
PLAIN_UNIT = "[Service]\nExecStartPost=\nCPUWeight=100\n"
SHARER = "vsmtprelay-share.service"
# Takes its argument too.
SHARE_OPTION = re.compile(r" --share \S+")
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
        os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
        with open(DROP_IN, "w") as file:
            file.write(PLAIN_UNIT)
    elif os.path.exists(DROP_IN):
        os.unlink(DROP_IN)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def _set_sharing(shares):
    """Have the recorder pass logins on to the sharer, or do without both."""
    if shares:
        if os.path.exists(DROP_IN):
            os.unlink(DROP_IN)
    else:
        with open(f"/etc/systemd/system/{UNIT}") as file:
            (command,) = [line for line in file.read().splitlines() if line.startswith("ExecStart=")]
        os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
        with open(DROP_IN, "w") as file:
            command = SHARE_OPTION.sub("", command)
            file.write(f"[Service]\nExecStart=\n{command}\n")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "start" if shares else "stop", SHARER], check=True)


if __name__ == "__main__":
    switch(sys.argv[1])
