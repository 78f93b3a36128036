# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/migrating.md, step by step, on a host where pop-before-smtp or DRAC opened the relay, while sendmail runs."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest
from documentation.blocks import blocks_of
from documentation.console import CONTROLLER, commands

from support.mail import LOCAL, REMOTE, Smtp, log_in, rcpt
from support.places import CHECKOUT
from support.playbook import play
from support.throttles import lift_throttles

HOST = "oldhost"
PAGE = CHECKOUT / "docs" / "migrating.md"
PREDECESSOR = Path(__file__).parent / "in_guest" / "predecessor.pl"
UNIT = """\
[Service]
ExecStart=/usr/bin/perl /root/predecessor.pl {program} {database} {addresses}
[Install]
WantedBy=multi-user.target
"""
LINES = {
    "pop-before-smtp": "LOCAL_CONFIG\nKpopauth hash -a<OK> /etc/mail/popauth\nLOCAL_RULESETS\nSLocal_check_rcpt\n"
    "R$*\t$: $(popauth $&{client_addr} $: <?> $)\nR$*<OK>\t$#OK\n",
    "drac": "LOCAL_CONFIG\nKdrac btree /etc/mail/dracd\nLOCAL_RULESETS\nSLocal_check_rcpt\n"
    "R$*\t$: $&{client_addr}\nR$+\t$: $(drac $1 $: ? $)\nR?\t$@ ?\nR$+\t$@ $#OK\n",
}
DATABASES = {"pop-before-smtp": "/etc/mail/popauth.db", "drac": "/etc/mail/dracd.db"}
UNITS = {"pop-before-smtp": "pop-before-smtp", "drac": "dracd"}
SECTIONS = {"pop-before-smtp": "From pop-before-smtp", "drac": "From DRAC"}


@pytest.fixture(scope="module")
def old_host(lab):
    """A host that nothing of ours is on."""
    guest = lab.guest(HOST, release="bookworm")
    lab.boot([guest])
    lift_throttles(guest)
    guest.write("/root/predecessor.pl", PREDECESSOR.read_text(encoding="utf-8"))
    yield guest
    lab.down([HOST])


@pytest.fixture(scope="module")
def do(lab, old_host):
    """Return what does the commands of a section of the page, one by one, and yields each with what it printed."""

    def do(section):
        blocks = [block for block in blocks_of(PAGE) if (block.section, block.language) == (section, "console")]
        for command in (command for block in blocks for command in commands(block.text)):
            if command.host == CONTROLLER:
                words = shlex.split(command.text)
                assert words[:3] == ["ansible-playbook", "-i", "inventory"]
                run = play(lab, *words[3:], "--limit", HOST)
                status, output = run.status, run.output
            else:
                done = old_host.run(["sh", "-c", command.text], check=False)
                status, output = done.returncode, done.stdout + done.stderr
            assert status == 0, f"{command.text}: {output}"
            assert not command.output or output.splitlines() == command.output, f"{command.text}: {output}"
            yield command.text, output

    return do


def install(host, program, addresses):
    """Put the old program's lines into sendmail.mc, and start its daemon."""
    host.write("/etc/mail/sendmail.mc", host.read("/etc/mail/sendmail.mc") + LINES[program])
    unit = UNIT.format(program=program, database=DATABASES[program], addresses=" ".join(addresses))
    host.write(f"/etc/systemd/system/{UNITS[program]}.service", unit)
    host.run(["sh", "-ec", f"systemctl daemon-reload; systemctl enable --now {UNITS[program]}"])
    host.run(["timeout", "30", "sh", "-ec", f"until test -s {DATABASES[program]}; do sleep 0.1; done"])
    host.run(["sh", "-ec", "make -C /etc/mail; systemctl restart sendmail"])
    host.wait_until_ready()


def dump(host):
    lines = host.run(["vsmtprelay", "dump"]).stdout.splitlines()[1::2]
    return {address: int(timestamp) for address, timestamp in map(str.split, lines)}


@pytest.mark.parametrize("program", [pytest.param("pop-before-smtp", marks=pytest.mark.full), "drac"])
def test_step_by_step_nobody_is_refused_who_was_let_in_and_nobody_let_in_who_was_refused(
    do, old_host, reader, stranger, program
):
    server = old_host.address4
    old_host.run(["rm", "-f", "/etc/mail/relayers.db"])
    install(old_host, program, [reader.address4, reader.address6])
    started = time.time()
    with Smtp(reader, server) as session:
        assert session.ask(REMOTE)[0] == 250
        for command, output in do(SECTIONS[program]):
            # In a session that was open before, and in new ones.
            assert session.ask(REMOTE)[0] == 250, command
            assert rcpt(reader, server)[0] == 250, command
            assert rcpt(stranger, server)[0] == 550, command
            assert rcpt(stranger, server, LOCAL)[0] == 250, command
            if "import" in command:
                assert output == "/etc/mail/relayers.db: 2 entries imported\n"
    entries = dump(old_host)
    assert entries.keys() == {reader.address4, "ipv6:2001:db8:99:0:0:0:0:101"}
    assert all(started - 120 < timestamp <= time.time() for timestamp in entries.values())
    makemap = old_host.run(["makemap", "-u", "hash", "/etc/mail/relayers"]).stdout
    assert {line.split()[0] for line in makemap.splitlines()} == entries.keys()
    # DRAC's spelling of IPv6 was never found, ours is.
    assert rcpt(reader, old_host.address6)[0] == 250
    # Nothing of the old rules is left: the entry alone decides.
    assert old_host.run(["vsmtprelay", "delete", reader.address4]).returncode == 0
    assert rcpt(reader, server)[0] == 550
    assert log_in(reader, server)
    assert rcpt(reader, server)[0] == 250
    for _ in do("Check the result"):
        pass


def test_while_the_old_daemon_has_its_database_open_nothing_is_imported(old_host):
    before = dump(old_host)
    install(old_host, "pop-before-smtp", ["203.0.113.1"])
    done = old_host.run(["vsmtprelay", "--lock-timeout", "0.3", "import", "/etc/mail/popauth.db"], check=False)
    assert (done.returncode, done.stdout) == (75, "")
    assert "fuser -v /etc/mail/popauth.db" in done.stderr
    assert dump(old_host) == before


def test_an_entry_of_the_old_database_opens_the_relay_as_long_as_sendmail_looks_there(do, old_host, stranger):
    # Why the page has the lines taken out: the daemon that removed entries is stopped.
    server = old_host.address4
    add = "use DB_File; tie my %d, 'DB_File', '/etc/mail/popauth.db' or die; $d{$ARGV[0]} = 'ok'; untie %d"
    for command, _output in do(SECTIONS["pop-before-smtp"]):
        if "disable" in command:
            old_host.run(["perl", "-e", add, stranger.address4])
            assert rcpt(stranger, server)[0] == 250
        elif "grep -c" in command:
            old_host.run(["vsmtprelay", "delete", stranger.address4])
            assert rcpt(stranger, server)[0] == 550


def test_going_back_the_old_daemon_opens_the_relay_and_nothing_of_ours_is_left(do, old_host, reader, stranger):
    for _ in do("Going back"):
        pass
    old_host.wait_until_ready()
    assert not old_host.path("/usr/local/bin/vsmtprelay").exists()
    assert "vsmtp.relay" not in old_host.read("/etc/mail/sendmail.mc")
    assert "popauth" in old_host.read("/etc/mail/sendmail.cf")
    assert rcpt(reader, old_host.address4)[0] == 550
    old_host.run(["systemctl", "is-active", "pop-before-smtp"])
    assert rcpt(stranger, old_host.address4)[0] == 250
