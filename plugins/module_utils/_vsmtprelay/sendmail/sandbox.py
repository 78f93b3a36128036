# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that root runs over a file of an ordinary user, with that user's rights and none of root's.

A sendmail.cf and a sendmail.mc are programs: m4 has syscmd, esyscmd and debugfile, sendmail has ``K… program``, ``F…|program``
and maps over any file that it may read. Run by root over a customer's file, they make that customer root. So the program gets:

- the uid and the primary group of the owner, no supplementary groups, no capabilities and no way to new ones (setpriv(1));
- a network with nothing but loopback, a process and an IPC namespace of its own (namespaces(7)): it is process 1 there, so
  whatever it leaves behind ends with it;
- a view of the file system in which everything is read-only, but for a small /tmp of its own if it has a user's rights. /proc
  shows its own processes alone: through /proc/PID/root, another one of the same user would lead to files that can be
  written. /run is hidden with its sockets: nscd, for one, would ask name servers on the program's behalf;
- host names from /etc/hosts and from a name server of its own (resolver), so that no query leaves the host or gets lost;
- an empty environment, and limits for time, memory, processes, files and output (prlimit(1)).

The namespaces are those of a thread (unshare(2)), which sets them up with a few system calls and starts the program: some
milliseconds less than a shell with a mount(8) for every file system. The thread ends with the program, and its
namespaces with it. Without the right to make namespaces (CAP_SYS_ADMIN, which root lacks in some containers) nothing is run:
setpriv(1) alone would leave the customer a network and processes that outlive the call, among root's own.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

from .. import programs
from ..errors import BusyError, MalformedError
from ..files.owner import group_of
from .resolver import ADDRESS, Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

# Deadline, and limit of the processor time, of one program, in seconds. sendmail and m4 take less than one.
SECONDS = 20
MOST_OUTPUT = 4 << 20
MEMORY = 256 << 20  # of address space, for each process
PROCESSES = 24  # more than the owner has already: the limit counts them all (getrlimit(2))
DESCRIPTORS = 128
FILE_BYTES = 8 << 20
TMP_OPTIONS = "size=16m,nr_inodes=1k,mode=0700"
# Holds the files that a program is given; a directory of every Debian that is of no use to the program otherwise.
PRIVATE = "/run"

NSSWITCH = b"""\
passwd: files
group: files
hosts: files dns
networks: files
protocols: files
services: files
"""

