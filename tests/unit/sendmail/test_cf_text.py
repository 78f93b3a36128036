# SPDX-License-Identifier: GPL-3.0-or-later
"""The ruleset in a sendmail.cf or sendmail.mc: put in once, renewed, and taken out without a trace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.cf_text import (
    BEGIN,
    END,
    candidates,
    is_mc,
    without_ruleset,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import Ruleset

ONE, OTHER = Ruleset("/etc/mail/relayers.db", 1440), Ruleset("/srv/a/etc/relayers.db", 0)
TEXTS = ["", "\n", "# x", "# x\n", "V10/Berkeley\nScheck_rcpt\nR$*\t$@ OK\n", "a\r\nb\r\n", "a\r\nb", "x\n\n\n", "a\x0cb"]


def with_ruleset(text, ruleset, mc):
    """Return the text with the ruleset in the first place that may do."""
    return candidates(text, mc)[0].text(ruleset)


both = pytest.mark.parametrize("mc", [False, True])


@both
@pytest.mark.parametrize("text", TEXTS)
def test_what_was_put_in_is_taken_out_without_a_trace(text, mc):
    assert without_ruleset(with_ruleset(text, ONE, mc), mc) == text


@both
@pytest.mark.parametrize("text", TEXTS)
def test_to_put_it_in_again_changes_nothing(text, mc):
    once = with_ruleset(text, ONE, mc)
    assert with_ruleset(once, ONE, mc) == once


@both
@pytest.mark.parametrize("text", TEXTS)
def test_another_ruleset_takes_the_place_of_the_old_one(text, mc):
    assert with_ruleset(with_ruleset(text, ONE, mc), OTHER, mc) == with_ruleset(text, OTHER, mc)


@both
@given(text=st.text(st.characters(codec="utf-8"), max_size=80).filter(lambda text: "vsmtp.relay" not in text))
def test_any_text_without_our_lines_is_restored_byte_by_byte(mc, text):
    assert without_ruleset(with_ruleset(text, ONE, mc), mc) == text


@both
def test_a_text_that_ends_in_a_lone_carriage_return_is_restored(mc):
    assert without_ruleset(with_ruleset("abc\r", ONE, mc), mc) == "abc\r"


@both
def test_to_put_it_in_again_below_a_lone_carriage_return_changes_nothing(mc):
    once = with_ruleset("abc\r", ONE, mc)
    again = with_ruleset(once, ONE, mc)
    assert (again, without_ruleset(again, mc)) == (once, "abc\r")


@both
def test_a_text_without_a_ruleset_stays_as_it_is(mc):
    assert without_ruleset("# x\n", mc) == "# x\n"


def test_it_stands_at_the_end_of_a_stock_cf_between_two_markers():
    lines = with_ruleset("Scheck_rcpt\nSRcpt_ok\n", ONE, mc=False).splitlines()
    assert lines[:3] == ["Scheck_rcpt", "SRcpt_ok", BEGIN]
    assert lines[-1] == END
    assert lines[3:-1] == ONE.text().splitlines()


def test_it_stands_below_local_rulesets_in_an_mc_with_the_markers_of_the_cf_inside():
    text = with_ruleset("dnl x\n", ONE, mc=True)
    inside = text.partition("LOCAL_RULESETS\n")[2].partition("divert(0)dnl\n")[0]
    assert inside.splitlines() == [BEGIN, *ONE.text().splitlines(), END]


def test_the_block_that_m4_brought_into_a_cf_is_known_there():
    inside = with_ruleset("", ONE, mc=False)
    assert without_ruleset(f"# before\n{inside}# after\n", mc=False) == "# before\n# after\n"


def test_the_block_that_m4_brought_into_a_cf_stays_where_it_is():
    generated = f"# before\n{with_ruleset('', ONE, mc=False)}# after\n"
    assert with_ruleset(generated, ONE, mc=False) == generated


@both
def test_another_ruleset_comes_into_the_place_of_the_old_one_between_the_lines_of_others(mc):
    assert with_ruleset(f"# a\n{with_ruleset('', ONE, mc)}# b\n", OTHER, mc) == f"# a\n{with_ruleset('', OTHER, mc)}# b\n"


@both
def test_lines_that_somebody_added_below_stay(mc):
    assert without_ruleset(with_ruleset("# x\n", ONE, mc) + "# y\n", mc) == "# x\n# y\n"
    assert without_ruleset(with_ruleset("# x", ONE, mc) + "# y\n", mc) == "# x\n# y\n"


@both
@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: lines[1:],
        lambda lines: lines[:-1],
        lambda lines: lines[::-1],
        lambda lines: lines + lines,
    ],
)
def test_markers_that_are_no_pair_are_refused(mc, spoil):
    lines = with_ruleset("", ONE, mc).splitlines(keepends=True)
    with pytest.raises(MalformedError, match="do not come as one pair"):
        without_ruleset("".join(spoil(lines)), mc)


@both
def test_the_ends_of_its_lines_are_those_of_the_file(mc):
    text = with_ruleset("a\r\nb\r\n", ONE, mc)
    assert text.count("\n") == text.count("\r\n")


@pytest.mark.parametrize(("path", "mc"), [("/etc/mail/sendmail.mc", True), ("/etc/mail/sendmail.cf", False), ("/mc", False)])
def test_m4_source_is_known_by_its_name(path, mc):
    assert is_mc(path) == mc
