# SPDX-License-Identifier: GPL-3.0-or-later
"""Put bad disks and bad files before the command; see how it ends, what it says, and what it leaves behind."""

import collections
import concurrent.futures
import hashlib
import json
import os
import pwd
import random
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile

import common

BASE = "/var/lib/bad-files"
ALICE = pwd.getpwnam("alice")
ENTRIES = {f"10.0.{n // 250}.{n % 250}": 1000 + n for n in range(600)}
FIRST = next(iter(ENTRIES))
COMMANDS = {
    "add": ["add", "10.1.0.1", "5"],
    "delete": ["delete", FIRST],
    "expire": ["expire"],
    "dump": ["dump"],
    "verify": ["verify"],
    "repair": ["repair"],
}
LOCK_SECONDS = "0.2"
to_unmount = []


# What makes a database, or what stands in its place, in a directory, and returns its path.


def sound(directory):
    path = f"{directory}/relayers.db"
    text = "".join(f"{key}\t{value}\n" for key, value in ENTRIES.items())
    subprocess.run(["makemap", "hash", path], input=text.encode(), check=True)
    os.chown(path, 0, 0)
    os.chmod(path, 0o644)
    return path


def missing(directory):
    return f"{directory}/relayers.db"


def file_of(data):
    def make(directory):
        path = f"{directory}/relayers.db"
        with open(path, "wb") as file:
            file.write(data)
        return path

    return make


def cut_to(size):
    def make(directory):
        path = sound(directory)
        os.truncate(path, size)
        return path

    return make


def shortened_by(size):
    def make(directory):
        path = sound(directory)
        os.truncate(path, os.stat(path).st_size - size)
        return path

    return make


def loaded(*options):
    """Return what has db5.3_load make a file of two records."""

    def make(directory):
        path = f"{directory}/relayers.db"
        subprocess.run(["db5.3_load", "-T", *options, path], input=b"10.0.0.1\n5\n10.0.0.2\n6\n", check=True)
        return path

    return make


def nul_terminated(directory):
    path = f"{directory}/relayers.db"
    text = "".join(f"{key}\t{value}\n" for key, value in ENTRIES.items())
    subprocess.run(["makemap", "-N", "hash", path], input=text.encode(), check=True)
    return path


def fifo(directory):
    os.mkfifo(f"{directory}/relayers.db")
    return f"{directory}/relayers.db"


def unix_socket(directory):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/relayers.db")
    return f"{directory}/relayers.db"


def a_directory(directory):
    os.mkdir(f"{directory}/relayers.db")
    return f"{directory}/relayers.db"


def link_to(target):
    def make(directory):
        os.symlink(target, f"{directory}/relayers.db")
        return f"{directory}/relayers.db"

    return make


def below_a_file(directory):
    return sound(directory) + "/relayers.db"


def long_name(directory):
    path = f"{directory}/{'r' * 248}.db"
    os.rename(sound(directory), path)
    return path


def two_line_name(directory):
    path = f"{directory}/two\nlines.db"
    os.rename(shortened_by(1)(directory), path)
    return path


# What is done to it then, or to its directory.


def read(path):
    with open(path, "rb") as file:
        return file.read()


def mounted(options):
    """Return what makes the directory a file system of its own."""

    def change(path):
        directory = os.path.dirname(path)
        content = {entry.name: read(entry.path) for entry in os.scandir(directory)}
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "bad-files", directory], check=True)
        to_unmount.append(directory)
        for name, data in content.items():
            with open(f"{directory}/{name}", "wb") as file:
                file.write(data)
            os.chmod(f"{directory}/{name}", 0o644)

    return change


