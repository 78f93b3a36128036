# SPDX-License-Identifier: GPL-3.0-or-later
"""When entries arrive in the database of a host, and the processor time that its programs take for them.

``arrivals.py RESULT SECONDS`` looks for so long; a line on standard output says when it has begun. It writes address → epoch
seconds at which the address was seen first, and unit → seconds of processor time, to RESULT as JSON.
"""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, "/usr/local/lib")

from vsmtprelay.database import relayers_db

DATABASE = "/etc/mail/relayers.db"
UNITS = ("vsmtprelay-share.service", "vsmtprelay-recorder.service")
PAUSE_SECONDS = 0.002


def main():
    result, seconds = sys.argv[1], float(sys.argv[2])
    pids = {unit: _main_pid(unit) for unit in UNITS}
    seen, state = {}, None
    known = _keys()
    used = {unit: _processor_seconds(pid) for unit, pid in pids.items()}
    begin = time.monotonic()
    print("looking", flush=True)
    while time.monotonic() < begin + seconds:
        status = os.stat(DATABASE)
        now = time.time()
        if (status.st_ino, status.st_mtime_ns) != state:
            state = (status.st_ino, status.st_mtime_ns)
            new = _keys() - known
            seen.update(dict.fromkeys(new, now))
            known |= new
        time.sleep(PAUSE_SECONDS)
    taken = time.monotonic() - begin
    used = {unit: _processor_seconds(pid) - used[unit] for unit, pid in pids.items()}
    with open(result, "w") as file:
        json.dump({"seen": seen, "used": used, "seconds": taken}, file)


def _keys():
    with relayers_db.read(DATABASE) as snapshot:
        return {key.decode("ascii") for key, _stamp in snapshot.items()}


def _main_pid(unit):
    show = ["systemctl", "show", "--property=MainPID", "--value", unit]
    return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()


def _processor_seconds(pid):
    """Return the seconds that a process and its ended children have used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
