# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak memory of whole commands. Run as a program of its own, ``memory.py ENTRIES RESULT``, because it has to be small.

The kernel's own figure, ru_maxrss, leaves out the copy of the database in memory (a memfd) where that is read and written
but not mapped, and has it in where it is mapped. So the process is looked at all the while it runs, and what counts is the
greatest sum of its own pages (RssAnon), the program's and libraries' (RssFile), and the memfd's, mapped or not. ru_maxrss is
never less than this program's own, which the new process has for a moment.
"""

import os
import sys
import time

import commands
import databases
import spawn

PAUSE_SECONDS = 0.0005


def main():
    entries, result = int(sys.argv[1]), sys.argv[2]
    rows = []
    ticks = str(int(time.time()))
    for variant in databases.VARIANTS:
        for work, arguments in (
            ("add", [commands.NEW_ADDRESS, ticks]),
            ("expire", [str(databases.MINUTES)]),
            ("list", []),
        ):
            contestants = {"vsmtprelay": ["vsmtprelay", work]}
            if variant == "makemap":
                contestants["perl"] = ["perl", commands.PEER, work, databases.LIVE]
            for name, words in contestants.items():
                databases.lay_out(entries, variant)
                size = os.stat(databases.LIVE).st_size
                peak = {"work": work, "variant": variant, "who": name, "entries": entries, "file": size}
                peak.update(_peak([*words, *arguments]))
                rows.append(peak)
                print(
                    f"    memory of {work} at {entries} entries, file by {databases.WRITERS[variant]}, {name}: "
                    f"{peak['together'] / 1e6:.1f} MB for a file of {size / 1e6:.1f} MB",
                    flush=True,
                )
    with open(result, "w") as file:
        file.write(repr(rows))


def _peak(command):
    """Return the peaks (bytes) of a command: ru_maxrss, the memfd alone, and the greatest sum at one moment."""
    pid = spawn.start(command)
    greatest = memfd = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        anonymous, files, shared = _resident(pid)
        copy = _memfd(pid)
        memfd = max(memfd, copy)
        greatest = max(greatest, anonymous + files + max(copy, shared))
        time.sleep(PAUSE_SECONDS)
    _pid, status, usage = os.wait4(pid, 0)
    spawn.require_success(command, status)
    return {"maxrss": usage.ru_maxrss * 1024, "memfd": memfd, "together": greatest}


def _resident(pid):
    """Return the resident bytes of a process: its own, those of mapped files, those of shared memory."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.rstrip().split(":", 1) for line in file)
    # A process that is ending has none of them.
    return [int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("RssAnon", "RssFile", "RssShmem")]


def _memfd(pid):
    """Return how many bytes the files in memory take that a process has open; libdb opens the same one again."""
    directory = f"/proc/{pid}/fd"
    taken = {}
    for name in os.listdir(directory):
        try:
            if os.readlink(f"{directory}/{name}").startswith("/memfd:"):
                status = os.stat(f"{directory}/{name}")
                taken[status.st_ino] = status.st_blocks * 512
        except FileNotFoundError:
            pass  # closed meanwhile
    return sum(taken.values())


if __name__ == "__main__":
    main()
