# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/fleet.md step by step, and DRAC's layout in docs/migrating.md: POP on one host, SMTP on another, both on a third."""

from __future__ import annotations

import shlex
import time

import pytest
import yaml
from documentation.blocks import blocks_of
from documentation.console import CONTROLLER, commands

from support.mail import LOCAL, REMOTE, Smtp, log_in, rcpt
from support.places import CHECKOUT, COLLECTIONS
from support.playbook import Run, settings_for
from support.throttles import lift_throttles

FLEET = CHECKOUT / "docs" / "fleet.md"
MIGRATING = CHECKOUT / "docs" / "migrating.md"
RELEASES = {"pop1": "bullseye", "smtp1": "bookworm", "mail1": "trixie", "engine1": "bookworm", "engine2": "trixie"}
MAIL_HOSTS = ("pop1", "smtp1", "mail1")
PREDECESSOR = CHECKOUT / "tests/system/mail/in_guest/predecessor.pl"
DRAC_UNIT = """\
[Service]
ExecStart=/usr/bin/perl /root/predecessor.pl drac /etc/mail/dracd.db {address}
[Install]
WantedBy=multi-user.target
"""
DRAC_LINES = (
    "LOCAL_CONFIG\nKdrac btree /etc/mail/dracd\nLOCAL_RULESETS\nSLocal_check_rcpt\n"
    "R$*\t$: $&{client_addr}\nR$+\t$: $(drac $1 $: ? $)\nR?\t$@ ?\nR$+\t$@ $#OK\n"
)
SECONDS = 5.0


@pytest.fixture(scope="module")
def guests(lab):
    """The hosts of the page, which know each other's names."""
    guests = {name: lab.guest(name, release=release) for name, release in RELEASES.items()}
    lab.boot(list(guests.values()))
    lines = "".join(f"{guest.address4} {name}.example.org\n" for name, guest in guests.items())
    for guest in guests.values():
        lift_throttles(guest)
        guest.write("/etc/hosts", guest.read("/etc/hosts") + lines)
    yield guests
    lab.down(list(RELEASES))


@pytest.fixture(scope="module")
def directory(guests, tmp_path_factory, lab):
    """The working directory on the controller, with the inventory of the page, and how the controller reaches its hosts."""
    directory = tmp_path_factory.mktemp("fleet")
    (page,) = [block.text for block in blocks_of(FLEET) if block.language == "yaml"]
    (directory / "inventory").mkdir()
    (directory / "inventory" / "1-page.yml").write_text(page, encoding="utf-8")
    reached = yaml.safe_load(lab.inventory())["all"]["vars"]
    hosts = {f"{name}.example.org": {"ansible_host": guest.address4} for name, guest in guests.items()}
    (directory / "inventory" / "2-guests.yml").write_text(
        yaml.safe_dump({"all": {"hosts": hosts, "vars": reached}}), encoding="utf-8"
    )
    return directory


@pytest.fixture(scope="module")
def run(lab, directory):
    """Return what runs ansible-playbook with the words of a page."""

    def run(text):
        environment = settings_for(COLLECTIONS)
        process = lab.controller.run(["sh", "-c", text], check=False, cwd=directory, env=environment, timeout=900)
        return Run(process)

    return run


@pytest.fixture(scope="module")
def do(guests, run):
    """Return what does the commands of a section of a page, and yields each with what it printed."""

    def do(page, section):
        blocks = [block for block in blocks_of(page) if (block.section, block.language) == (section, "console")]
        assert blocks, section
        for command in (command for block in blocks for command in commands(block.text)):
            if command.host == CONTROLLER:
                assert shlex.split(command.text)[:3] == ["ansible-playbook", "-i", "inventory"]
                ended = run(command.text)
                status, output = ended.status, ended.output
            else:
                done = guests[command.host].run(["sh", "-c", command.text], check=False)
                status, output = done.returncode, done.stdout + done.stderr
            assert status == 0, f"{command.text}: {output}"
            assert command.prints(output), f"{command.text}: {output}"
            yield command.text, output

    return do


