# SPDX-License-Identifier: GPL-3.0-or-later
"""A sendmail.mc from which no sendmail.cf can be generated here, and the removal from a file that sendmail cannot use."""

from __future__ import annotations

import json

import pytest

from support.playbook import play

from .conftest import PLAYBOOK, RELEASES
from .kinds import BASE, USUAL

DIRECTORY = "/srv/elsewhere"
CONFIGURATION, SOURCE = f"{DIRECTORY}/sendmail.cf", f"{DIRECTORY}/sendmail.mc"
CLOSED = f"{BASE}Scheck_rcpt\n{USUAL}"
MAP = f"{DIRECTORY}/senders"
# It is looked at for every recipient, and a temporary failure is one of the recipient.
NEEDS_A_MAP = CLOSED.replace(
    "Scheck_rcpt\n",
    f"Ksenders hash -T<TMPF> {MAP}\nScheck_rcpt\nR$*\t$: $1 $| $(senders $&f $: NONE $)\n"
    'R$* $| $* <TMPF>\t$#error $@ 4.3.0 $: "451 later"\nR$* $| $*\t$: $1\n',
)
REST = "VERSIONID(`example')dnl\nOSTYPE(`freebsd6')dnl\nDOMAIN(`generic')dnl\nMAILER(`local')dnl\nMAILER(`smtp')dnl\n"
SOURCES = {
    "without an include, as on FreeBSD": REST,
    "of the source tree": f"include(`../m4/cf.m4')dnl\n{REST}",
    "of Red Hat": f"include(`/usr/share/sendmail-cf/m4/cf.m4')dnl\n{REST}",
}


@pytest.fixture(scope="module")
def host(guests):
    """A host of the newest release, which has a user to whom files can belong."""
    return guests[RELEASES[-1]]


@pytest.fixture
def edit(lab, host):
    """Return what has the module edit the file, with a source beside it."""

    def edit(state="present", source="cf"):
        item = {"path": CONFIGURATION, "relayers_db": f"{DIRECTORY}/relayers.db"}
        variables = json.dumps({"files": [item], "state": state, "source": source})
        return play(lab, PLAYBOOK, "-e", variables, "--limit", host.name)

    host.run(["rm", "-rf", DIRECTORY])
    host.run(["mkdir", "-p", DIRECTORY])
    return edit


# m4 complains about an include only to root.
@pytest.mark.parametrize(("kind", "owner"), [*((kind, "root") for kind in SOURCES), ("of Red Hat", "alice")])
def test_a_source_of_another_place_is_passed_over_with_the_remedy_and_the_sendmail_cf_is_edited(host, edit, kind, owner):
    host.write(CONFIGURATION, CLOSED)
    host.write(SOURCE, SOURCES[kind])
    host.run(["chown", "-R", owner, DIRECTORY])
    run = edit(source="auto")
    assert run.status == 0, run.output
    (warning,) = [line for line in run.output.splitlines() if "[WARNING]" in line and SOURCE in line]
    assert "no sendmail.cf can be generated from it here" in warning
    assert "source=cf" in warning
    assert host.read(SOURCE) == SOURCES[kind]
    assert host.read(CONFIGURATION).count("# BEGIN vsmtp.relay") == 1
    run = edit("absent", source="auto")
    assert run.status == 0, run.output
    assert host.read(CONFIGURATION) == CLOSED


def test_a_source_that_is_demanded_is_refused_with_the_remedy_in_one_line(host, edit):
    host.write(CONFIGURATION, CLOSED)
    host.write(SOURCE, SOURCES["without an include, as on FreeBSD"])
    run = edit(source="mc")
    assert run.status != 0
    (said,) = [line for line in run.output.splitlines() if "fatal: " in line]
    message = json.loads(said.partition("=> ")[2])["msg"]
    assert message.startswith(f"{SOURCE}: no sendmail.cf can be generated from it here")
    assert message.count("; ") == 1
    assert message.endswith("with source=cf")
    assert host.read(CONFIGURATION) == CLOSED


@pytest.mark.parametrize("owner", ["root", "alice"])
def test_the_removal_depends_on_no_look_up(host, edit, owner):
    host.write(CONFIGURATION, NEEDS_A_MAP)
    host.run(["sh", "-c", f"makemap hash {MAP} </dev/null"])
    host.run(["chown", "-R", owner, DIRECTORY])
    run = edit()
    assert run.status == 0, run.output
    host.run(["rm", f"{MAP}.db"])
    # Nor can the ruleset be tried without it.
    host.run(["sed", "-i", "s/ 3600 / 60 /", CONFIGURATION])
    run = edit()
    assert run.status != 0
    assert f"{CONFIGURATION}: every recipient gets a temporary error" in run.output
    assert "451 later" in run.output
    assert f'map senders (hash map \\"senders\\": missing map file {MAP}.db' in run.output
    host.run(["sed", "-i", "s/ 60 / 3600 /", CONFIGURATION])
    run = edit("absent")
    assert run.status == 0, run.output
    assert host.read(CONFIGURATION) == NEEDS_A_MAP


@pytest.mark.parametrize(
    "line",
    [
        'R$*\t$#error $@ 4.3.0 $: "451 later"\n',
        # sendmail rejects these.
        "R$* no TAB\n",
        "Kneeded hash /nowhere/at/all\nFw/nowhere/at/all\n",
    ],
)
def test_the_removal_leaves_what_others_broke_since(host, edit, line):
    host.write(CONFIGURATION, CLOSED)
    run = edit()
    assert run.status == 0, run.output
    host.write(CONFIGURATION, host.read(CONFIGURATION).replace("Scheck_rcpt\n", f"Scheck_rcpt\n{line}", 1))
    run = edit("absent")
    assert run.status == 0, run.output
    assert host.read(CONFIGURATION) == CLOSED.replace("Scheck_rcpt\n", f"Scheck_rcpt\n{line}", 1)
