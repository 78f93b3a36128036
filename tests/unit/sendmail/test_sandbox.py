# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program of a customer's file can do when root runs it: what its owner can, and less."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import BusyError, MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import sandbox


@needs_root
def test_a_program_has_the_ids_of_the_owner_and_no_groups_and_no_capabilities(customer):
    assert customer.sh("id -u; id -g; id -G").split() == [str(customer.uid), "65534", "65534"]
    rights = customer.sh("setpriv --dump")
    assert re.search(r"^no_new_privs: 1$", rights, re.MULTILINE), rights
    for kind in ("Inheritable", "Ambient"):
        assert re.search(rf"^{kind} capabilities: \[none\]$", rights, re.MULTILINE), rights
    assert re.search(r"^Capability bounding set: \[none\]$", rights, re.MULTILINE), rights


@needs_root
def test_it_cannot_become_root_again(customer):
    assert "uid=0" not in customer.sh("setpriv --reuid=0 id; unshare --user --map-root-user cat /etc/shadow")


@needs_root
def test_it_reaches_no_network_not_even_this_host(customer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = sandbox.run(customer.uid, ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"])
    assert ended.status != 0
    assert b"refused" in ended.errors


@needs_root
def test_it_asks_no_name_server_but_its_own_and_knows_the_host(customer):
    assert customer.sh("cat /etc/resolv.conf") == "nameserver 127.0.0.1\noptions timeout:1\n"
    assert "hosts: files dns\n" in customer.sh("cat /etc/nsswitch.conf")
    assert customer.sh("getent hosts mail.stranger.example").split()[0] == "203.0.113.77"
    assert customer.sh("getent hosts no.such.example") == ""
    assert customer.sh(f"getent hosts {socket.gethostname()}")
    assert customer.sh("ls /run").split() == ["hosts", "nsswitch.conf", "resolv.conf"]


@needs_root
def test_root_without_the_right_to_raise_an_interface_has_the_same_network(customer):
    script = (
        "from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import sandbox\n"
        f"print(sandbox.run({customer.uid}, ['getent', 'hosts', 'mail.stranger.example']).text)\n"
    )
    without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    ended = subprocess.run(
        [*without, sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout.split()[:1] == ["203.0.113.77"], ended.stderr


@needs_root
def test_its_tmp_is_its_own_and_small(customer):
    with_a_name = Path("/tmp") / f"vsmtprelay-test-{customer.uid}"
    with_a_name.touch()
    try:
        assert customer.sh("ls -A /tmp; echo here > /tmp/new; cat /tmp/new") == "here\n"
        assert not Path("/tmp/new").exists()
        kibibytes = int(customer.sh("for n in 1 2 3; do head -c 7M /dev/zero > /tmp/$n; done; du -sk /tmp").split()[0])
        assert 14 << 10 <= kibibytes <= 16 << 10
    finally:
        with_a_name.unlink()


@needs_root
def test_it_writes_neither_the_files_of_its_owner_nor_any_other(customer):
    file = customer.directory / "file"
    file.write_text("old")
    os.chown(file, customer.uid, -1)
    for place in (file, "/dev/shm/vsmtprelay-test", "/var/tmp/vsmtprelay-test", "/run/hosts"):
        ended = sandbox.run(customer.uid, ["sh", "-c", 'echo new > "$1"', "sh", str(place)])
        assert ended.status != 0
        assert b"Read-only file system" in ended.errors or b"Permission denied" in ended.errors, (place, ended.errors)
    assert file.read_text() == "old"
    ways_out = f"umount /proc; mount -o remount,bind,rw /; rm -f {file}; ls /proc/{os.getpid()}"
    for way in ("sh", "unshare --user --map-root-user --mount sh"):
        assert customer.sh(f"{way} -c '{ways_out}'; ls {file}") == f"{file}\n"


@needs_root
def test_no_other_process_is_seen_and_none_leads_out(customer):
    assert customer.sh("echo $$; echo /proc/[0-9]*") == "1\n/proc/1\n"
    assert customer.sh("ls -d /proc/1/root/proc/[0-9]*").split()[0] == "/proc/1/root/proc/1"


@needs_root
def test_its_environment_is_empty(customer, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    for directory in ("/", str(customer.directory)):
        assert sandbox.run(customer.uid, ["env"], directory=directory).output == b""


@needs_root
def test_it_gets_its_input_its_files_and_a_directory_that_the_owner_may_enter(customer):
    files = {"sendmail.cf": b"content"}
    script = "cat; cat /run/sendmail.cf; pwd"
    ended = sandbox.run(customer.uid, ["sh", "-c", script], b"input ", str(customer.directory), files)
    assert ended.output == b"input content" + str(customer.directory).encode() + b"\n"
    (customer.directory / "closed").mkdir(mode=0o700)
    ended = sandbox.run(customer.uid, ["pwd"], directory=str(customer.directory / "closed"))
    assert ended.status != 0
    assert b"Permission denied" in ended.errors


@needs_root
@pytest.mark.parametrize("script", ["setsid sleep 600 &", "(setsid sh -c 'trap \"\" TERM; sleep 600' &) &"])
def test_what_it_leaves_behind_ends_with_it(customer, script):
    began = time.monotonic()
    assert customer.sh(f"{script} echo started") == "started\n"
    assert time.monotonic() - began < sandbox.SECONDS
    assert customer.processes() == []


@needs_root
def test_an_output_without_end_is_cut(customer):
    with pytest.raises(MalformedError, match="yes, with the rights of the owner: printed more than 4194304 bytes"):
        sandbox.run(customer.uid, ["yes"])
    assert customer.processes() == []


@needs_root
def test_it_gets_so_much_memory_and_no_more(customer):
    ended = sandbox.run(customer.uid, ["sh", "-c", "head -c 1G /dev/zero | tail -n 1 | wc -c"])
    assert b"memory exhausted" in ended.errors


@needs_root
def test_no_file_of_it_grows_without_end(customer):
    assert int(customer.sh("head -c 15M /dev/zero > /tmp/file; stat -c %s /tmp/file")) == sandbox.FILE_BYTES


@needs_root
def test_it_gets_so_many_processes_and_no_more(customer):
    ended = sandbox.run(customer.uid, ["sh", "-c", "for n in $(seq 200); do sleep 5 & done"])
    assert ended.status != 0
    assert b"annot fork" in ended.errors


@needs_root
def test_it_gets_so_much_time_and_no_more(customer):
    for command in (["sleep", "600"], ["sh", "-c", "kill -STOP $$; sleep 600"]):
        with pytest.raises(BusyError, match=r"^(sleep|sh), with the rights of the owner: did not end within 1 seconds$"):
            sandbox.run(customer.uid, command, seconds=1)
    assert customer.processes() == []


@needs_root
def test_it_ends_with_the_process_that_waits_for_it(customer, child, eventually):
    waiting = child(lambda: sandbox.run(customer.uid, ["sleep", "600"]))
    eventually(lambda: customer.processes("sleep"))
    os.kill(waiting.pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="the child ended with 9"):
        waiting.result()
    eventually(lambda: not customer.processes())


@needs_root
def test_the_process_that_waits_stays_where_it_was(customer):
    def view():
        namespaces = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "pid", "ipc")}
        return namespaces, os.getresuid(), os.getgroups()

    before = view()
    customer.sh("true")
    assert view() == before
    mounts = Path("/proc/self/mountinfo").read_text()
    assert " /run/hosts " not in mounts
    assert " /proc ro" not in mounts


def test_without_the_right_to_make_namespaces_nothing_is_run_and_the_remedy_is_named(as_nobody, tmp_path):
    def attempt():
        sandbox.run(54321, ["touch", str(tmp_path / "ran")])

    with pytest.raises(MalformedError, match=r"touch cannot be run with the rights of that user alone: .*CAP_SYS_ADMIN"):
        as_nobody(attempt)
    assert not (tmp_path / "ran").exists()


def test_a_file_system_of_an_ordinary_user_or_of_processes_has_to_be_hidden(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_bytes(
        b"1 0 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw\n"
        b"2 1 0:40 / /home/a\\040b rw,nosuid,nodev,relatime shared:2 - fuse.sshfs x rw,user_id=1000,group_id=1000\n"
        b"3 1 0:41 / /mnt rw,relatime - fuseblk /dev/sdb1 rw,user_id=0,group_id=0\n"
        b"5 1 0:43 / /proc rw,nosuid,nodev,noexec,relatime shared:4 - proc proc rw\n"
        b"4 1 0:42 / /srv/a/proc rw,nosuid,nodev,noexec,relatime shared:3 - proc proc rw\n"
    )
    found = list(sandbox.mounts(str(table)))
    assert [path for path, _flags, hidden in found if hidden] == [b"/home/a b", b"/srv/a/proc"]
    assert found[0] == (b"/", 1024, False)
    assert found[1][1] == 4 | 1 << 21


@needs_root
def test_a_file_system_that_has_to_be_hidden_is_not_there_for_the_program(customer, monkeypatch, small_disk):
    (small_disk / "file").touch()
    shown = customer.directory / "shown"
    shown.mkdir()
    # What cannot be changed, for it is no mount, is passed over.
    table = [(os.fsencode(shown / "none"), 0, False), (os.fsencode(small_disk), 0, True)]
    monkeypatch.setattr(sandbox, "mounts", lambda: iter(table))
    os.chmod(small_disk.parent, 0o755)
    assert str(small_disk) in Path("/proc/self/mountinfo").read_text()
    assert customer.sh(f"ls {small_disk}") == ""
    assert (small_disk / "file").exists()
