# SPDX-License-Identifier: GPL-3.0-or-later
"""The nightly expiry of many databases: in one process, and in a process each; all_expire.py RESULT [--quick].

The databases are those of the host's virtual servers, as the role configured them. RESULT gets, as JSON, how many there are,
for how many of them a process each was started, and the seconds of each turn.
"""

import argparse
import json
import os
import shutil
import sys

import databases
import spawn

ENTRIES = 100
TURNS = 5
# So many of them are expired by a process each.
PROCESSES = 100


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, "/usr/local/lib")
    from vsmtprelay.servers.virtual_servers import VirtualServers

    paths = [server.relayers_db for server in VirtualServers.from_table().servers]
    databases.make(ENTRIES, "makemap")
    minutes = str(databases.MINUTES)
    together, apart = [], []
    for _turn in range(1 if options.quick else TURNS):
        lay_out(paths)
        together.append(spawn.seconds(["vsmtprelay", "--all", "expire", minutes]))
        check(paths, ENTRIES - ENTRIES // 2)
        some = paths[:PROCESSES]
        lay_out(some)
        apart.append(sum(spawn.seconds(["vsmtprelay", "--database", path, "expire", minutes]) for path in some))
        check(some, ENTRIES - ENTRIES // 2)
    found = {"databases": len(paths), "processes": len(some), "entries": ENTRIES, "together": together, "apart": apart}
    with open(options.result, "w") as file:
        json.dump(found, file)


def lay_out(paths):
    """Put a fresh copy of the same database, half of which is old, in each place, and have the disk hold them.

    It has the owner and the mode of the database that was there.
    """
    for path in paths:
        status, beside = os.stat(path), f"{path}.bench"
        shutil.copyfile(databases.stored(ENTRIES, "makemap"), beside)
        os.chown(beside, status.st_uid, status.st_gid)
        os.chmod(beside, status.st_mode & 0o7777)
        os.replace(beside, path)
    os.sync()


def check(paths, entries):
    """End with a message unless all have the owner of their directory, and makemap finds ``entries`` entries in two of them."""
    for path in paths:
        if os.stat(path).st_uid != os.stat(os.path.dirname(path)).st_uid:
            raise SystemExit(f"{path} does not belong to the owner of its directory")
    for path in (paths[0], paths[-1]):
        found = databases.listing(path).count(b"\n")
        if found != entries:
            raise SystemExit(f"{path} has {found} entries instead of {entries}")


if __name__ == "__main__":
    main()