def wait_until(condition):
    """Return how many seconds it takes until a condition holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + SECONDS, "it never came to be"
        time.sleep(0.02)
    return time.monotonic() - began


def relays(guests, client, host):
    return rcpt(client, guests[host].address4)[0] == 250


@pytest.fixture(scope="module")
def fleet(do):
    """The hosts after the steps of the page."""
    return [text for text, _output in do(FLEET, "Set it up")]


def test_a_login_at_the_pop_host_opens_the_smtp_host_and_the_other_one(fleet, guests, reader, stranger):
    assert not relays(guests, reader, "smtp1")
    assert log_in(reader, guests["pop1"].address4)
    for host in ("smtp1", "mail1"):
        wait_until(lambda host=host: relays(guests, reader, host))
        assert not relays(guests, stranger, host)


def test_an_address_that_is_revoked_on_one_host_is_closed_on_all_until_it_logs_in_again(fleet, guests, run, reader):
    for revoke in ("vsmtprelay", "vsmtp.relay.revoke"):
        # Times are whole seconds, and a revocation counts in its own second.
        time.sleep(1.1)
        assert log_in(reader, guests["pop1"].address4)
        wait_until(lambda: relays(guests, reader, "smtp1") and relays(guests, reader, "mail1"))
        if revoke == "vsmtprelay":
            guests["smtp1"].run(["vsmtprelay", "delete", reader.address4])
        else:
            words = f"{revoke} -e relay_address={reader.address4} --limit smtp1.example.org"
            assert run(f"ansible-playbook -i inventory {words}").status == 0
        wait_until(lambda: not relays(guests, reader, "mail1"))
        wait_until(lambda: not guests["pop1"].run(["vsmtprelay", "dump"]).stdout)


def test_nothing_is_left_to_do_and_nothing_needs_attention(fleet, run):
    for playbook in ("engine", "site"):
        again = run(f"ansible-playbook -i inventory vsmtp.relay.{playbook}")
        assert again.status == 0, again.output
        assert {host: counts["changed"] for host, counts in again.counts.items()} == dict.fromkeys(again.counts, 0)
    status = run("ansible-playbook -i inventory vsmtp.relay.status -e relay_strict=true")
    assert status.status == 0, status.output
    assert "Nothing needs attention." in status.output
    assert status.output.count("engine2.example.org:6380  yes") == len(MAIL_HOSTS)


def test_no_secret_leaves_its_host(fleet, guests, run):
    guests["mail1"].run(["rm", "/etc/vsmtprelay/share-secret"])
    output = run("ansible-playbook -i inventory vsmtp.relay.engine --diff -vvv").output
    for host in MAIL_HOSTS:
        secret = guests[host].read("/etc/vsmtprelay/share-secret").strip()
        assert len(secret) == 64
        assert secret not in output
        for guest in guests.values():
            assert guest.run(["sh", "-c", f"journalctl | grep -c {secret}"], check=False).stdout.strip() == "0"
    for engine in ("engine1", "engine2"):
        assert guests[engine].read("/etc/vsmtprelay-engine/admin-secret").strip() not in output


def test_secrets_and_certificates_change_while_hosts_share(fleet, do, guests, stranger):
    for _command in do(FLEET, "Secrets and certificates"):
        pass
    for host in MAIL_HOSTS:
        assert guests[host].run(["vsmtprelay-share", "--check"]).returncode == 0
    assert log_in(stranger, guests["pop1"].address4)
    wait_until(lambda: relays(guests, stranger, "smtp1"))


def test_the_lines_for_an_engine_of_one_s_own_are_those_of_the_engine(fleet, do, guests):
    ((_command, output),) = do(FLEET, "An engine that you have")
    assert set(output.splitlines()) < set(guests["engine2"].read("/etc/valkey/vsmtprelay.acl").splitlines())


def test_an_engine_that_is_removed_leaves_nothing_and_the_other_one_does(fleet, do, guests, client):
    for _command in do(FLEET, "Stop sharing, or remove an engine"):
        pass
    for path in ("/etc/vsmtprelay-engine", "/var/lib/vsmtprelay-engine", "/etc/valkey", "/var/lib/valkey"):
        assert guests["engine2"].run(["test", "-e", path], check=False).returncode != 0, path
    assert log_in(client, guests["mail1"].address4)
    wait_until(lambda: relays(guests, client, "smtp1"))


def test_drac_goes_and_nobody_is_refused_who_was_let_in(fleet, do, guests, lab, stranger):
    smtp = guests["smtp1"]
    old = lab.client("of-drac", address4="192.0.2.120", address6="2001:db8:99::120")
    smtp.write("/root/predecessor.pl", PREDECESSOR.read_text(encoding="utf-8"))
    smtp.write("/etc/mail/sendmail.mc", smtp.read("/etc/mail/sendmail.mc") + DRAC_LINES)
    smtp.write("/etc/systemd/system/dracd.service", DRAC_UNIT.format(address=old.address4))
    smtp.run(["sh", "-ec", "systemctl daemon-reload; systemctl enable --now dracd"])
    smtp.run(["timeout", "30", "sh", "-ec", "until test -s /etc/mail/dracd.db; do sleep 0.1; done"])
    smtp.run(["sh", "-ec", "make -C /etc/mail; systemctl restart sendmail"])
    smtp.wait_until_ready()
    with Smtp(old, smtp.address4) as session:
        assert session.ask(REMOTE)[0] == 250
        for command, _output in do(MIGRATING, "From DRAC, with POP and SMTP on different hosts"):
            if "vsmtp.relay.status" in command:
                # While both let people in, the client logs in at the POP host, as it does within DRAC's window.
                assert log_in(old, guests["pop1"].address4)
                wait_until(lambda: "192.0.2.120" in smtp.run(["vsmtprelay", "dump"]).stdout)
            assert relays(guests, old, "smtp1"), command
            assert rcpt(old, smtp.address4, LOCAL)[0] == 250, command
    smtp.run(["vsmtprelay", "delete", old.address4])
    assert not relays(guests, old, "smtp1")


@pytest.fixture(scope="module")
def stranger(lab):
    """A client of somebody who never logged in."""
    return lab.client("stranger", address4="192.0.2.102", address6="2001:db8:99::102")
