# SPDX-License-Identifier: GPL-3.0-or-later
"""The place for the ruleset: what may be different after it, and what not. tests/system/sendmail_cf asks the real sendmail."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import questions
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.fitting import UnusableSourceError, fitting
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.judge import RejectedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.questions import (
    ACCEPTED,
    REMOTE,
    STRANGERS,
    Answers,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import EVERYBODY, Ruleset

RULESET = Ruleset("/etc/mail/relayers.db", 60)
DENIED = '$# error $@ 5 . 7 . 1 $: "550 Relaying denied"'
UNNAMED = '$# error $@ 5 . 7 . 1 $: "550 no relaying without a name"'
BANNED = '$# error $@ 5 . 7 . 1 $: "550 banned"'
LATER = '$# error $@ 4 . 4 . 0 $: "450 later"'
# sendmail.cf of old, with rules of its own for recipients.
CLOSED_CF = "Scheck_rcpt\nR$*\t$#error $: 550 no\n"
OPEN_CF = "Scheck_rcpt\nR$*\t$@ OK\n"


def is_remote(question):
    return any(part in question.recipient for part in ("remote.example", "203.0.113.200", "fails.example"))


def closed(question):
    """The usual answers: no stranger relays."""
    return DENIED if is_remote(question) and question.client in STRANGERS else ACCEPTED


class Sure:
    """A judge with answers of the test's: before the change, after it, and for listed clients."""

    def __init__(self, before=closed, after=closed, listed=lambda _question: ACCEPTED, mailer="esmtp"):
        self._answers = (before, after, listed)
        self._mailer = mailer
        self.asked = 0

    def failing_maps(self, _path, _text):
        return ["map access (missing)"]

    def accept(self, _path, _text):
        pass

    def answers(self, _path, text, asked, addresses):
        self.asked += 1
        reply = self._answers[2 if EVERYBODY in text else 1 if "vsmtprelay" in text else 0]
        return Answers({question: reply(question) for question in asked}, dict.fromkeys(addresses, self._mailer))


def fit(judge, text=CLOSED_CF):
    return fitting(judge, "sendmail.cf", text, RULESET)


def test_where_the_ruleset_is_already_nobody_is_asked():
    after = fit(Sure())
    judge = Sure()
    assert fit(judge, after) == after
    assert judge.asked == 0


def test_a_place_where_strangers_may_not_relay_and_listed_clients_may_is_taken():
    assert RULESET.relayers_db in fit(Sure())


def one(question, client=STRANGERS[0], recipient=REMOTE):
    return question.client == client and question.recipient == recipient


@pytest.mark.parametrize(
    ("after", "listed", "told"),
    [
        # Not even one answer to somebody who is not listed may be different.
        (lambda q: ACCEPTED if one(q) else closed(q), lambda _q: ACCEPTED, f"a stranger, from <> to {REMOTE}: "),
        (lambda q: BANNED if one(q) else closed(q), lambda _q: ACCEPTED, f"a stranger, from <> to {REMOTE}: "),
        (
            lambda q: DENIED if "postmaster" in q.recipient else closed(q),
            lambda _q: ACCEPTED,
            "to <postmaster>: accepted before",
        ),
        (lambda q: DENIED if q.client == "this host" else closed(q), lambda _q: ACCEPTED, "this host, from "),
        (lambda q: DENIED if "authenticated" in q.client else closed(q), lambda _q: ACCEPTED, "has authenticated, from"),
        # A listed client has to get through, with and without a name, and with any sender.
        (closed, closed, "for a listed client"),
        (closed, lambda q: DENIED if one(q, STRANGERS[1]) else ACCEPTED, "without a name, from <> to"),
        (closed, lambda q: DENIED if q.sender != "<>" and one(q) else ACCEPTED, "from <somebody@stranger.example> to"),
        (closed, lambda q: DENIED if "postmaster" in q.recipient else ACCEPTED, "to <postmaster> for a listed client"),
    ],
)
def test_a_place_where_an_answer_is_wrong_is_none_and_the_question_and_both_answers_are_named(after, listed, told):
    with pytest.raises(MalformedError, match="found no place for the ruleset, the old file is in place: ") as raised:
        fit(Sure(after=after, listed=listed))
    assert told in str(raised.value)
    assert " before, " in str(raised.value)


