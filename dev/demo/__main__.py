# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: boot a mail host, apply the role, and show how a login opens the relay, for one address and for a while.

Ends with 0 only if every step was seen to do what it says.
"""

from __future__ import annotations

import sys

from guests import GuestsError, Lab
from guests.client import Client
from guests.guest import Guest
from support.mail import LOCAL, REMOTE, SENDER, log_in, rcpt
from support.playbook import play
from support.throttles import lift_throttles


class StepFailed(Exception):
    """A step did not do what it says."""


def say(text: str) -> None:
    """Print a line at once: something may be waited for after it."""
    print(text, flush=True)


def step(text: str) -> None:
    """Begin a step."""
    say(f"\n==> {text}")


def expect(what: str, seen: object, wanted: object) -> None:
    """Raise StepFailed unless ``seen`` is what was ``wanted``."""
    if seen != wanted:
        raise StepFailed(f"{what}: {seen!r}, where {wanted!r} was to be seen")


def show_rcpt(client: Client, host: Guest, recipient: str, wanted: int) -> None:
    """Show the answer to RCPT in a new SMTP session from ``client``."""
    code, text = rcpt(client, host.address4, recipient)
    say(f"    {client.name} ({client.address4}) MAIL FROM:<{SENDER}> RCPT TO:<{recipient}>")
    say(f"    {host.name} answers: {code} {text}")
    expect("the answer to RCPT", code, wanted)


def show_login(client: Client, host: Guest, password: str, wanted: bool) -> None:
    """Show a POP login from ``client``."""
    succeeded = log_in(client, host.address4, "pop3", "alice", password)
    say(f"    {client.name} ({client.address4}) USER alice PASS {password}: {'+OK' if succeeded else '-ERR'}")
    expect("the login", succeeded, wanted)


def show_command(host: Guest, *command: str) -> None:
    """Show a command on the mail host and what it prints."""
    output = host.run(command).stdout
    say(f"    {host.name}# {' '.join(command)}")
    say("".join(f"    {line}\n" for line in output.splitlines()).rstrip() or "    (nothing)")


def apply_role(lab: Lab, host: Guest) -> int:
    """Run vsmtp.relay.site; return how many tasks changed something."""
    run = play(lab, "vsmtp.relay.site")
    say("    ctl# ansible-playbook vsmtp.relay.site")
    if run.status != 0:
        raise StepFailed(f"the playbook ended with {run.status}:\n{run.output}")
    counts = run.counts[host.name]
    say(f"    {host.name}: ok={counts['ok']} changed={counts['changed']} failed={counts['failed']}")
    return counts["changed"]


def demonstrate(lab: Lab) -> None:
    """Show all steps. Raises StepFailed at the first that does not do what it says."""
    step("Boot a mail host: Debian 12 with its own sendmail, Dovecot and cron, and nothing of ours (builds it the first time)")
    host = lab.guest("mail", release="bookworm")
    lab.boot([host])
    lift_throttles(host)
    scanner, stranger = lab.client("scanner"), lab.client("stranger")
    say(f"    {host.name} is up at {host.address4}; a scanner at {scanner.address4}, a stranger at {stranger.address4}")

    step("Before: the host relays for nobody")
    show_rcpt(scanner, host, REMOTE, 550)

    step("Apply the role vsmtp.relay.pop_before_smtp")
    expect("whether the first run changed something", apply_role(lab, host) > 0, True)

    step("Still nobody has read mail, so nobody may relay")
    show_rcpt(scanner, host, REMOTE, 550)

    step("A wrong password opens nothing")
    show_login(scanner, host, "wrong", False)
    show_rcpt(scanner, host, REMOTE, 550)

    step("The scanner logs in by POP, and may relay at once")
    show_login(scanner, host, "alice-secret", True)
    show_rcpt(scanner, host, REMOTE, 250)
    show_command(host, "vsmtprelay", "dump")

    step("The stranger still may not; mail to local users is accepted from anybody")
    show_rcpt(stranger, host, REMOTE, 550)
    show_rcpt(stranger, host, LOCAL, 250)

    step("The permission expires (cron does this every night; the ruleset looks at its age in any case)")
    show_command(host, "vsmtprelay", "expire")
    show_rcpt(scanner, host, REMOTE, 550)

    step("Apply the role again: nothing is left to do")
    expect("what the second run changed", apply_role(lab, host), 0)

    step("Every step was seen. Cleaning up")


def main() -> int:
    """Run the demonstration; return the exit status."""
    try:
        with Lab() as lab:
            demonstrate(lab)
    except (StepFailed, GuestsError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
