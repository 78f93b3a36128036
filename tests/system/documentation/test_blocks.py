# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of code of every page does what the page says."""

from __future__ import annotations

import pytest
from documentation import rules
from documentation.bed import Failed
from documentation.blocks import Block, all_blocks
from documentation.rules import rule_of

BLOCKS = all_blocks()


def block(language, *lines):
    """Return a block as it could stand on a page."""
    return Block("docs/new.md", 7, language, "".join(f"{line}\n" for line in lines))


# By what runs them: blocks with something wrong.
WRONG = [
    (rules.console, block("console", "$ false")),
    (rules.console, block("console", "root@mail2:~# hostname", "mail1")),
    (rules.console, block("console", "$ ansible-playbook -i inventory vsmtp.relay.permit -e relay_address=mail.example.org")),
    (rules.inventory, block("yaml", "mail_hosts: {hosts: {mail1.example.org: {pop_before_smtp_windows: 720}}}")),
    (rules.variables, block("yaml", "pop_before_smtp_windows: 720")),
    (rules.variables, block("yaml", "pop_before_smtp_window: soon")),
    (rules.tasks, block("yaml", "- {name: Expire, vsmtp.relay.relayers_expire: {older: 60}}")),
    (rules.systemd_unit, block("ini", "[Service]", "ExecStart=/usr/sbin/no-such-program")),
    (rules.sendmail_mc, block("m4", "define(`QUEUE_DIR', `/srv/a/mqueue')dnl")),
    (rules.added_by_role, block("text", "account required pam_exec.so")),
    (rules.shows_what_pam_is_told, block("text", "account requisite pam_deny.so")),
    (rules.demonstration, block("text", *["==> A step that is not there"] * 5)),
]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(bed, block):
    rule_of(block)(bed, block)


@pytest.mark.parametrize(("rule", "wrong"), WRONG)
def test_what_is_wrong_is_noticed(bed, rule, wrong):
    with pytest.raises(Failed, match=r"docs/new\.md:7"):
        rule(bed, wrong)
