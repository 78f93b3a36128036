# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The place for the ruleset in a file, found by what sendmail answers before and after.

After the change every answer is the one of before, except that a listed client is accepted where strangers are refused for
relaying, and that a file that lets strangers relay refuses them what would leave by a mailer that speaks to other hosts.
"""

from __future__ import annotations

from ..errors import MalformedError
from . import questions
from .cf_text import candidates, is_mc, without_ruleset
from .judge import RejectedError
from .mailers import local_mailers
from .questions import ACCEPTED, CLIENTS, REMOTE, SENDERS, STRANGERS, Question
from .ruleset import Ruleset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .judge import Judge
    from .questions import Answers

# Recipients for all clients but the plain stranger: bare names and some with a domain; a name, a literal, and a failing name.
FEW_LOCAL, FEW_REMOTE = 6, 3
ANY_DATABASE = "/etc/mail/relayers.db"
# Who decides whether a file lets strangers relay. Some files accept bounces, or clients without a name, from everybody.
PLAIN = Question(STRANGERS[0], SENDERS[1], REMOTE)


class UnusableSourceError(MalformedError):
    """m4 makes no sendmail.cf of a source as it is, without the ruleset: it is generated in another way, or elsewhere."""


def fitting(judge: Judge, path: str, text: str, ruleset: Ruleset) -> str:
    """Return ``text``, for the file at ``path``, with ``ruleset`` at the first place where it works; idempotent.

    Raises MalformedError if sendmail rejects the text, or the ruleset works at no place, and UnusableSourceError; BusyError as
    Judge.
    """
    mc = is_mc(path)
    tried = candidates(text, mc)
    if tried[0].text(ruleset) == text:
        return text
    original = without_ruleset(text, mc)
    if original != text:
        # Where the present place does not do any more, another one may.
        tried += candidates(original, mc)
    try:
        trial = _Trial(judge, path, original)
    except RejectedError as error:
        if not mc:
            raise
        raise UnusableSourceError(
            f"no sendmail.cf can be generated from it here, the old file is in place: {error.reason}; edit the sendmail.cf "
            "alone, with source=cf"
        ) from None
    # For a stranger, and if everybody counts as listed, it makes no difference where the database is. So files that are the
    # same are judged once, and each text is read by sendmail before it is taken.
    anywhere = Ruleset(ANY_DATABASE, ruleset.window)
    faults, spare = [], ""
    for candidate in tried:
        if trial.is_open and not candidate.refuses:
            continue
        fault = trial.fault_of(candidate.text(anywhere), candidate.refuses)
        fault = fault or trial.fault_for_listed(candidate.text(anywhere, everybody=True))
        if not fault and not trial.forgot_failing:
            return _accepted(judge, path, candidate.text(ruleset))
        if not fault:
            spare = spare or candidate.text(ruleset)
        else:
            faults.append(fault)
    if spare:
        return _accepted(judge, path, spare)
    raise MalformedError(
        f"found no place for the ruleset, the old file is in place: {faults[0]}; make the last rule of check_rcpt refuse "
        "clients that may not relay, with $#error"
    )


def _accepted(judge: Judge, path: str, text: str) -> str:
    """Return ``text`` once sendmail has read it. Raises MalformedError."""
    judge.accept(path, text)
    return text


class _Trial:
    """The answers of one file before the change, and what may be different after it."""

    def __init__(self, judge: Judge, path: str, original: str) -> None:
        self._judge = judge
        self._path = path
        banned = questions.banned_in(original)
        self._local, self._remote = questions.recipients(questions.domains_in(original), banned)
        everything = [*self._local, *self._remote]
        # All of it for the plain stranger. What other clients may do differs by the kind of recipient only.
        few = [*self._local[:FEW_LOCAL], *self._remote[:FEW_REMOTE]]
        self._questions = [
            Question(client, sender, recipient)
            for recipient in everything
            for client in (CLIENTS if recipient in few else (PLAIN.client,))
            for sender in SENDERS
        ]
        self._questions += [
            PLAIN._replace(sender=f"<{part}@stranger.example>", recipient=recipient)
            for recipient in (*self._local, REMOTE)
            for part in banned
        ]
        self._local_mailers = local_mailers(original)
        self._before = self._ask(original)
        # Whether a listed client, with the last text that was asked for one, waits for a recipient whose name servers fail.
        self.forgot_failing = False
        # Whether strangers may relay.
        self.is_open = self._before.replies[PLAIN] == ACCEPTED
        self._refuse_to_judge_without_maps(original)
        # Hand-written rules can take a bare name for one of another host.
        replies = self._before.replies
        self._local = [name for name in self._local if replies[PLAIN._replace(recipient=name)] == ACCEPTED]

    def fault_of(self, text: str, closes: bool) -> str:
        """Return the first answer of ``text`` that is wrong for a client that is not listed, as text; empty if there is none.

        ``closes`` is true if the ruleset refuses clients.
        """
        after = self._ask(text)
        for question, before, now in self._pairs(after):
            if closes and self.is_open and question.client in STRANGERS and self._leaves(question.recipient):
                # Who was refused before, for another reason, is refused first for this one.
                is_wrong = not questions.REFUSED.match(now)
            else:
                is_wrong = now != before
            if is_wrong:
                return _told(question, before, now)
        return ""

    def fault_for_listed(self, text: str) -> str:
        """Return the first wrong answer of ``text``, in which every client is listed, as text; empty if there is none."""
        self.forgot_failing = False
        for question, before, now in self._pairs(self._ask(text)):
            if now not in (before, ACCEPTED):
                # May relay, and is banned for another reason.
                if question.recipient not in self._local and now in self._answers_here(question):
                    continue
                return _told(question, before, now, "for a listed client")
            if question.recipient in self._local and now != before:
                return _told(question, before, now, "for a listed client")
            if question.client not in STRANGERS or before == ACCEPTED or question.recipient in self._local:
                continue
            refused_for_relaying = self._refused_for_relaying(question)
            if now == before and refused_for_relaying and question.recipient == REMOTE:
                return _told(question, before, now, "for a listed client")
            if now == before and refused_for_relaying and question.recipient == questions.FAILING:
                self.forgot_failing = True
            if now != before and not refused_for_relaying:
                return _told(question, before, now, "for a listed client")
        return ""

    def _refused_for_relaying(self, question: Question) -> bool:
        """Return whether this stranger may send to this host, and gets the answer that a remote recipient gets."""
        replies = self._before.replies
        plain, reply = replies[question._replace(recipient=REMOTE)], replies[question]
        may_send = ACCEPTED in self._answers_here(question)
        if not self._local:
            # A file for own clients alone: strangers get the same answer for every recipient.
            may_send = plain == replies[PLAIN]
        if question.sender not in SENDERS:
            plain = replies[PLAIN]  # such a sender may be banned
        # "Relaying denied" and "Relaying denied. IP name lookup failed" are the same answer.
        is_same = reply.startswith(plain.rstrip('"')) or plain.startswith(reply.rstrip('"'))
        return may_send and (is_same or questions.TEMPORARY.match(reply) is not None)

    def _answers_here(self, question: Question) -> set[str]:
        """Return what this client and sender get for recipients of this host."""
        here = (question._replace(recipient=recipient) for recipient in self._local)
        return {self._before.replies[asked] for asked in here if asked in self._before.replies}

    def _leaves(self, recipient: str) -> bool:
        mailer = self._before.mailers.get(recipient, "")
        return mailer not in ("", "error", *self._local_mailers)

    def _pairs(self, after: Answers) -> Iterator[tuple[Question, str, str]]:
        for question in self._questions:
            yield question, self._before.replies[question], after.replies[question]

    def _ask(self, text: str) -> Answers:
        return self._judge.answers(self._path, text, self._questions, self._remote)

    def _refuse_to_judge_without_maps(self, original: str) -> None:
        replies = self._before.replies
        local = [replies[PLAIN._replace(recipient=recipient)] for recipient in self._local]
        if all(questions.TEMPORARY.match(reply) for reply in [*local, replies[PLAIN]]):
            maps = self._judge.failing_maps(self._path, original)
            reason = "; ".join([replies[PLAIN], *maps] if maps else [self._before.complaint or replies[PLAIN]])
            raise MalformedError(
                f"every recipient gets a temporary error, so nothing can be tried, the old file is in place: {reason}; "
                "mend that first, such as the map or the server that it needs"
            )


def _told(question: Question, before: str, now: str, whom: str = "") -> str:
    return f"{question}{' ' + whom if whom else ''}: {before} before, {now} after"