# From <linux/sched.h> and <sys/mount.h>.
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
# Makes namespaces, writes its process number to one descriptor, and stays until it can read a line from another one.
HOLDER = (
    *("unshare", "--user", "--net", "--"),
    *("sh", "-c", 'echo $$ >"/proc/self/fd/$1"; read -r end <"/proc/self/fd/$2"', "sh"),
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
SEALED = MS_NOSUID | MS_NODEV | MS_NOEXEC
# Options that a remount takes away unless it is given them, by their names in /proc/PID/mountinfo (proc(5)).
KEPT = {b"nodev": MS_NODEV, b"noexec": MS_NOEXEC, b"noatime": 1024, b"nodiratime": 2048, b"relatime": 1 << 21}
# netdevice(7).
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
ESCAPED = re.compile(rb"\\([0-7]{3})")


def path_of(name: str) -> str:
    """Return the path at which the program finds the file ``name`` that run() is given."""
    return os.path.join(PRIVATE, name)


class NoNamespaces(MalformedError):
    """This process may make no namespaces."""


def run(
    uid: int | None,
    command: Sequence[str],
    data: bytes = b"",
    directory: str = "/",
    files: Mapping[str, bytes] | None = None,
    seconds: float = SECONDS,
) -> programs.Ended:
    """Run ``command`` with the rights of the user ``uid`` in ``directory``, ``data`` as its standard input, and wait.

    Without a ``uid`` it keeps the rights of this process, within the same namespaces and limits.

    ``files`` (name → content) are at path_of() for the program, read-only. The directory is entered with the rights of the
    user as well.

    Raises BusyError after ``seconds``, and MalformedError if it prints more than MOST_OUTPUT: nothing of it runs any more then.
    Raises NoNamespaces if this process may make none.
    """
    # A thread of its own, since it cannot leave the namespaces again.
    with Resolver() as resolver, ThreadPoolExecutor(1) as thread:
        return thread.submit(_run_here, resolver, uid, command, data, directory, files or {}, seconds).result()


def _run_here(
    resolver: Resolver,
    uid: int | None,
    command: Sequence[str],
    data: bytes,
    directory: str,
    files: Mapping[str, bytes],
    seconds: float,
) -> programs.Ended:
    """As run(), in the calling thread, which is in namespaces of its own from then on."""
    limits = [f"--cpu={SECONDS}", f"--as={MEMORY}", f"--nofile={DESCRIPTORS}", f"--fsize={FILE_BYTES}", "--core=0"]
    # If this process is killed.
    rights = ["--pdeathsig=KILL"]
    if uid is not None:
        limits.append(f"--nproc={_tasks_of(uid) + PROCESSES}")
        rights += [f"--reuid={uid}", f"--regid={group_of(uid)}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
        rights.append("--bounding-set=-all")
    # The environment first: the owner can read it from any process that has this uid. Only process 1 of the new namespace can
    # mount its /proc, which the setpriv of Debian 11 needs. The directory last, with the rights of the owner.
    prefix = ["env", "-i", "unshare", "--mount-proc", "--", "prlimit", *limits, "--", "setpriv", *rights, "--"]
    if directory != "/":
        prefix += ["env", f"--chdir={directory}"]
    try:
        _enter(uid, files)
        resolver.open()
    except OSError as error:
        raise NoNamespaces(
            f"it belongs to an ordinary user, and {command[0]} cannot be run with the rights of that user alone: "
            f"{error.strerror}; run this where root may make namespaces (CAP_SYS_ADMIN), or give the whole tree to root"
        ) from None
    name = os.path.basename(command[0])
    if uid is not None:
        name += ", with the rights of the owner"
    try:
        return programs.run([*prefix, *command], seconds, data, most=MOST_OUTPUT)
    except BusyError:
        raise BusyError(f"{name}: did not end within {seconds:g} seconds") from None
    except MalformedError:
        raise MalformedError(f"{name}: printed more than {MOST_OUTPUT} bytes") from None


def _enter(uid: int | None, files: Mapping[str, bytes]) -> None:
    """Take the calling thread and its future children to namespaces as described above. Raises OSError."""
    libc = _Libc()
    # The network first: a thread in a new PID namespace may start one program, which is process 1 there.
    _enter_network(libc)
    libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID)
    # From here on no mount is seen outside (mount_namespaces(7)).
    libc.mount(None, "/", None, MS_REC | MS_PRIVATE)
    libc.mount("tmpfs", PRIVATE, "tmpfs", SEALED, "mode=0755")
    # The names are those of resolver(5), nsswitch.conf(5) and hosts(5).
    own = {"resolv.conf": f"nameserver {ADDRESS}\noptions timeout:1\n".encode(), "nsswitch.conf": NSSWITCH, "hosts": _hosts()}
    for name, content in {**own, **files}.items():
        _write(path_of(name), content)
    for name in own:
        if os.path.isfile(f"/etc/{name}"):
            libc.mount(path_of(name), f"/etc/{name}", None, MS_BIND)
    for path, flags, hidden in mounts():
        try:
            if hidden:
                libc.umount(path)
            else:
                libc.mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags)
        except OSError:
            continue  # hidden below another one, or a container may not
    if uid is not None:
        libc.mount("tmpfs", "/tmp", "tmpfs", SEALED, f"{TMP_OPTIONS},uid={uid},gid={group_of(uid)}")


