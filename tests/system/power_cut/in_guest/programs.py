# SPDX-License-Identifier: GPL-3.0-or-later
"""Our programs, each run in a process of its own that has imported the library already: an emulated machine is slow."""

import os
import runpy
import stat
import subprocess
import sys

sys.path.insert(0, "/usr/local/lib")

COMMAND = "/usr/local/bin/vsmtprelay"
RECORDER = "/usr/local/sbin/vsmtprelay-recorder"
# What to take away from the programs, to see that the test notices: "", "no-flush" or "no-directory-flush". Or
# "file-for-directory": flush the renamed file in place of its directory, as they do where they may not read the directory.
mutant = ""


def load():
    """Import what the programs import, by using them."""
    import vsmtprelay.recorder.main
    from vsmtprelay.command.main import main

    assert vsmtprelay.recorder.main
    os.makedirs("/run/warm")
    sys.stdout.flush()
    path = "/run/warm/relayers.db"
    with open("/run/warm/text", "w") as file:
        file.write("192.0.2.1\t1\n")
    silent = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1)
    os.dup2(silent, 1)
    for words in (("add", "192.0.2.1"), ("import", "/run/warm/text"), ("expire", "1"), ("dump",), ("delete", "192.0.2.1")):
        main(["--database", path, *words])
    with open(path, "r+b") as file:
        file.seek(5000)
        file.write(b"damage" * 50)
    main(["--database", path, "repair"])
    os.dup2(kept, 1)
    sys.stdout.flush()
    # Read into memory once, so that later calls do not wait for the disk.
    for words in (["db5.3_verify", "-q", path], ["makemap", "-u", "hash", path]):
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start(program, words, output, before=lambda: None):
    """Run ``program`` with ``words`` and with its output in the file descriptor ``output``; return the process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.dup2(output, 1)
        os.dup2(output, 2)
        before()
        _mutate()
        sys.argv = [program, *words]
        runpy.run_path(program, run_name="__main__")
        sys.stdout.flush()
        os._exit(0)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(70)


def _mutate():
    flush_file, flush_data = os.fsync, os.fdatasync

    def fsync(descriptor):
        if mutant == "no-directory-flush" and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            flush_file(descriptor)

    def fdatasync(descriptor):
        if mutant == "no-directory-flush":
            flush_data(descriptor)

    if mutant == "file-for-directory":
        from vsmtprelay.database.locks import WriterLock

        WriterLock.flush = lambda lock: flush_file(lock.descriptor)
    elif mutant:
        os.fsync, os.fdatasync = fsync, fdatasync


def run(words):
    """Run the command with ``words`` to its end; return its status and its output (bytes)."""
    descriptor = os.memfd_create("output")
    try:
        status = os.waitpid(start(COMMAND, words, descriptor), 0)[1]
        return os.waitstatus_to_exitcode(status), os.pread(descriptor, 1 << 26, 0)
    finally:
        os.close(descriptor)
