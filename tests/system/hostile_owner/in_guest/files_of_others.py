# SPDX-License-Identifier: GPL-3.0-or-later
"""Print, as JSON, what the owner of one virtual server must not change: the files of others, and all setuid programs.

By path: type and mode, owner, group, a link's target, a file's content (SHA-256) and its access list.
"""

import hashlib
import json
import os
import stat

PLACES = ("/etc", "/usr/local", "/root", "/var/spool/cron", "/var/lib/vsmtprelay", "/srv/victor", "/usr/bin/passwd")
# What Ansible and Python write at each run.
PASSED_OVER = (".ansible", "__pycache__")
# root's own work changes their content all the time.
OWNER_AND_MODE_ONLY = ("/relayers.db", "/last-expiry", "/virtual_servers.json", "/recorder-key.conf")
SPECIAL = 0o6000


def facts_of(path):
    status = os.lstat(path)
    facts = [oct(status.st_mode), status.st_uid, status.st_gid]
    if stat.S_ISLNK(status.st_mode):
        return [*facts, os.readlink(path)]
    if stat.S_ISREG(status.st_mode) and not path.endswith(OWNER_AND_MODE_ONLY):
        with open(path, "rb") as file:
            facts.append(hashlib.sha256(file.read()).hexdigest())
    facts += sorted(name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("user."))
    return facts


def below(place):
    """Yield all paths there."""
    yield place
    for directory, names, files in os.walk(place):
        names[:] = [name for name in names if name not in PASSED_OVER]
        yield from (os.path.join(directory, name) for name in (*names, *files))


def special_files(top="/"):
    """Yield the files of the root file system that run with the rights of their owner or group."""
    device = os.lstat(top).st_dev
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if os.lstat(os.path.join(directory, name)).st_dev == device]
        for name in files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_mode & SPECIAL:
                yield path, status


found = {}
for place in PLACES:
    for each in below(place):
        try:
            found[each] = facts_of(each)
        except FileNotFoundError:
            continue
owner = os.stat("/srv/mallory").st_uid
for each, there in special_files():
    # A setuid program of Mallory's own gives nobody anything but her rights.
    if (there.st_uid, there.st_gid) != (owner, owner):
        found.setdefault(each, [oct(there.st_mode), there.st_uid, there.st_gid])
print(json.dumps(found))
