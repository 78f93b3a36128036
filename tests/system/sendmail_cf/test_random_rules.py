# SPDX-License-Identifier: GPL-3.0-or-later
"""check_rcpt rulesets that are put together at random from rules that people write, before and after the change.

sendmail is asked about other clients and recipients than those that the module asks about, for some files over SMTP.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import time
import zlib
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from support.mail import Smtp

from .conftest import PATIENCE_SECONDS
from .kinds import BASE
from .test_table_of_kinds import IN_GUEST, PACKAGE

ROOT = "/srv/random"
EXAMPLES = {False: 60, True: 600}
OVER_SMTP = 10  # one file of so many
PORT = 6000
LISTED, UNLISTED, BANNED = "198.51.100.20", "198.51.100.30", "198.51.100.66"
CLIENTS = [
    [f"{name}.dialin.example" if resolve == "OK" else f"[{address}]", address, resolve]
    for name, address in (("listed", LISTED), ("unlisted", UNLISTED), ("banned", BANNED))
    for resolve in ("OK", "FAIL")
]
HERE = ["localhost", "127.0.0.1", "OK"]
SENDERS = ("", "friend@sender.example", "bad@sender.example")
LOCAL = "<alice@example.test>"
REMOTE = ("<customer@elsewhere.example>", "<customer@[198.51.100.200]>", "<black@elsewhere.example>")
RECIPIENTS = (LOCAL, "<black@example.test>", "<somebody@member.example>", *REMOTE)
# A refusal that names its question: who, from whom, to whom, and both answers.
NAMES_A_QUESTION = re.compile(r"from <\S*> to <\S+>.*: .* before, .* after")
PASS = "R$* $| $*\t$: $1\n"
BY_CLIENT, BY_SENDER = "R$*\t$: $1 $| $&{client_addr}\n", "R$*\t$: $1 $| $&f\n"


def refusal(text):
    return f'$#error $@ 5.7.1 $: "550 {text}"\n'


PIECES = {
    "accept local": "R$+ < @ $=w . >\t$@ OK\n",
    "accept local, anything behind": "R$* < @ $=w . > $*\t$@ OK\n",
    "accept a class": "R$+ < @ $* $=R . >\t$@ OK\n",
    "accept own clients": f"{BY_CLIENT}R$* $|\t$@ OK\nR$* $| 127.$*\t$@ OK\n{PASS}",
    "accept null senders": f"{BY_SENDER}R$* $| <@>\t$@ OK\n{PASS}",
    "ban a recipient": "Rblack < @ $* > $*\t" + refusal("BAN recipient"),
    "ban literals": "R$* < @ [ $* ] $* > $*\t" + refusal("BAN literal"),
    "ban a sender": f"{BY_SENDER}R$* $| bad @ $*\t{refusal('BAN sender')}{PASS}",
    "ban a client": f"{BY_CLIENT}R$* $| {BANNED}\t{refusal('BAN client')}{PASS}",
    "refuse clients without a name": "R$*\t$: $1 $| $&{client_resolve}\n" + f"R$* $| FAIL\t{refusal('NAME')}{PASS}",
    "strip the dot": "R$* < @ $* . > $*\t$: $1 < @ $2 > $3\n",
    "strip what is local": "R$* < @ $=w . > $*\t$: $1 < @ $2 . >\n",
}
ENDS = {
    "refuse": "R$*\t" + refusal("DENY"),
    "refuse on another line": "R$*\n\t" + refusal("DENY").lstrip(),
    "refuse what has a host": "R$* < @ $+ > $*\t" + refusal("DENY"),
    "jump to a refusal": "R$*\t$@ $>deny $1\n",
    "call a refusal": "R$*\t$: $>deny $1\n",
    "accept": "R$*\t$@ OK\n",
    "nothing": "",
}


@dataclass(frozen=True)
class Rules:
    """A check_rcpt: pieces in their order, whether each is a ruleset that is called, and the end."""

    pieces: tuple[tuple[str, bool], ...]
    end: str
    canonifies: bool

    def text(self):
        called, body = [], ["Scheck_rcpt\n", "R$*\t$: $>canonify $1\n" if self.canonifies else ""]
        for number, (name, apart) in enumerate(self.pieces):
            if apart:
                called.append(f"Spart{number}\n{PIECES[name]}")
                body.append(f"R$*\t$: $1 $| $>part{number} $1\nR$* $| $#$*\t$#$2\nR$* $| OK\t$@ OK\nR$* $| $*\t$: $2\n")
            else:
                body.append(PIECES[name])
        deny = f"Sdeny\n{BY_CLIENT}R$* $| 127.$*\t$@ OK\n{PASS}R$*\t{refusal('DENY')}" if "deny" in ENDS[self.end] else ""
        return f"{BASE}CR member.example\n{''.join(called)}{deny}{''.join(body)}{ENDS[self.end]}"

    def stands_above_refusals(self, ban):
        """Return whether every piece of this name stands above all refusals that are for relaying."""
        names = [name for name, _apart in self.pieces]
        first = names.index("refuse clients without a name") if "refuse clients without a name" in names else len(names)
        return all(place < first for place, name in enumerate(names) if name == ban)


RULES = st.builds(
    Rules,
    st.lists(st.tuples(st.sampled_from(sorted(PIECES)), st.booleans()), min_size=1, max_size=6).map(tuple),
    # Those that refuse are the usual ones.
    st.sampled_from(["refuse"] * 3 + sorted(ENDS)),
    st.sampled_from([True] * 5 + [False]),
)
BANS = {
    "BAN recipient": "ban a recipient",
    "BAN literal": "ban literals",
    "BAN sender": "ban a sender",
    "BAN client": "ban a client",
}


class Fitter:
    """What fits the ruleset into files on a host, and asks its sendmail; a context manager."""

    def __init__(self, lab):
        self._lab = lab
        self.guest = lab.guest("cf-random", release="trixie")
        lab.boot([self.guest])
        root = self.guest.path(ROOT)
        (root / "queue").mkdir(parents=True)
        shutil.copytree(PACKAGE, root / "lib" / "vsmtprelay")
        shutil.copy(IN_GUEST / "fit.py", root / "fit.py")
        self.guest.run(["makemap", "hash", f"{ROOT}/relayers.db"], input=f"{LISTED} {int(time.time())}\n")
        self.refused = self.fitted = self.asked = 0

    def __enter__(self):
        self._process = self.guest.popen(["python3", f"{ROOT}/fit.py"])
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _call(self, **call):
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def fit(self, text):
        return self._call(fit=text)

    def ask(self, text):
        """Return question → the error, or nothing; a question is the address and the name status of a client, and so on."""
        questions = list(itertools.product([*CLIENTS, HERE], SENDERS, RECIPIENTS))
        replies = self._call(ask=text, questions=questions)["replies"]
        self.asked += len(replies)
        return {
            (client[1], client[2], sender, recipient): reply
            for (client, sender, recipient), reply in zip(questions, replies, strict=True)
        }

    def ask_daemon(self, text, client):
        """Return (sender, recipient) → the code and the text, over SMTP, of a client without a name."""
        self.guest.write(f"{ROOT}/daemon.cf", text)
        options = [f"-ODaemonPortOptions=Port={PORT},Addr=0.0.0.0", f"-OQueueDirectory={ROOT}/queue", f"-OPidFile={ROOT}/pid"]
        command = [
            "systemd-run",
            "--quiet",
            "--collect",
            "--unit=random",
            "/usr/sbin/sendmail",
            f"-C{ROOT}/daemon.cf",
            *options,
        ]
        self.guest.run([*command, "-bD"])
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    with Smtp(client, self.guest.address4, PORT) as session:
                        return {
                            (sender, recipient): session.transaction(recipient, sender)[1:]
                            for sender in SENDERS
                            for recipient in RECIPIENTS
                        }
                except ConnectionRefusedError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
        finally:
            self.guest.run(["systemctl", "stop", "random.service"])


@pytest.fixture(scope="module")
def fitter(lab):
    with Fitter(lab) as fitter:
        yield fitter
        print(f"\n{fitter.fitted} random files fitted, {fitter.refused} refused, {fitter.asked} answers compared")


def faults_of(rules, before, after):
    """Yield each question whose answer after the change is not what the rule says."""
    is_open = not before[UNLISTED, "OK", "friend@sender.example", REMOTE[0]]
    for question, was in before.items():
        address, resolve, sender, recipient = question
        now = after[question]
        closed = is_open and recipient in REMOTE and address != "127.0.0.1"
        if address != LISTED:
            # Who was refused in an open file, for another reason, is refused first for this one.
            if not (now if closed else now == was or (is_open and was and now and recipient in REMOTE)):
                yield question, was, now
            continue
        may_send = any(not before[address, resolve, sender, each] for each in RECIPIENTS)
        ban = next((name for text, name in BANS.items() if text in was), "")
        if not was:
            wrong = bool(now)
        elif ban:
            wrong = "BAN" not in now and rules.stands_above_refusals(ban)
        elif not may_send:
            # Nothing gets through from this sender: either everything counts as relaying, or nothing.
            wrong = "DENY" not in was and not now
        else:
            # Who may relay can be banned for another reason.
            wrong = bool(now) and "BAN" not in now and (recipient == REMOTE[0] or now != was)
        if wrong:
            yield question, was, now


def test_the_rule_holds_for_rules_put_together_at_random(fitter, full, stranger):
    @settings(
        max_examples=EXAMPLES[full],
        derandomize=not full,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(RULES)
    def judge(rules):
        text = rules.text()
        note(text.partition("CR member")[2])
        fitted = fitter.fit(text)
        if "refused" in fitted:
            fitter.refused += 1
            assert NAMES_A_QUESTION.search(fitted["refused"]), fitted["refused"]
            return
        note(fitted["text"].partition("CR member")[2])
        fitter.fitted += 1
        answers = fitter.ask(text)
        assert not list(faults_of(rules, answers, fitter.ask(fitted["text"])))
        if zlib.crc32(text.encode()) % OVER_SMTP == 0:
            before, after = (fitter.ask_daemon(each, stranger) for each in (text, fitted["text"]))
            is_open = not answers[UNLISTED, "OK", "friend@sender.example", REMOTE[0]]
            for question, was in before.items():
                closed = is_open and question[1] in REMOTE
                assert after[question][0] == 550 if closed else after[question] == was, question

    judge()
