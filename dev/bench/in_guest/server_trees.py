# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory trees of virtual servers: server_trees.py WORK FILE, where FILE has the servers as the role's variable does.

``make`` gives each the host's own sendmail.cf, and nothing else. ``give`` gives each tree to a new user, as a provider does who
lets customers edit their files. ``spoil`` puts the sendmail.cf back for the last one. ``check`` ends with a message unless each
has a database that belongs to the owner of the tree, and a sendmail.cf that names it. The last sendmail.cf is read by sendmail.
"""

import json
import os
import shutil
import subprocess
import sys

import databases

STOCK = "/etc/mail/sendmail.cf"
FIRST_UID = 20_000


def paths(server):
    """Return the paths of the configuration and of the database."""
    return f"{server['root']}/etc/sendmail.cf", f"{server['root']}/etc/relayers.db"


def make(servers):
    for server in servers:
        os.makedirs(f"{server['root']}/etc")
        shutil.copy(STOCK, paths(server)[0])
    os.sync()


def give(servers):
    # useradd(8) takes minutes for a thousand.
    users = [(FIRST_UID + place, server) for place, server in enumerate(servers)]
    with open("/etc/passwd", "a") as accounts, open("/etc/group", "a") as groups:
        for uid, server in users:
            accounts.write(f"{server['name']}:x:{uid}:{uid}::{server['root']}:/bin/sh\n")
            groups.write(f"{server['name']}:x:{uid}:\n")
    for uid, server in users:
        configuration = paths(server)[0]
        for path in (configuration, os.path.dirname(configuration), server["root"]):
            os.chown(path, uid, uid)
        # Other users can pass through it, but not list it.
        os.chmod(server["root"], 0o711)
    os.sync()


def spoil(servers):
    shutil.copy(STOCK, paths(servers[-1])[0])


def check(servers):
    for server in servers:
        configuration, database = paths(server)
        with open(configuration) as file:
            if f" {database}\n" not in file.read():
                raise SystemExit(f"{configuration} does not name {database}")
        if os.stat(database).st_uid != os.stat(server["root"]).st_uid:
            raise SystemExit(f"{database} does not belong to the owner of {server['root']}")
        databases.listing(database)
    ask = ["sendmail", f"-C{paths(servers[-1])[0]}", "-bt"]
    subprocess.run(ask, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def main():
    with open(sys.argv[2]) as file:
        servers = json.load(file)["pop_before_smtp_virtual_servers"]
    {"make": make, "give": give, "spoil": spoil, "check": check}[sys.argv[1]](servers)


if __name__ == "__main__":
    main()
