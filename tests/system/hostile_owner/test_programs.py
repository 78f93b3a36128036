# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever programs the files of a virtual server name, they run with no right that its owner lacks, or not at all."""

from __future__ import annotations

import pytest

from .conftest import ATTEMPTS, HELD_UP, RAN
from .host import EVIL, MORE, Attack

BEFORE_RULES = "SLocal_check_rcpt\nR$*\t$: $(evil $1 $)\n"
IN_CF = {
    "program-map": f"Kevil program {EVIL}\n{BEFORE_RULES}",
    "program-class": f"F{{evil}}|{EVIL}\n",
    "default-user": f"O DefaultUser=0:0\nO TrustedUser=root\nO RunAsUser=root\nF{{evil}}|{EVIL}\n",
    "privileges": f"O DontBlameSendmail=GroupWritableDirPathSafe,RunProgramInUnsafeDirPath\nF{{evil}}|{EVIL}\nFw|{EVIL}\n",
    "mailer": f"Mevil, P={EVIL}, F=lsDFMAw5:/|@q, S=0, R=0, U=0:0, A=evil\nScheck_rcpt\nR$*\t$#evil $: $1\n",
    "shadow-map": f"Kshadow text -k0 -v1 -z: /etc/shadow\nKevil socket inet:25@127.0.0.1\n{BEFORE_RULES}",
}
IN_MC = {
    "syscmd": f"syscmd(`{EVIL}')dnl\n",
    "esyscmd": f"esyscmd(`{EVIL}')dnl\n",
    "debugfile": f"debugfile(`/root/private/written')dnl\nsyscmd(`{EVIL}; {EVIL} > /root/private/written')dnl\n",
    "mkstemp": f"mkstemp(`/root/private/writtenXXXXXX')dnl\nmaketemp(`/etc/cron.d/evilXXXXXX')dnl\nsyscmd(`{EVIL} &')dnl\n",
}
PID_FILES = ("pid-file", "pid-file-of-root")
SERVERS = (*IN_CF, *IN_MC, *PID_FILES)
HELD_UP_SECONDS = 120


def make_trees(host):
    """Make a tree of Mallory's for each way to have a program run."""
    guest = host.guest
    stock_cf, stock_mc = guest.read("/root/stock.cf"), guest.read("/root/stock.mc")
    pid = guest.run(["sh", "-c", "head -n 1 /run/sendmail/mta/sendmail.pid || head -n 1 /run/sendmail.pid"]).stdout.strip()
    for name in SERVERS:
        etc = f"{MORE}/{name}/etc"
        guest.run(["mkdir", "-p", etc])
        guest.write(f"{etc}/sendmail.cf", stock_cf + IN_CF.get(name, ""))
        if name in IN_MC:
            guest.write(f"{etc}/sendmail.mc", IN_MC[name] + stock_mc)
        if name in PID_FILES:
            file = f"{etc}/sendmail.pid" if name == "pid-file" else f"/var/spool/df-{name}"
            # The body of a queued mail is such a file: root's, with a text of Mallory's.
            guest.write(file, f"{pid}\n{EVIL} -C{etc}/sendmail.cf\n")
            guest.write(f"{etc}/sendmail.cf", f"{stock_cf}O PidFile={file}\n")
        guest.run(["sh", "-ec", f"chown -R mallory: {MORE}/{name}"])


def rights_seen(watch):
    """Return the rights with which the program ran, and those among them that are not Mallory's alone."""
    seen = watch.end()
    return seen, [rights for rights in seen if not is_mallory_s(rights, watch.uid)]


def is_mallory_s(rights, uid):
    capabilities = {int(value, 16) for value in rights["capabilities"]}
    return (
        set(rights["uids"]) == {uid}
        and set(rights["gids"]) == {uid}
        and capabilities == {0}
        and not set(rights["groups"]) - {uid}
    )


@pytest.fixture
def watch(host):
    with Attack(host, "watch_programs", EVIL, user="") as watch:
        watch.uid = host.guest.run(["id", "-u", "mallory"]).stdout.strip()
        yield watch


@pytest.fixture
def trees(host):
    make_trees(host)
    yield
    host.guest.run(["sh", "-ec", f"rm -rf {MORE}/* /var/spool/df-*"])


@pytest.mark.fault("hostile-owner")
def test_no_program_that_the_files_name_runs_as_another_user(host, unchanged, trees, watch, counts, full):
    servers = host.servers(*SERVERS)
    playbooks = ["vsmtp.relay.site"] * (2 if full else 1) + ["vsmtp.relay.remove"]
    runs = [host.play(playbook, servers=servers) for playbook in playbooks]
    is_removed = "vsmtprelay" not in host.guest.read("/srv/victor/etc/sendmail.cf")
    host.play("vsmtp.relay.site")
    seen, others = rights_seen(watch)
    print(f"{host.guest.release}: programs: {[run.seconds for run in runs]} s, rights seen: {seen}")
    counts[ATTEMPTS] += len(runs) * len(SERVERS)
    counts[RAN] += len(others)
    held_up = sum(run.seconds > HELD_UP_SECONDS for run in runs)
    counts[HELD_UP] += held_up
    assert others == []
    # It is run indeed, or the test would show nothing.
    assert seen
    assert not held_up
    assert is_removed


@pytest.mark.parametrize("way", ["program-class", "syscmd"])
def test_such_a_program_runs_as_root_where_root_reads_the_file(host, trees, watch, way):
    commands = {
        "program-class": ["sendmail", f"-C{MORE}/{way}/etc/sendmail.cf", "-bt"],
        "syscmd": ["m4", f"{MORE}/{way}/etc/sendmail.mc"],
    }
    host.guest.run(commands[way], check=False)
    _seen, others = rights_seen(watch)
    assert others