def test_a_ban_holds_for_listed_clients():
    def before(question):
        return BANNED if question.recipient == questions.LITERAL and question.client in STRANGERS else closed(question)

    assert fit(Sure(before, before, lambda q: before(q) if before(q) == BANNED else ACCEPTED))
    with pytest.raises(MalformedError, match=r"550 banned.* before, accepted after"):
        fit(Sure(before, before))


def test_a_stranger_who_may_not_even_send_to_this_host_stays_out_when_listed():
    def before(question):
        return BANNED if question.client == STRANGERS[1] else closed(question)

    assert fit(Sure(before, before, lambda q: before(q) if before(q) == BANNED else ACCEPTED))
    with pytest.raises(MalformedError):
        fit(Sure(before, before))


def test_another_text_for_clients_without_a_name_is_a_refusal_for_relaying_too():
    def before(question):
        return UNNAMED if question.client == STRANGERS[1] and is_remote(question) else closed(question)

    assert fit(Sure(before, before))
    with pytest.raises(MalformedError, match="without a name"):
        fit(Sure(before, before, lambda q: UNNAMED if before(q) == UNNAMED else ACCEPTED))


def test_who_may_relay_can_be_banned_for_another_reason():
    def before(question):
        if question.client == STRANGERS[1]:
            return DENIED if is_remote(question) else UNNAMED
        return closed(question)

    assert fit(Sure(before, before, lambda q: UNNAMED if q.client == STRANGERS[1] else ACCEPTED))


def test_a_file_for_own_clients_alone_lets_listed_ones_send():
    def before(question):
        return DENIED if question.client in STRANGERS else ACCEPTED

    assert fit(Sure(before, before))


def test_a_recipient_whom_the_file_bans_is_asked_about():
    text = f"Scheck_rcpt\nRblack < @ $* >\t$#error $: no\n{CLOSED_CF}"

    def before(question):
        return BANNED if question.recipient.startswith("<black@") and question.client in STRANGERS else closed(question)

    assert fit(Sure(before, before, lambda q: before(q) if before(q) == BANNED else ACCEPTED), text)
    with pytest.raises(MalformedError, match="to <black@"):
        fit(Sure(before, before), text)


class Unusable(Sure):
    """A judge that rejects a text as it is."""

    def answers(self, *_arguments):
        raise RejectedError("sendmail rejects it: nine lines", "sendmail: line 1: unknown configuration line")


def test_a_source_that_nothing_can_be_generated_from_is_told_in_one_line_with_the_remedy():
    with pytest.raises(UnusableSourceError) as raised:
        fitting(Unusable(), "sendmail.mc", "OSTYPE(`freebsd6')\n", RULESET)
    assert str(raised.value) == (
        "no sendmail.cf can be generated from it here, the old file is in place: sendmail: line 1: unknown configuration line; "
        "edit the sendmail.cf alone, with source=cf"
    )
    with pytest.raises(RejectedError, match="nine lines"):
        fit(Unusable())


def opened(_question):
    return ACCEPTED


def closed_by_us(question):
    return '$# error $@ 5 . 7 . 1 $: "550 Log in"' if is_remote(question) and question.client in STRANGERS else ACCEPTED


def test_an_open_file_is_closed():
    assert "check_rcpt refuses" in fit(Sure(opened, closed_by_us), OPEN_CF)


@pytest.mark.parametrize(
    ("after", "mailer"),
    [
        # A stranger relays still, or what goes nowhere else is refused.
        (opened, "esmtp"),
        (closed_by_us, "local"),
        (lambda q: DENIED if "postmaster" in q.recipient else closed_by_us(q), "esmtp"),
        (lambda q: LATER if is_remote(q) and q.client == "this host" else closed_by_us(q), "esmtp"),
    ],
)
def test_an_open_file_is_closed_for_what_leaves_and_nothing_else(after, mailer):
    with pytest.raises(MalformedError, match="found no place"):
        fit(Sure(opened, after, mailer=mailer), OPEN_CF)


def test_a_file_that_answers_later_to_everything_cannot_be_tried():
    with pytest.raises(
        MalformedError, match=r"every recipient gets a temporary error.*450 later.*map access \(missing\).*mend that first"
    ):
        fit(Sure(lambda _question: LATER))


def test_a_recipient_whose_name_servers_fail_may_have_to_wait_if_there_is_no_better_place():
    def before(question):
        return LATER if question.recipient == questions.FAILING and question.client in STRANGERS else closed(question)

    assert fit(Sure(before, before, lambda q: LATER if before(q) == LATER else ACCEPTED))
