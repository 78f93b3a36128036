# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the ruleset may stand in a sendmail.cf, by what its check_rcpt looks like."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.placement import places
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import OWN, OWN_OPEN, STOCK, STOCK_OPEN

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


def found(text, mc=False):
    return [(place.line, place.hook) for place in places(text, mc)]


def test_in_a_stock_file_it_adds_to_the_end_of_rcpt_ok_and_if_that_refuses_nobody_to_local_check_rcpt():
    assert found("SRcpt_ok\nR$*\t$: $1\nScheck_rcpt\n") == [(3, STOCK), (3, STOCK_OPEN)]


def test_a_sendmail_mc_generates_a_stock_file():
    assert found("dnl\n", mc=True) == [(1, STOCK), (1, STOCK_OPEN)]


def test_in_a_check_rcpt_of_ones_own_it_stands_before_a_rule_that_refuses_the_last_one_first_or_on_top():
    assert found(CLOSED) == [(6, OWN), (3, OWN), (3, OWN_OPEN)]


def test_a_check_rcpt_that_refuses_nobody_gets_it_on_top():
    assert found("Scheck_rcpt\nR$*\t$@ OK\nSend\n") == [(1, OWN_OPEN)]


@pytest.mark.parametrize("text", ["", "V8\nS0\nR$*\t$#local $: $1\n", "# Scheck_rcpt\n"])
def test_a_file_without_check_rcpt_gets_one_at_its_end(text):
    assert found(text) == [(len(text.splitlines()), OWN_OPEN)]


@pytest.mark.parametrize("line", ["Scheck_rcpt", "Scheck_rcpt=77", "S check_rcpt", "Scheck_rcpt # mine", "Scheck_rcpt\t"])
def test_the_name_of_a_ruleset_is_read_as_sendmail_reads_it(line):
    assert found(f"{line}\nR$*\t$#discard\n") == [(1, OWN), (1, OWN_OPEN)]


def test_a_ruleset_that_is_continued_further_down_is_one():
    text = "Scheck_rcpt\nR$*\t$: $1\nSother\nR$*\t$@ OK\nScheck_rcpt\nR$*\t$#error $: no\n"
    assert found(text) == [(5, OWN), (1, OWN_OPEN)]
