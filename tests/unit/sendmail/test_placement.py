# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the ruleset may stand in a sendmail.cf, by what its check_rcpt looks like."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.placement import places
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import STOCK, accepting, refusing

CLOSED = """\
Smine
R$*\t$#error $: "550 not here"
Scheck_rcpt
R$+ < @ spam.example >\t$#error $@ 5.7.1 $: "550 no"
R$+ < @ $=w >\t$@ OK
# R$*\t$#error $: "550 a comment"
R$*\t\t$# error $: "550 closed"
Sother
R$*\t$#error $: "550 elsewhere"
"""


OWN, OWN_OPEN = accepting("check_rcpt").note, refusing("check_rcpt").note
STOCK_OPEN = refusing("Local_check_rcpt").note


def found(text, mc=False):
    return [[(place.line, place.hook.note) for place in tried] for tried in places(text, mc)]


def test_in_a_stock_file_it_adds_to_the_end_of_rcpt_ok_and_if_that_refuses_nobody_to_local_check_rcpt():
    assert found("SRcpt_ok\nR$*\t$: $1\nScheck_rcpt\n") == [[(3, STOCK.note)], [(3, STOCK_OPEN)], [(3, OWN_OPEN)]]


def test_a_sendmail_mc_generates_a_stock_file():
    assert found("dnl\n", mc=True) == [[(1, STOCK.note)], [(1, STOCK_OPEN)]]


def test_in_a_sendmail_mc_it_may_have_to_stand_before_the_rules_of_its_owner():
    assert found("dnl\nLOCAL_RULESETS\nSLocal_check_rcpt\n", mc=True)[-1] == [(1, STOCK_OPEN)]


def test_a_refusal_of_the_owner_s_in_a_stock_file_is_passed_by_as_well():
    text = "SRcpt_ok\nR$*\t$: $1\nSLocal_check_rcpt\nR$*\t$#error $: no\nScheck_rcpt\n"
    assert found(text)[:2] == [[(5, STOCK.note)], [(3, accepting("Local_check_rcpt").note), (5, STOCK.note)]]


def test_in_a_check_rcpt_of_ones_own_it_stands_before_a_rule_that_refuses_the_last_one_first_or_before_both_or_on_top():
    assert found(CLOSED) == [[(6, OWN)], [(3, OWN)], [(6, OWN), (3, OWN)], [(3, OWN_OPEN)]]


def test_a_refusal_in_a_ruleset_that_check_rcpt_calls_is_one_of_its_own():
    text = "Scheck_rcpt\nR$*\t$@ $>deny $1\nSdeny\nR$*\t$#error $: no\nSother\nR$*\t$#error $: no\n"
    assert found(text) == [[(3, accepting("deny").note)], [(1, OWN_OPEN)]]
    assert found(text.replace("$>deny", '$>"deny"')) == found(text)


@pytest.mark.parametrize("rule", ["R$*\n\t$#error $: no", "R$*\t$#error $@ 5.7.1\n\t$: no", "R$*\t$@ $#error $: no"])
def test_a_rule_goes_on_in_the_next_line(rule):
    assert found(f"Scheck_rcpt\nR$*\t$: $1\n{rule}\n") == [[(2, OWN)], [(1, OWN_OPEN)]]


def test_a_check_rcpt_that_refuses_nobody_gets_it_on_top():
    assert found("Scheck_rcpt\nR$*\t$@ OK\nSend\n") == [[(1, OWN_OPEN)]]


@pytest.mark.parametrize("text", ["", "V8\nS0\nR$*\t$#local $: $1\n", "# Scheck_rcpt\n"])
def test_a_file_without_check_rcpt_gets_one_at_its_end(text):
    assert found(text) == [[(len(text.splitlines()), OWN_OPEN)]]


@pytest.mark.parametrize("line", ["Scheck_rcpt", "Scheck_rcpt=77", "S check_rcpt", "Scheck_rcpt # mine", "Scheck_rcpt\t"])
def test_the_name_of_a_ruleset_is_read_as_sendmail_reads_it(line):
    assert found(f"{line}\nR$*\t$#discard\n") == [[(1, OWN)], [(1, OWN_OPEN)]]


def test_a_ruleset_that_is_continued_further_down_is_one():
    text = "Scheck_rcpt\nR$*\t$: $1\nSother\nR$*\t$@ OK\nScheck_rcpt\nR$*\t$#error $: no\n"
    assert found(text) == [[(5, OWN)], [(1, OWN_OPEN)]]


def test_of_many_refusals_only_the_last_few_are_tried():
    assert len(found("Scheck_rcpt\n" + "R$*\t$#error $: no\n" * 1000)) < 20
