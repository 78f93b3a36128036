# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a virtual server, who wants to become root: swaps files and directories whenever another process works there.

Arguments: the directory ``etc`` of that server, the way of the attack, a number that makes it repeatable, and perhaps the one
directory that links in place of directories lead to. It swaps something whenever another process opens, creates or renames a
file there (inotify(7)), and otherwise every few milliseconds; it waits for a moment and swaps it back. Some events pass.
Prints "ready" once, and how many swaps it made at the end of its standard input.
"""

import ctypes
import os
import random
import select
import socket
import stat
import sys

# The files that root reads or writes there, and the directories that hold them.
NAMES = (
    "relayers.db",
    ".relayers.db.vsmtprelay",
    "sendmail.cf",
    ".sendmail.cf.vsmtprelay",
    "sendmail.mc",
    ".sendmail.mc.vsmtprelay",
)
# A setuid program, files and directories of root's, some of them not even readable, and those of another user.
TARGETS = (
    *("/usr/bin/passwd", "/etc/shadow", "/root/private/secret", "/root/private/missing", "/etc/mail/relayers.db"),
    *(
        "/srv/victor/etc/relayers.db",
        "/srv/victor/etc/sendmail.cf",
        "/srv/victor/etc/missing",
        "/proc/self/mem",
        "/proc/self/fd/3",
    ),
)
DIRECTORIES = ("/root/private", "/srv/victor/etc", "/etc/mail", "/proc/self/fd")
# Hard links to files of root's and of other users; the kernel gives them to nobody else, so the test does.
LINKS = "/srv/mallory/links"
HOLD_SECONDS = (0, 0.0001, 0.0005, 0.002, 0.01)
PAUSE_SECONDS = 0.02
# Of the events that it lets pass, so that root's work gets to its last steps as well.
PATIENCE = 0.6
RENAME_EXCHANGE = 2
AT_FDCWD = -100
# IN_CREATE, IN_OPEN, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO
EVENTS = 0x100 | 0x20 | 0x8 | 0x40 | 0x80
LIBC = ctypes.CDLL(None, use_errno=True)


class Attacker:
    """One way of attack on the directory ``etc``."""

    def __init__(self, etc, way, seed, *directories):
        self._etc = etc
        self._directories = directories or DIRECTORIES
        self._random = random.Random(seed)
        self._step = getattr(self, way)
        self.swaps = 0
        self._whole = {}
        for name in ("relayers.db", "sendmail.cf"):
            with open(self._in(name), "rb") as file:
                self._whole[name] = file.read()
        self._events = LIBC.inotify_init1(os.O_NONBLOCK)
        for directory in (etc, os.path.dirname(etc)):
            LIBC.inotify_add_watch(self._events, os.fsencode(directory), EVENTS)

    def run(self):
        while True:
            ready = select.select([sys.stdin, self._events], [], [], PAUSE_SECONDS)[0]
            if sys.stdin in ready:
                return
            if self._events in ready:
                self._forget_events()
                if self._random.random() < PATIENCE:
                    continue
            self._step()
            self._mend()
            self._forget_events()

    def _try(self, work, *arguments):
        try:
            work(*arguments)
        except OSError:
            return False
        self.swaps += 1
        return True

    def _mend(self):
        """Have the files whole again where the swaps got mixed up with root's: files at fault from the start show nothing."""
        for name, content in self._whole.items():
            path, new = self._in(name), self._in(".mended")
            try:
                if (
                    stat.S_ISREG(os.lstat(path).st_mode)
                    and os.stat(path).st_uid == os.getuid()
                    and os.stat(path).st_size < 1 << 30
                ):
                    continue
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
            except OSError:
                pass
            try:
                with open(new, "wb") as file:
                    file.write(content)
                os.rename(new, path)
            except OSError:
                pass

    def _hold(self):
        """Wait for a moment, or until another process does something there."""
        self._forget_events()
        if select.select([self._events], [], [], self._random.choice(HOLD_SECONDS))[0]:
            self._forget_events()

    def _forget_events(self):
        try:
            os.read(self._events, 1 << 16)
        except OSError:
            pass  # there are none

    def _in(self, name):
        return os.path.join(self._etc, name)

    def _in_place_of(self, name, new):
        """Have the file ``new`` for a moment in place of ``name``, which exists or not."""
        path, kept = self._in(name), self._in(".kept")
        had = self._try(os.rename, path, kept)
        self._try(os.rename, new, path)
        self._hold()
        # Whatever root has put there goes as well.
        self._try(os.rename, path, new)
        if had:
            self._try(os.rename, kept, path)

    def links(self):
        """A symbolic link in place of a file."""
        new = self._in(".new")
        self._try(os.symlink, self._random.choice(TARGETS), new)
        self._in_place_of(self._random.choice(NAMES), new)
        self._try(os.unlink, new)

    def exchange(self):
        """A symbolic link in place of a file, so that the name always exists (renameat2(2))."""
        path, new = self._in(self._random.choice(NAMES)), self._in(".new")
        self._try(os.symlink, self._random.choice(TARGETS), new)
        for _twice in range(2):
            done = LIBC.renameat2(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(new), RENAME_EXCHANGE) == 0
            self.swaps += done
            self._hold()
        self._try(os.unlink, new)

    def hard_links(self):
        """A hard link to a file of root's or of another user in place of a file."""
        # The directory may be missing: another test has removed it.
        names = os.listdir(LINKS) if os.path.isdir(LINKS) else []
        if names:
            self._in_place_of(self._random.choice(NAMES), os.path.join(LINKS, self._random.choice(names)))

    def directory(self):
        """A symbolic link in place of the directory, or no directory at all, or another one."""
        kept, new = self._etc + ".kept", self._etc + ".new"
        kind = self._random.randrange(3)
        if kind == 0:
            self._try(os.mkdir, new)
        elif kind == 1:
            self._try(os.symlink, self._random.choice(self._directories), new)
        self._try(os.rename, self._etc, kept)
        self._try(os.rename, new, self._etc)
        self._hold()
        if self._try(os.rename, self._etc, new) and not os.path.islink(new):
            # A directory that root has made meanwhile: root goes on to work in it by its name.
            self._try(os.rename, new, f"{self._etc}.made-{self.swaps}")
            self._try(os.symlink, self._random.choice(self._directories), self._etc)
            self._hold()
            self._try(os.unlink, self._etc)
        self._try(os.rename, kept, self._etc)
        self._try(os.unlink, new)
        self._try(os.rmdir, f"{self._etc}.made-{self.swaps - 4}")

    def modes(self):
        """Mode bits, extended attributes and access lists that root could copy to a file of another owner."""
        path = self._in(self._random.choice(NAMES))
        self._try(os.chmod, path, self._random.choice((0o4755, 0o2755, 0o6711, 0o1777, 0o644)))
        self._try(os.setxattr, path, "user.note", b"x" * self._random.choice((1, 1000)))

    def special(self):
        """A FIFO, a socket, a directory or a huge file in place of a file."""
        new = self._in(".new")
        kind = self._random.randrange(4)
        if kind == 0:
            self._try(os.mkfifo, new)
        elif kind == 1:
            with socket.socket(socket.AF_UNIX) as server:
                self._try(server.bind, new)
        elif kind == 2:
            self._try(os.mkdir, new)
        else:
            with open(new, "wb") as file:
                self._try(os.ftruncate, file.fileno(), 1 << 42)
        self._in_place_of(self._random.choice(NAMES), new)
        self._try(os.rmdir if os.path.isdir(new) else os.unlink, new)


if __name__ == "__main__":
    attacker = Attacker(*sys.argv[1:])
    print("ready", flush=True)
    attacker.run()
    print(attacker.swaps, flush=True)