def _enter_network(libc: _Libc) -> None:
    """Take the calling thread to a network of its own, with nothing but loopback. Raises OSError.

    Root lacks CAP_NET_ADMIN in some containers, such as those of systemd-nspawn, and so can bring no interface up. Whoever
    makes a user namespace has all capabilities over its network (user_namespaces(7)); a process with threads can make none.
    """
    libc.unshare(CLONE_NEWNET)
    try:
        _raise_loopback()
        return
    except PermissionError:
        pass
    said, saying = os.pipe()
    waiting, ending = os.pipe()
    try:
        with ThreadPoolExecutor(1) as thread:
            command = [*HOLDER, str(saying), str(waiting)]
            held = thread.submit(programs.run, command, SECONDS, descriptors=(saying, waiting))
            held.add_done_callback(lambda _held: os.write(saying, b"\n"))
            try:
                process = os.read(said, 32).strip().decode()
                if not process:
                    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
                with open(f"/proc/{process}/ns/net", "rb") as network:
                    libc.setns(network.fileno(), CLONE_NEWNET)
            finally:
                os.write(ending, b"\n")
    finally:
        for descriptor in (said, saying, waiting, ending):
            os.close(descriptor)
    _raise_loopback()


def _raise_loopback() -> None:
    """Bring the loopback interface of the network namespace up (netdevice(7)). Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack_from("16xh", request)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def _hosts() -> bytes:
    """Return the host's own names, and an address for its name: sendmail waits a minute for one."""
    try:
        with open("/etc/hosts", "rb") as file:
            content = file.read()
    except FileNotFoundError:
        content = b""
    name = socket.gethostname()
    more = f"127.0.0.1 localhost\n127.0.1.1 {name if '.' in name else f'{name}.localdomain {name}'}\n"
    return content + b"\n" + more.encode()


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o444)


def mounts(table: str = "/proc/thread-self/mountinfo") -> Iterator[tuple[bytes, int, bool]]:
    """Yield path, flags, and whether it has to be hidden, of each mount in ``table`` (proc(5)).

    A second /proc can lie in the tree of a customer, for use after chroot(2); run() covers the first one. A file system
    that a program of an ordinary user serves (fuse(4)) can let a call wait for ever, and with it the end of the process
    that made the call.
    """
    with open(table, "rb") as file:
        lines = file.read().splitlines()
    for line in lines:
        mount, _dash, system = line.partition(b" - ")
        words = mount.split(b" ")
        options = words[5].split(b",")
        kind, _source, details = system.split(b" ", 2)
        path = ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), words[4])
        flags = sum(flag for option, flag in KEPT.items() if option in options)
        user = re.search(rb"\buser_id=([0-9]+)", details) if kind.startswith(b"fuse") else None
        yield path, flags, (kind == b"proc" and path != b"/proc") or (user is not None and int(user[1]) != 0)


def _tasks_of(uid: int) -> int:
    """Return the number of the processes and threads of a user."""
    tasks = 0
    with os.scandir("/proc") as processes:
        for process in processes:
            if process.name.isdigit():
                try:
                    if process.stat().st_uid == uid:
                        tasks += len(os.listdir(f"{process.path}/task"))
                except OSError:
                    continue  # it has ended
    return tasks


class _Libc:
    """System calls that Python does not have. Raise OSError."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL(None, use_errno=True)
        self._library.mount.argtypes = [*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p]

    def unshare(self, flags: int) -> None:
        self._check("new namespaces", self._library.unshare(flags))

    def setns(self, descriptor: int, kind: int) -> None:
        self._check("another namespace", self._library.setns(descriptor, kind))

    def mount(self, source: str | None, path: str | bytes, kind: str | None, flags: int, options: str = "") -> None:
        words = [None if word is None else os.fsencode(word) for word in (source, path, kind)]
        self._check(f"mount at {os.fsdecode(path)}", self._library.mount(*words, flags, options.encode() or None))

    def umount(self, path: bytes) -> None:
        self._check("unmount", self._library.umount2(path, MNT_DETACH))

    def _check(self, what: str, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")
