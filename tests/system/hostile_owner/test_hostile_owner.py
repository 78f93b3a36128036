# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a virtual server cannot become root, whatever they make of their files, and keeps no other server waiting."""

from __future__ import annotations

import time

import pytest

VSMTPRELAY = ["vsmtprelay", "--lock-timeout", "1"]
OPERATIONS = (
    [*VSMTPRELAY, "--all", "expire", "1440"],
    [*VSMTPRELAY, "--server", "mallory", "add", "192.0.2.201"],
    [*VSMTPRELAY, "--server", "mallory", "delete", "192.0.2.201"],
    [*VSMTPRELAY, "--server", "mallory", "dump"],
    [*VSMTPRELAY, "--server", "mallory", "verify"],
    [*VSMTPRELAY, "--server", "mallory", "repair"],
    ["sh", "-c", "echo '192.0.2.202 OK' | vsmtprelay --server mallory --lock-timeout 1 import"],
)
# A run over three servers takes some seconds; a program or a FIFO that holds it up takes for ever.
HELD_UP_SECONDS = 90


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("way", ["links", "directory", "modes", "watch"])
def test_no_race_against_an_operation_gives_root_s_rights_or_files_away(host, counts, way, full):
    # Large enough for the copy to take its time.
    lines = "".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} 1\n" for n in range(40_000))
    host.guest.run(["makemap", "hash", "/root/relayers.db"], input=lines)
    host.guest.run(["install", "-o", "mallory", "-g", "mallory", "/root/relayers.db", "/srv/mallory/etc/relayers.db"])
    before = host.of_root()
    attack = host.attack(way)
    try:
        for _round in range(60 if full else 4):
            for words in OPERATIONS:
                host.guest.run(["timeout", "60", *words], check=False)
        if way == "watch":
            host.play("vsmtp.relay.site")
    finally:
        counts["attempts"] += host.end(attack)
    changed = set(before.splitlines()) ^ set(host.of_root().splitlines())
    counts["files of root changed"] += len(changed)
    assert not changed
    assert host.strange() == ""


EVIL = """\
#!/bin/sh
id -u > /srv/mallory/ran/as-$(id -u)-$$
echo OK
"""
PROGRAMS = {
    "a program map": "Kevil program /srv/mallory/evil\nSLocal_check_rcpt\nR$*\t$: $(evil $1 $)\n",
    "a class from a program": "F{evil}|/srv/mallory/evil\n",
    "another user for programs": "O DefaultUser=0:0\nF{evil}|/srv/mallory/evil\n",
}


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("way", [*PROGRAMS, "m4", "pid file"])
def test_no_program_that_the_owner_s_files_name_runs_as_another_user(host, counts, way):
    guest = host.guest
    guest.run(["sh", "-ec", "mkdir -m 1777 /srv/mallory/ran; chown mallory /srv/mallory"])
    guest.path("/srv/mallory/evil").write_text(EVIL)
    guest.run(["sh", "-ec", "chmod 755 /srv/mallory/evil; chown mallory:mallory /srv/mallory/evil"])
    configuration = guest.read("/srv/mallory/etc/sendmail.cf")
    before = host.of_root()
    if way in PROGRAMS:
        guest.path("/srv/mallory/etc/sendmail.cf").write_text(configuration + PROGRAMS[way])
    elif way == "m4":
        calls = "syscmd(`/srv/mallory/evil')dnl\nesyscmd(`/srv/mallory/evil')dnl\n"
        guest.path("/srv/mallory/etc/sendmail.mc").write_text(calls + guest.read("/etc/mail/sendmail.mc"))
        guest.run(["chown", "mallory:mallory", "/srv/mallory/etc/sendmail.mc"])
    else:
        # As the body of a queued mail: a file of root's with a text of Mallory's.
        pid = guest.run(["sh", "-c", "head -n 1 /run/sendmail/mta/sendmail.pid || head -n 1 /run/sendmail.pid"]).stdout.strip()
        guest.path("/var/spool/dfmallory").write_text(f"{pid}\n/srv/mallory/evil -C/srv/mallory/etc/sendmail.cf\n")
        guest.path("/srv/mallory/etc/sendmail.cf").write_text(configuration + "O PidFile=/var/spool/dfmallory\n")
    host.play("vsmtp.relay.site")
    host.play("vsmtp.relay.site")
    owner = guest.run(["id", "-u", "mallory"]).stdout.strip()
    ran = guest.run(["ls", "/srv/mallory/ran"]).stdout.split()
    others = [name for name in ran if not name.startswith(f"as-{owner}-")]
    counts["attempts"] += 1
    counts["programs of the owner run as another user"] += len(others)
    assert others == []
    assert host.of_root() == before
    assert host.strange() == ""


STOPPERS = {
    "a FIFO as sendmail.cf": "rm sendmail.cf; mkfifo sendmail.cf",
    "a FIFO as sendmail.mc": "mkfifo sendmail.mc",
    "a FIFO as PidFile": "mkfifo pid; echo 'O PidFile=/srv/mallory/etc/pid' >> sendmail.cf",
    "a FIFO as relayers.db": "rm -f relayers.db; mkfifo relayers.db",
    "a sparse file of 8 TB": "truncate --size 8T sendmail.cf",
    "a comment of 4 MB": "python3 -c \"print('#' + 'O PidFile=' * 400000)\" >> sendmail.cf",
    "a slow program": "printf 'F{evil}|/bin/sleep 600\\n' >> sendmail.cf",
    "garbage": "head -c 100000 /dev/urandom > sendmail.cf",
}


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("stopper", STOPPERS)
def test_one_owner_keeps_no_other_server_waiting(host, counts, stopper):
    host.guest.run(["su", "mallory", "-c", f"cd /srv/mallory/etc; {STOPPERS[stopper]}"])
    begin = time.monotonic()
    run = host.play("vsmtp.relay.site")
    held_up = time.monotonic() - begin > HELD_UP_SECONDS
    counts["attempts"] += 1
    counts["runs held up"] += held_up
    assert not held_up
    # All others are done.
    assert "vsmtprelay" in host.guest.read("/srv/victor/etc/sendmail.cf")
    assert host.guest.run(["vsmtprelay", "--server", "victor", "add", "192.0.2.203"]).returncode == 0
    if run.status != 0:
        assert "/srv/mallory/" in run.output
