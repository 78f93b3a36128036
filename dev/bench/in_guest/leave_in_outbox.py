# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of a host that was cut off: they are in the recorder's outbox, and the sharer has to be stopped meanwhile.

``leave_in_outbox.py NETWORK COUNT`` leaves as many, of addresses NETWORK.0.0.1 and those after it.
"""

import json
import subprocess
import sys
import time

CONFIG = "/etc/vsmtprelay/share.json"
OUTBOX = "/var/lib/vsmtprelay-recorder/outbox"
RECORDER = "vsmtprelay-recorder.service"


def main():
    network, count = sys.argv[1], int(sys.argv[2])
    with open(CONFIG) as file:
        (server,) = json.load(file)["servers"]
    subprocess.run(["systemctl", "stop", RECORDER], check=True)
    now = int(time.time() * 1000)
    with open(OUTBOX, "a") as file:
        for number in range(1, count + 1):
            key = f"{network}.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            file.write(f'["{server}","{key}","login",{now}]\n')
    subprocess.run(["systemctl", "start", RECORDER], check=True)


if __name__ == "__main__":
    main()
