# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the disk. Nothing is judged here; the host knows what should be there."""

import hashlib
import os
import subprocess

import programs
import report

DISK = "/srv/relay"
# The database that logins and commands change; one that is damaged and repaired; and those that did not exist before.
MAIN, PATIENT, NEW = "main", "patient", "new"
NAME = "relayers.db"


def path_of(database):
    """Return the path of the ``database``, a name as "main" or "new/7"."""
    return f"{DISK}/{database}/{NAME}"


def make_places(settings):
    """Make the directories, on a new disk, and the one in which logins create a database in this round."""
    for name in (MAIN, PATIENT, NEW, "spool", f"{NEW}/{settings['round']}"):
        os.makedirs(f"{DISK}/{name}", exist_ok=True)
    # Whose directories they are is nothing that our programs would have to flush.
    os.sync()


def tell(databases):
    """Say what is in each of the ``databases``; return the entries of each."""
    every = {}
    for name in databases:
        directory, path = f"{DISK}/{name}", path_of(name)
        files = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        found = {"files": {file: digest(f"{directory}/{file}") for file in files}}
        entries = None
        if NAME in files:
            verified = subprocess.run(["db5.3_verify", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            made = subprocess.run(["makemap", "-u", "hash", path], capture_output=True)
            status, dumped = programs.run(["--database", path, "dump"])
            entries = entries_of(made.stdout)
            found["db5.3_verify"] = [verified.returncode, verified.stdout.decode("utf-8", "replace")[-500:]]
            found["makemap"] = [made.returncode, made.stderr.decode("utf-8", "replace")[-500:]]
            found["dump"] = [status, "" if status == 0 else dumped.decode("utf-8", "replace")[-500:]]
            found["agree"] = status == 0 and entries_of(dumped) == entries
        every[name] = entries
        report.say("found", database=name, entries=entries, **found)
    return every


def tell_again(databases, before):
    """Say what the start of the recorder changed in the ``databases``."""
    for name in databases:
        status, dumped = programs.run(["--database", path_of(name), "dump"]) if before[name] is not None else (0, b"")
        if before[name] is None and os.path.exists(path_of(name)):
            status, dumped = programs.run(["--database", path_of(name), "dump"])
        now, then = entries_of(dumped) if status == 0 else {}, before[name] or {}
        changed = {key: value for key, value in now.items() if then.get(key) != value}
        gone = [key for key in then if key not in now] if status == 0 else []
        report.say("recovered", database=name, status=status, changed=changed, gone=gone)


def entries_of(text):
    """Return the entries of a dump (bytes) as a dictionary of text. makemap separates with a TAB, we with a space."""
    lines = text.decode("ascii", "replace").splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def digest(path):
    """Return the size of a file and a digest of what is in it."""
    with open(path, "rb") as file:
        data = file.read()
    return [len(data), hashlib.sha256(data).hexdigest()[:16]]
