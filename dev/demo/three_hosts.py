# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts and an engine: a login on one of them opens all that relay, and each goes on alone while the engine is away."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from guests import Lab
from guests.client import Client
from guests.guest import Guest
from support.mail import REMOTE
from support.sharing import OPEN, REFUSED, seconds_until, write_inventory
from support.throttles import lift_throttles

from .steps import StepFailed, expect, say, show_login, show_playbook, show_rcpt, step

RELEASES = {"pop": "bullseye", "smtp": "bookworm", "both": "trixie", "engine": "bookworm"}
SERVERS = [{"name": "customers"}]
VARIABLES = {
    "pop": {"pop_before_smtp_relay": "none", "pop_before_smtp_virtual_servers": SERVERS},
    "smtp": {"pop_before_smtp_recorder": "none", "pop_before_smtp_virtual_servers": SERVERS},
    "both": {"pop_before_smtp_virtual_servers": SERVERS},
}
MOST_SECONDS = 1.0
# After an engine was away.
MOST_AFTER = 5.0
# A login counts again from the second after its revocation on.
WHOLE_SECOND = 1.1


def demonstrate(lab: Lab) -> None:
    """Show all steps. Raises StepFailed at the first that does not do what it says."""
    step("Boot three mail hosts and one for the engine: Debian 11, 12 and 13 (builds them the first time)")
    guests = {name: lab.guest(name, release=release) for name, release in RELEASES.items()}
    lab.boot(guests.values())
    pop, smtp, both, engine = guests.values()
    relays = {"smtp": smtp, "both": both}
    for host in (pop, smtp, both):
        lift_throttles(host)
    laptop, printer = lab.client("laptop"), lab.client("printer")
    pop.run(["systemctl", "mask", "--now", "sendmail"])
    smtp.run(["systemctl", "mask", "--now", "dovecot.socket", "dovecot"], check=False)
    say("    pop serves POP and has no sendmail; smtp relays and has no Dovecot; both does both; engine passes logins on")

    with tempfile.TemporaryDirectory() as directory:
        inventory = write_inventory(Path(directory) / "sharing.yml", VARIABLES, ["engine"])
        options = ("--inventory", str(inventory))
        step("Set up the engine, then the hosts; the only thing they have in common is a virtual server called customers")
        show_playbook(lab, "engine", *options)
        changed = show_playbook(lab, "site", *options)
        expect("whether the first run changed each host", all(changed[name] for name in VARIABLES), True)

        step("Nobody has read mail, so nobody may relay")
        for host in relays.values():
            show_rcpt(laptop, host, REMOTE, REFUSED)

        step("The laptop logs in on pop, and smtp and both relay for it within a second")
        show_login(laptop, pop, "alice-secret", True)
        _show_seconds(laptop, relays, OPEN, time.monotonic(), MOST_SECONDS)
        for host in relays.values():
            show_rcpt(laptop, host, REMOTE, OPEN)

        step("The printer, which did not log in, still may not")
        for host in relays.values():
            show_rcpt(printer, host, REMOTE, REFUSED)

        step("The laptop is revoked on smtp, and refused on both hosts within a second")
        time.sleep(WHOLE_SECOND)
        say(f"    smtp# vsmtprelay delete {laptop.address4}")
        smtp.run(["vsmtprelay", "delete", str(laptop.address4)])
        _show_seconds(laptop, relays, REFUSED, time.monotonic(), MOST_SECONDS)

        step("The engine is stopped: a login on both opens both at once, and smtp learns nothing of it")
        unit = engine.run(["systemctl", "list-units", "--plain", "--no-legend", "*@vsmtprelay.service"]).stdout.split()[0]
        engine.run(["systemctl", "stop", unit])
        show_login(printer, both, "alice-secret", True)
        show_rcpt(printer, both, REMOTE, OPEN)
        show_rcpt(printer, smtp, REMOTE, REFUSED)

        step("The engine is started, and smtp makes up for what it missed")
        engine.run(["systemctl", "start", unit])
        _show_seconds(printer, {"smtp": smtp}, OPEN, time.monotonic(), MOST_AFTER)
        show_rcpt(laptop, smtp, REMOTE, REFUSED)

        step("What each host says of the others")
        for host in (pop, smtp, both):
            _show_status(host)

        step("Run both playbooks again: nothing is left to do")
        for playbook in ("engine", "site"):
            changed = show_playbook(lab, playbook, *options)
            expect("what the second run changed", changed, dict.fromkeys(changed, 0))


def _show_seconds(client: Client, hosts: Mapping[str, Guest], code: int, since: float, most: float) -> None:
    """Show how long after ``since`` each host answers ``code`` to the client, which asks every 50 ms."""
    addresses = {name: host.address4 for name, host in hosts.items()}
    try:
        taken = seconds_until(client, addresses, code, since)
    except AssertionError as error:
        raise StepFailed(str(error)) from None
    for name, seconds in taken.items():
        say(f"    {name} answers {code} to {client.name} after {seconds * 1000:.0f} ms")
    expect(f"whether that took at most {most:g} s", max(taken.values()) <= most, True)


def _show_status(host: Guest) -> None:
    """Show what the sharer of a host says, as soon as it has found the engine again."""
    command = ["vsmtprelay-share", "--status"]
    deadline = time.monotonic() + MOST_AFTER
    while (done := host.run(command, check=False)).returncode != 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    say(f"    {host.name}# {' '.join(command)}")
    say("".join(f"    {line}\n" for line in done.stdout.splitlines()).rstrip())
    expect("the status", done.returncode, 0)