def no_space(path):
    mounted("size=128k,mode=755")(path)
    filler = os.open(os.path.dirname(path) + "/filler", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(filler, bytes(4096))
    except OSError:
        os.close(filler)


def no_inode(path):
    mounted("nr_inodes=10,mode=755")(path)
    try:
        for number in range(10):
            open(os.path.dirname(path) + f"/filler{number}", "w").close()
    except OSError:
        pass


def read_only(path):
    mounted("size=1m,mode=755")(path)
    subprocess.run(["mount", "-o", "remount,ro", os.path.dirname(path)], check=True)


def mounted_file(path):
    subprocess.run(["mount", "--bind", path, path], check=True)
    to_unmount.append(path)


def unreadable(path):
    os.chmod(path, 0o600)


def closed_directory(path):
    os.chmod(os.path.dirname(path), 0o700)


def in_the_directory_of_alice(path):
    os.chown(os.path.dirname(path), ALICE.pw_uid, ALICE.pw_gid)


def with_a_group_that_alice_is_not_in(path):
    in_the_directory_of_alice(path)
    os.chown(path, ALICE.pw_uid, 0)


def in_a_directory_that_she_closed_to_herself(path):
    in_the_directory_of_alice(path)
    os.chown(path, ALICE.pw_uid, ALICE.pw_gid)
    os.chmod(os.path.dirname(path), 0o555)


def with_a_temporary_file_of_root(path):
    in_the_directory_of_alice(path)
    os.chown(path, ALICE.pw_uid, ALICE.pw_gid)
    with open(os.path.dirname(path) + "/.relayers.db.vsmtprelay", "w") as file:
        os.fchmod(file.fileno(), 0o600)


def nothing(path):
    pass


RANDOM = bytes(random.Random(4).choices(range(256), k=16384))
NO_INPUT, CANNOT_CREATE, DISK, BUSY = 66, 73, 74, 75
# Which of the "statuses" of a case is that of which command. None: not tried.
COLUMNS = {"add": 0, "delete": 1, "expire": 1, "dump": 2, "verify": 2, "repair": 3}
BAD = (NO_INPUT, NO_INPUT, NO_INPUT, None)
CLOSED = (NO_INPUT, NO_INPUT, NO_INPUT, NO_INPUT)
Case = collections.namedtuple("Case", "what make change user statuses says")
CASES = [
    Case("no space left", sound, no_space, "root", (DISK, DISK, 0, 0), "No space left on device.*free some space"),
    Case("no inode left", sound, no_inode, "root", (DISK, DISK, 0, 0), "No space left on device.*free some space"),
    Case("no space for the first", missing, no_space, "root", (DISK, *CLOSED[1:]), "free some space|no such database"),
    Case("no space, cut off", shortened_by(1), no_space, "root", (*BAD[:3], DISK), "free some space|not a sound|damaged"),
    Case("read-only", sound, read_only, "root", (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "Read-only.*remount"),
    Case("read-only, missing", missing, read_only, "root", (CANNOT_CREATE, *CLOSED[1:]), "remount|no such database"),
    Case("read-only, cut off", shortened_by(1), read_only, "root", (*BAD[:3], CANNOT_CREATE), "remount|not a sound|damaged"),
    Case("of root", sound, nothing, "alice", (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "Permission denied.*run this as root"),
    Case("of root, 0600", sound, unreadable, "alice", CLOSED, "cannot be read: Permission denied.*run this as root"),
    Case("of root, missing", missing, nothing, "alice", (CANNOT_CREATE, *CLOSED[1:]), "run this as root|no such database"),
    Case("of root, cut off", shortened_by(1), nothing, "alice", (*BAD[:3], CANNOT_CREATE), "run this|not a sound|damaged"),
    Case("of root, closed directory", sound, closed_directory, "alice", CLOSED, "cannot be read: Permission denied.*run this"),
    Case(
        "of root in her directory", sound, in_the_directory_of_alice, "alice",
        (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "Operation not permitted.*run this as root or as the owner",
    ),
    Case(
        "hers with a foreign group", sound, with_a_group_that_alice_is_not_in, "alice",
        (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "Operation not permitted.*run this as root or as the owner",
    ),
    Case(
        "hers in a closed directory", sound, in_a_directory_that_she_closed_to_herself, "alice",
        (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "Permission denied.*run this as root or as the owner",
    ),
    Case(
        "hers beside root's temporary file", sound, with_a_temporary_file_of_root, "alice",
        (BUSY, BUSY, 0, 0), r"it holds .*\.relayers\.db\.vsmtprelay.*try again",
    ),
    Case("cut at a page boundary", shortened_by(4096), nothing, "root", BAD, "not a sound.*repair|damaged; .*repair"),
    Case("cut within a page", shortened_by(1000), nothing, "root", BAD, "not a sound.*repair|damaged; .*repair"),
    Case("first page only", cut_to(4096), nothing, "root", BAD, "not a sound.*repair|damaged; .*repair"),
    Case("cut in its header", cut_to(100), nothing, "root", BAD, "not a sound.*repair|damaged; .*repair"),
    Case("one byte", cut_to(1), nothing, "root", CLOSED, "is a file of zeros.*check the path"),
    Case("random bytes", file_of(RANDOM), nothing, "root", CLOSED, "not a sound|damaged|no entry of it can be recovered"),
    Case("zeros", file_of(bytes(16384)), nothing, "root", CLOSED, "is a file of zeros.*check the path"),
    Case("makemap's input", file_of(b"10.0.0.1\t1000\n" * 900), nothing, "root", CLOSED, "is text.*: mv .* import"),
    Case("empty", file_of(b""), nothing, "root", BAD, "is an empty file.*remove it"),
    Case("btree", loaded("-t", "btree"), nothing, "root", CLOSED, "is a Berkeley DB btree, as DRAC.*: mv .* import"),
    Case("recno", loaded("-t", "recno"), nothing, "root", CLOSED, "is a Berkeley DB recno.*check the path"),
    Case("named databases", loaded("-t", "hash", "-c", "database=a"), nothing, "root", CLOSED, "several named databases.*: mv"),
    Case("makemap -N", nul_terminated, nothing, "root", (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "makemap -N.*without -N"),
    Case("FIFO", fifo, nothing, "root", CLOSED, "is not a regular file"),
    Case("socket", unix_socket, nothing, "root", CLOSED, "cannot be read"),
    Case("directory", a_directory, nothing, "root", CLOSED, "is not a regular file"),
    Case("device", link_to("/dev/null"), nothing, "root", CLOSED, "is not a regular file"),
    Case("link to itself", link_to("relayers.db"), nothing, "root", CLOSED, "symbolic link"),
    Case("dangling link", link_to("missing/relayers.db"), nothing, "root", (CANNOT_CREATE, *CLOSED[1:]), "create|no such"),
    Case("below a file", below_a_file, nothing, "root", CLOSED, "a part of the path is a file"),
    Case("name too long for ours", long_name, nothing, "root", (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "File name too long"),
    Case("mounted by itself", sound, mounted_file, "root", (CANNOT_CREATE, CANNOT_CREATE, 0, 0), "Device or resource busy"),
    Case("name of two lines", two_line_name, nothing, "root", BAD, "not a sound|damaged"),
]  # fmt: skip


def state(directory):
    """Return all that can be seen of the files below ``directory``."""
    seen = {}
    for top, directories, files in os.walk(directory):
        for name in directories + files:
            path = os.path.join(top, name)
            status = os.lstat(path)
            content = None
            if stat.S_ISREG(status.st_mode):
                content = hashlib.sha256(read(path)).hexdigest()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            seen[path] = {
                "inode": status.st_ino, "mode": status.st_mode, "owner": (status.st_uid, status.st_gid),
                "size": status.st_size, "mtime": status.st_mtime_ns, "content": content,
            }  # fmt: skip
    return seen


def difference(before, after):
    for path in sorted(set(before) | set(after)):
        was, now = before.get(path, {}), after.get(path, {})
        changed = sorted(field for field in {**was, **now} if was.get(field) != now.get(field))
        if changed:
            yield f"{path}: " + ("appeared" if not was else "went" if not now else "changed " + ", ".join(changed))


def vsmtprelay(user, path, words):
    who = {} if user == "root" else {"user": ALICE.pw_uid, "group": ALICE.pw_gid, "extra_groups": []}
    return subprocess.run(
        ["vsmtprelay", "--lock-timeout", LOCK_SECONDS, "--database", path, *words],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, **who,
    )  # fmt: skip


def shown(output):
    """Return the entries that dump printed."""
    return dict(line.split(" ") for line in output.decode().splitlines() if not line.startswith("#"))


def faults_of_refusal(case, path, status, done):
    if done.returncode != status:
        yield f"exit {done.returncode}, not {status}"
    if done.stdout:
        yield f"output {done.stdout[:80]}"
    message = done.stderr.decode()
    names = [f"vsmtprelay: {name}: " for name in (path, os.path.realpath(path), ascii(path)[1:-1])]
    if len(message.splitlines()) != 1 or not message.endswith("\n"):
        yield f"{len(message.splitlines())} lines: {message[:300]!r}"
    elif not message.startswith(tuple(names)):
        yield f"does not name the file: {message!r}"
    elif not re.search(case.says, message):
        yield f"does not say {case.says!r}: {message!r}"


def faults_of(case, path, directory):
    for name, column in COLUMNS.items():
        status = case.statuses[column]
        if status is None:
            continue
        before = state(directory)
        done = vsmtprelay(case.user, path, COMMANDS[name])
        counts["commands"] += 1
        faults = list(difference(before, state(directory)))
        if status:
            faults += faults_of_refusal(case, path, status, done)
            counts["refusals"] += 1
        elif (done.returncode, done.stderr) != (0, b""):
            faults.append(f"exit {done.returncode}, not 0: {done.stderr[-300:]}")
        elif name == "dump" and shown(done.stdout) != {key: str(value) for key, value in ENTRIES.items()}:
            faults.append("does not show the entries as they are")
        for fault in faults:
            yield f"{case.what}: {name}: {fault}"


def directory_of(number):
    directory = f"{BASE}/{number}"
    os.makedirs(directory)
    os.chmod(directory, 0o755)
    return directory


def tried(case):
    directory = directory_of(case.what.replace(" ", "-"))
    path = case.make(directory)
    case.change(path)
    return list(faults_of(case, path, directory))


# Files that are not bad, only special: what is written to has to stay what it was.


def chain_of_links(directory):
    os.mkdir(f"{directory}/data")
    os.rename(sound(directory), f"{directory}/data/real.db")
    os.symlink("data/real.db", f"{directory}/relative.db")
    os.symlink(f"{directory}/relative.db", f"{directory}/relayers.db")
    return f"{directory}/relayers.db"


def dangling_link(directory):
    os.mkdir(f"{directory}/data")
    os.symlink("data/real.db", f"{directory}/relayers.db")
    return f"{directory}/relayers.db"


def linked_directory(directory):
    os.mkdir(f"{directory}/data")
    sound(f"{directory}/data")
    os.symlink("data", f"{directory}/etc")
    return f"{directory}/etc/relayers.db"


def of_alice(directory):
    path = sound(directory)
    in_the_directory_of_alice(path)
    os.chown(path, ALICE.pw_uid, ALICE.pw_gid)
    os.chmod(path, 0o600)
    return path


def of_somebody_else(directory):
    path = sound(directory)
    os.chown(path, 1234, 5678)
    os.chmod(path, 0o604)
    return path


def with_every_mode_bit(directory):
    path = sound(directory)
    os.chown(path, 1234, 5678)
    os.chmod(path, 0o7666)
    return path


# Version 2; tag, permissions, id: owner rw-, user 1234 rw-, group r--, mask rw-, others --- (linux/posix_acl_xattr.h).
NO_ID = 0xFFFFFFFF
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry) for entry in ((1, 6, NO_ID), (2, 6, 1234), (4, 4, NO_ID), (16, 6, NO_ID), (32, 0, NO_ID))
)


def with_attributes(directory):
    path = sound(directory)
    os.chown(path, 1234, 5678)
    try:
        os.setxattr(path, "user.comment", b"keep me")
        counts["extended attributes"] += 1
        os.setxattr(path, "system.posix_acl_access", ACL)
        counts["ACLs"] += 1
    except OSError:
        pass  # not on this file system; the counts tell
    return path


SPECIAL = [
    ("chain of links", chain_of_links, "root"),
    ("dangling link, its directory there", dangling_link, "root"),
    ("directory that is a link", linked_directory, "root"),
    ("of alice, written by her", of_alice, "alice"),
    ("of alice, written by root", of_alice, "root"),
    ("of somebody else", of_somebody_else, "root"),
    ("of somebody else, every mode bit", with_every_mode_bit, "root"),
    ("attributes and ACL", with_attributes, "root"),
]


def lasting(directory):
    """Return what a write must not change: everything but the content and the inode of the databases, and their times."""
    seen = state(directory)
    for path, fields in seen.items():
        if stat.S_ISREG(fields["mode"]):
            for field in ("inode", "size", "mtime", "content"):
                del fields[field]
            fields["attributes"] = {name: os.getxattr(path, name) for name in sorted(os.listxattr(path))}
        elif stat.S_ISDIR(fields["mode"]):
            for field in ("size", "mtime"):
                del fields[field]
    return seen


def entries_of(path):
    """Return all entries as makemap reads them from a copy: it opens no file of anybody else."""
    with tempfile.NamedTemporaryFile(suffix=".db", dir=BASE) as copy:
        shutil.copyfile(path, copy.name)
        return common.dump(copy.name)


def written(what, make, user):
    directory = directory_of(what.replace(" ", "-"))
    path = make(directory)
    before = lasting(directory)
    real = os.path.realpath(path)
    existed = os.path.exists(real)
    entries = entries_of(real) if existed else {}
    if existed:
        # A new file gets every bit but those that have a program run as its owner or group.
        before[real]["mode"] &= ~0o7000
    for name, change in (("add", {"10.1.0.1": "5"}), ("delete", {FIRST: None}), ("expire", None)):
        if name == "delete" and FIRST not in entries:
            continue
        inode = os.stat(real).st_ino if os.path.exists(real) else None
        done = vsmtprelay(user, path, COMMANDS[name])
        counts["commands"] += 1
        if (done.returncode, done.stdout + done.stderr) != (0, b""):
            yield f"{what}: {name}: exit {done.returncode}: {done.stderr[-300:]}"
        entries = {} if change is None else {key: value for key, value in {**entries, **change}.items() if value is not None}
        if entries_of(real) != entries or not common.is_sound(real):
            yield f"{what}: {name}: not the entries that should be there"
        if os.stat(real).st_ino == inode:
            yield f"{what}: {name}: written in place"
        counts["special files written"] += 1
        after = lasting(directory)
        if not existed:
            after.pop(real, None)
        for fault in difference(before, after):
            yield f"{what}: {name}: {fault}"


def faults_of_remedy():
    """Do as the message about makemap -N says."""
    directory = directory_of("remedy")
    path = nul_terminated(directory)
    message = vsmtprelay("root", path, COMMANDS["add"]).stderr.decode()
    found = re.search(r"without -N: (.*)\n", message)
    done = subprocess.run(["sh", "-ec", found.group(1) if found else "false"], cwd=directory, check=False)
    if done.returncode != 0 or vsmtprelay("root", path, COMMANDS["add"]).returncode != 0:
        return ["makemap -N: the remedy does not work"]
    if common.dump(path) != {**{key: str(value) for key, value in ENTRIES.items()}, "10.1.0.1": "5"}:
        return ["makemap -N: the remedy loses entries"]
    return []


counts = {"cases": 0, "commands": 0, "refusals": 0, "special files written": 0, "extended attributes": 0, "ACLs": 0}
os.makedirs(BASE)
try:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        faults = [*pool.map(tried, CASES), *pool.map(lambda row: list(written(*row)), SPECIAL), faults_of_remedy()]
finally:
    for path in to_unmount:
        subprocess.run(["umount", "--lazy", path], check=True)
    subprocess.run(["rm", "-rf", BASE], check=True)
counts["cases"] = len(faults)
counts["cases with faults"] = sum(map(bool, faults))
counts["faults"] = [fault for some in faults for fault in some]
for fault in counts["faults"]:
    print(fault, file=sys.stderr)
print(json.dumps(counts))
