# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory trees of virtual servers: server_trees.py WORK FILE, where FILE has the servers as the role's variable does.

``make`` gives each the host's own sendmail.cf, and nothing else. ``spoil`` puts that back for the last one. ``check`` ends
with a message unless each has a database, and a sendmail.cf that names it. The last sendmail.cf is read by sendmail.
"""

import json
import os
import shutil
import subprocess
import sys

STOCK = "/etc/mail/sendmail.cf"


def paths(server):
    """Return the paths of the configuration and of the database."""
    return f"{server['root']}/etc/sendmail.cf", f"{server['root']}/etc/relayers.db"


def make(servers):
    for server in servers:
        os.makedirs(f"{server['root']}/etc")
        shutil.copy(STOCK, paths(server)[0])
    os.sync()


def spoil(servers):
    shutil.copy(STOCK, paths(servers[-1])[0])


def check(servers):
    for server in servers:
        configuration, database = paths(server)
        with open(configuration) as file:
            if f" {database}\n" not in file.read():
                raise SystemExit(f"{configuration} does not name {database}")
        subprocess.run(["makemap", "-u", "hash", database], check=True)
    ask = ["sendmail", f"-C{paths(servers[-1])[0]}", "-bt"]
    subprocess.run(ask, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def main():
    with open(sys.argv[2]) as file:
        servers = json.load(file)["pop_before_smtp_virtual_servers"]
    {"make": make, "spoil": spoil, "check": check}[sys.argv[1]](servers)


if __name__ == "__main__":
    main()
