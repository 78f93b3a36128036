# SPDX-License-Identifier: GPL-3.0-or-later
"""A night on a host with many databases, some of them at fault: many_databases.py COUNT prints, as JSON, what came of it.

The line of the crontab is run as cron runs it (crontab(5)), and judged by makemap. All is as it was before afterwards.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time

TREES = "/srv/many"
TABLE = "/etc/vsmtprelay/virtual_servers"
CRONTAB = "/etc/cron.d/vsmtprelay"
ENVIRONMENT = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "HOME": "/root", "LOGNAME": "root"}
OLD, YOUNG = "198.51.100.1", "198.51.100.2"
# So many are started to see whether they are counted.
KNOWN_PROCESSES = 100

sys.path.insert(0, "/usr/local/lib")
from vsmtprelay.servers.virtual_servers import VirtualServer, table_of  # noqa: E402


def damaged(path):
    chosen = random.Random(5)
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for place in range(4096, size, 64):
            file.seek(place)
            file.write(bytes(chosen.randrange(256) for _byte in range(32)))


def cut_short(path):
    os.truncate(path, 5000)


def empty(path):
    os.truncate(path, 0)


def missing(path):
    os.unlink(path)


def without_directory(path):
    shutil.rmtree(os.path.dirname(path))


def below_a_file(path):
    without_directory(path)
    make_file(os.path.dirname(path))


def directory(path):
    os.unlink(path)
    os.mkdir(path)


def fifo(path):
    os.unlink(path)
    os.mkfifo(path)


def link_to_itself(path):
    os.unlink(path)
    os.symlink(os.path.basename(path), path)


def link_of_another_user(path):
    os.rename(path, f"{path}.real")
    os.symlink(f"{path}.real", path)
    os.chown(path, 65534, 65534, follow_symlinks=False)


def read_only(path):
    mount("--bind", os.path.dirname(path), os.path.dirname(path))
    mount("-o", "remount,bind,ro", os.path.dirname(path))


FAULTS = (
    *(damaged, cut_short, empty, missing, without_directory, below_a_file),
    *(directory, fifo, link_to_itself, link_of_another_user, read_only),
)


def make_file(path):
    with open(path, "w"):
        pass


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def make(count):
    """Make the trees, with the same database in each; return the servers."""
    servers = [
        VirtualServer(f"many{number:04d}", f"{TREES}/{number:04d}", domains=[f"many{number}.test"]) for number in range(count)
    ]
    now = int(time.time())
    for server in servers:
        os.makedirs(os.path.dirname(server.relayers_db))
        if server is servers[0]:
            text = f"{OLD} {now - 1441 * 60}\n{YOUNG} {now}\n"
            subprocess.run(["makemap", "hash", server.relayers_db], input=text.encode(), check=True)
        else:
            shutil.copy(servers[0].relayers_db, server.relayers_db)
    with open(TABLE, "w") as table:
        table.write(table_of(servers))
    return servers


def night():
    """Run the crontab's line; return the process."""
    with open(CRONTAB) as file:
        (line,) = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    _minute, _hour, _day, _month, _weekday, user, command = line.split(None, 6)
    assert user == "root"
    assert "%" not in command
    return subprocess.run(
        ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, env=ENVIRONMENT, cwd="/root", text=True
    )


def processes_of(work):
    """Return what ``work`` returns, and how many process ids were given out in this guest meanwhile, to anybody.

    The last field of /proc/loadavg is the last one (proc(5)). They are given out in order, so no process can be missed.
    """
    before = last_process_id()
    result = work()
    after = last_process_id()
    with open("/proc/sys/kernel/pid_max") as file:
        return result, (after - before) % int(file.read())


def last_process_id():
    with open("/proc/loadavg") as file:
        return int(file.read().split()[-1])


def start_known_processes():
    for _number in range(KNOWN_PROCESSES):
        subprocess.run(["true"], check=True)


def entries(path):
    """Return the addresses in the database, as makemap reads them."""
    done = subprocess.run(["makemap", "-u", "hash", path], stdout=subprocess.PIPE, check=True)
    return [line.split()[0] for line in done.stdout.decode().splitlines()]


def report(count):
    servers = make(count)
    # Neither the first nor the last, and some one right after another.
    at_fault = {server.relayers_db: fault for server, fault in zip(servers[3:5] + servers[5 :: count // len(FAULTS)], FAULTS)}
    for path, fault in at_fault.items():
        fault(path)
    done, processes = processes_of(night)
    _nothing, known = processes_of(start_known_processes)
    others = [server.relayers_db for server in servers if server.relayers_db not in at_fault]
    return {
        "status": done.returncode,
        "output": done.stdout,
        "lines": done.stderr.splitlines(),
        "processes": processes,
        "known_processes": KNOWN_PROCESSES,
        "known_processes_counted": known,
        "at_fault": {path: fault.__name__ for path, fault in at_fault.items()},
        "faults": [fault.__name__ for fault in FAULTS],
        "others": len(others),
        "expired": sum(entries(path) == [YOUNG] for path in others),
    }


def main():
    with open(TABLE) as table:
        before = table.read()
    try:
        print(json.dumps(report(int(sys.argv[1]))))
    finally:
        with open(TABLE, "w") as table:
            table.write(before)
        with open("/proc/mounts") as mounts:
            ours = [line.split()[1] for line in mounts if line.split()[1].startswith(TREES)]
        for place in ours:
            subprocess.run(["umount", place], check=True)
        shutil.rmtree(TREES, ignore_errors=True)


if __name__ == "__main__":
    main()
