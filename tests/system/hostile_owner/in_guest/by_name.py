# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that works as root in a user's directory by the names of the files: what the attacks are to win against.

Arguments: "database" or "text", and how many tries. Prints how often the owner won.
"""

import hashlib
import os
import stat
import sys
import time

ETC = "/srv/mallory/etc"
SECRET = "/root/private"
CONTENT = b"x" * (2 << 20)


def replace_database():
    """Write a database with owner and mode of what its name stands for by then; return whether root owns it, with setuid."""
    path, temporary = f"{ETC}/relayers.db", f"{ETC}/.relayers.db.vsmtprelay"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, CONTENT)
        status = os.stat(path)
        os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        os.fsync(descriptor)
        made = os.fstat(descriptor)
        return made.st_uid == 0 and bool(made.st_mode & stat.S_ISUID)
    finally:
        os.close(descriptor)
        os.rename(temporary, path)


def replace_text():
    """Replace a file after a check of its path; return whether that has written to root's directory."""
    path = f"{ETC}/sendmail.cf"
    if os.path.realpath(path) != path:
        return False
    with open(path, "rb") as file:
        file.read()
    # In place of sendmail, which reads the new text and takes much longer.
    hashlib.sha512(CONTENT).hexdigest()
    with open(f"{path}.new", "wb") as file:
        file.write(CONTENT)
    os.rename(f"{path}.new", path)
    return os.path.exists(f"{SECRET}/sendmail.cf")


work = {"database": replace_database, "text": replace_text}[sys.argv[1]]
won = 0
for _try in range(int(sys.argv[2])):
    try:
        won += work()
    except OSError:
        pass
    for left in ("sendmail.cf", "sendmail.cf.new", "relayers.db", ".relayers.db.vsmtprelay"):
        if os.path.lexists(f"{SECRET}/{left}"):
            os.unlink(f"{SECRET}/{left}")
    if won >= 3:
        break
    time.sleep(0.001)
print(won)
