# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: a login opens the relay, for one address and for a while."""

from __future__ import annotations

from guests import Lab
from support.mail import LOCAL, REMOTE
from support.throttles import lift_throttles

from .steps import expect, say, show_command, show_login, show_playbook, show_rcpt, step


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
    expect("whether the first run changed something", show_playbook(lab, "site")[host.name] > 0, True)

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
    expect("what the second run changed", show_playbook(lab, "site")[host.name], 0)
    lab.down([host.name])
