# SPDX-License-Identifier: GPL-3.0-or-later
"""The ruleset: its lines, and what it refuses to be written with."""

from __future__ import annotations

import re

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import (
    STOCK,
    Ruleset,
    accepting,
    hook_in,
    refusing,
)

DATABASE = "/srv/a/etc/relayers.db"
HOOKS = (STOCK, accepting("check_rcpt"), accepting("deny"), refusing("check_rcpt"), refusing("Local_check_rcpt"))
both = pytest.mark.parametrize("window", [0, 30])


def lines(window, first):
    return [line for line in Ruleset(DATABASE, window).text().splitlines() if line.startswith(first)]


@both
def test_both_sides_of_every_rule_are_separated_by_one_tab(window):
    rules = lines(window, "R")
    assert rules
    assert all(re.fullmatch(r"R[^\t]+\t\$[@:#][^\t]+|R[^\t]+\t[^\t]+", rule) for rule in rules)


@both
def test_every_line_is_a_comment_a_map_a_ruleset_or_a_rule(window):
    assert {line[0] for line in Ruleset(DATABASE, window).text().splitlines()} == set("#KSR")


@both
@pytest.mark.fault("unreadable-database")
def test_a_missing_or_unreadable_database_neither_opens_the_relay_nor_defers_mail(window):
    maps = [line for line in lines(window, "K") if DATABASE in line]
    assert len(maps) == 2
    assert all(re.fullmatch(r"K\S+ hash -o -t " + re.escape(DATABASE), line) for line in maps)


@both
def test_every_map_that_a_rule_asks_is_declared_and_every_declared_one_is_asked(window):
    declared = {line.split()[0][1:] for line in lines(window, "K")}
    asked = set(re.findall(r"\$\((\S+) ", Ruleset(DATABASE, window).text()))
    assert asked == declared


@both
def test_the_look_up_is_by_the_clients_address_and_deferred_to_the_moment_of_the_rule(window):
    text = Ruleset(DATABASE, window).text()
    assert text.count("$&{client_addr}") == 2
    assert "${client_addr}" not in text


every_hook = pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.note or "stock")


@both
@every_hook
def test_with_every_hook_the_rules_are_well_formed_and_the_file_goes_on_in_the_ruleset_that_it_hooks_into(window, hook):
    text = Ruleset(DATABASE, window).text(hook).splitlines()
    assert all(re.fullmatch(r"R[^\t]+\t\$[@:#][^\t]*|R[^\t]+\t[^\t]+", line) for line in text if line.startswith("R"))
    assert [line for line in text if line.startswith("S")][-1] == f"S{hook.ruleset}"


@every_hook
def test_what_a_hook_is_can_be_read_from_its_note(hook):
    found = hook_in(f"# BEGIN vsmtp.relay: POP-before-SMTP, managed by Ansible{hook.note} (below a line without an end)\n")
    assert (found.ruleset, found.answer, found.note) == (hook.ruleset, hook.answer, hook.note)


@every_hook
def test_only_a_hook_of_those_who_refuse_nobody_refuses(hook):
    assert ("$#error" in Ruleset(DATABASE, 30).text(hook)) == hook.refuses


def test_to_try_it_everybody_is_held_for_listed_and_nothing_is_looked_up():
    text = Ruleset(DATABASE, 30).text(accepting("check_rcpt"), everybody=True)
    assert "SVsmtprelay\nR$*\t$@ RELAY\n" in text
    assert "client_addr" not in text


def test_the_comment_says_what_becomes_of_everybody_else():
    assert "left to the rules that were there before" in Ruleset(DATABASE, 30).text(STOCK)
    assert "Everybody else is refused" in Ruleset(DATABASE, 30).text(refusing("check_rcpt"))


@both
@pytest.mark.fault("interrupted-run")
def test_it_adds_to_rcpt_ok_and_only_ever_says_relay(window):
    assert "SRcpt_ok" in lines(window, "S")
    text = Ruleset(DATABASE, window).text()
    hook = text[text.index("SRcpt_ok") :].splitlines()
    assert [rule for rule in hook if "$@" in rule] == ["R$* $| RELAY\t$@ RELAY"]
    assert not re.search(r"\$#|\bOK\b|DISCARD|REJECT", text)


def test_a_window_is_compared_in_seconds():
    assert " $@ 1800 " in Ruleset(DATABASE, 30).text()
    assert "for 30 minutes after its timestamp" in Ruleset(DATABASE, 30).text()


def test_without_a_window_no_clock_is_asked():
    text = Ruleset(DATABASE, 0).text()
    assert "date" not in text
    assert "arith" not in text


@both
def test_no_brace_of_a_template_is_left(window):
    assert "{{" not in Ruleset(DATABASE, window).text()
    assert "}}" not in Ruleset(DATABASE, window).text()


@pytest.mark.parametrize(
    "path",
    [
        *("", "relayers.db", "etc/relayers.db", "/etc/relayers", "/etc/relayers.dbm", "/etc/re layers.db"),
        *("/etc/x\n.db", "/etc/x\t.db", "/etc/$x.db", "/etc/`x'.db", "/etc/x,y.db", "/etc/x(y).db", "/etc/x#y.db"),
        *("/etc/ü.db", "/" + "a" * 200 + ".db", '/etc/"x".db', "/etc/x\\y.db", "/etc/<x>.db", "/etc/x;y.db"),
    ],
)
def test_a_path_that_sendmail_or_m4_would_read_otherwise_is_refused(path):
    with pytest.raises(MalformedError, match="absolute path that ends in"):
        Ruleset(path, 30)


def test_a_negative_window_is_refused():
    with pytest.raises(MalformedError, match="0 or more"):
        Ruleset(DATABASE, -1)


MAILERS = """
Msmtp, P=[IPC], F=mDFMuX, A=TCP $h
Mcustom, P=/usr/bin/deliver, F=lsDFM, A=deliver $u
Mlmtp1, P=[IPC], F=lsDFM, A=FILE /var/run/lmtp
Mlmtp2, P=[TCP], F=lsDFM,
\tA=TCP localhost 24
Mlmtp3, P=[IPC], F=lsDFM, A=TCP lmtp.example 24
Mfax, P=[IPC], A=TCP fax.example
Mgate, P=/usr/bin/uux, F=mDFMhuUd, A=uux - -r $h!rmail ($u)
"""


def test_a_hook_that_refuses_leaves_the_mailers_of_this_host_alone_and_no_other():
    text = Ruleset(DATABASE, 30).text(refusing("check_rcpt"), configuration=MAILERS)
    fine = re.findall(r"^R\$\* \$\| \$#(\S+) \$\*\t\$@ OK$", text, re.MULTILINE)
    assert {"local", "prog", "cyrus", "custom", "lmtp1", "lmtp2", "error"} <= set(fine)
    assert not {"smtp", "esmtp", "lmtp3", "fax", "gate"} & set(fine)


def test_a_mailertable_is_asked_where_there_is_one():
    hook = refusing("check_rcpt")
    assert "mailertable" not in Ruleset(DATABASE, 30).text(hook)
    assert "$(mailertable " in Ruleset(DATABASE, 30).text(hook, configuration="\nKmailertable hash /etc/mail/mailertable\n")
