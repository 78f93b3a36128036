# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login waits for because it is shared: the recorder adds it to its outbox before it answers.

outbox.py RESULT [--quick] writes the seconds of each turn to RESULT as JSON. Before each, nothing is done for a while, as
between two logins.
"""

import argparse
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, "/usr/local/lib")

from vsmtprelay.sharing.handover import Handover
from vsmtprelay.sharing.outbox import Outbox

# On the file system that has the outbox.
PLACE = "/var/lib"
PAUSE_SECONDS = 0.02
TURNS, QUICK_TURNS = 500, 50


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        outbox = Outbox(os.path.join(directory, "outbox"))
        handover = Handover(outbox, directory, "boot", print)
        took = [_turn(handover, number) for number in range(QUICK_TURNS if options.quick else TURNS)]
        outbox.close()
    with open(options.result, "w") as file:
        json.dump(took, file)


def _turn(handover, number):
    time.sleep(PAUSE_SECONDS)
    begin = time.perf_counter()
    handover.add("customers", f"198.18.{number >> 8}.{number & 255}", "login", int(time.time() * 1000))
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
