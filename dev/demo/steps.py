# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of the demonstration are made of: each is said, shown, and looked at."""

from __future__ import annotations

from guests import Lab
from guests.client import Client
from guests.guest import Guest
from support.mail import SENDER, log_in, rcpt
from support.playbook import play


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


def show_playbook(lab: Lab, name: str, *options: str) -> dict[str, int]:
    """Run the collection's playbook ``name``, show what it counts, and return how many tasks changed something on each host."""
    run = play(lab, f"vsmtp.relay.{name}", *options)
    say(f"    ctl# ansible-playbook vsmtp.relay.{name}")
    if run.status != 0:
        raise StepFailed(f"the playbook ended with {run.status}:\n{run.output}")
    for host, counts in run.counts.items():
        say(f"    {host}: ok={counts['ok']} changed={counts['changed']} failed={counts['failed']}")
    return {host: counts["changed"] for host, counts in run.counts.items()}
