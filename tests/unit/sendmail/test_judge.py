# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the answers of m4 and sendmail; the programs themselves are asked on real hosts, in tests/system."""

from __future__ import annotations

import collections
import os
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.fake_sendmail import fake_sendmail
from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    BusyError,
    MalformedError,
    UnwritableError,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import judge as judge_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.judge import Judge
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.questions import Question

# As m4 does with errprint(): each complaint with the number of its line, and status 0.
M4 = """\
#!/bin/sh
n=0
while read -r line; do
    n=$((n + 1))
    case $line in
    complain*) echo "m4:stdin:$n: ${line#complain }" >&2 ;;
    *) echo "$line" ;;
    esac
done
"""
BANNER = "ADDRESS TEST MODE"


@pytest.fixture
def judge(tmp_path):
    programs = {"m4": M4, "sendmail": fake_sendmail("false")}
    for name, text in programs.items():
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
    return Judge(str(tmp_path / "sendmail"), str(tmp_path / "m4"))


@pytest.fixture
def sendmail_mc(tmp_path):
    path = tmp_path / "sendmail.mc"
    path.write_text("complain WARNING: FEATURE(blacklist_recipients) is deprecated\nOld\n")
    return path


def test_a_warning_that_m4_gave_of_the_old_file_too_is_no_reason_to_refuse_the_new_one(judge, sendmail_mc):
    judge.accept(str(sendmail_mc), f"One line more\n{sendmail_mc.read_text()}")


def test_what_m4_says_against_the_new_file_only_is_named(judge, sendmail_mc):
    text = f"{sendmail_mc.read_text()}complain ERROR: end of file in string\n"
    with pytest.raises(MalformedError, match=r"m4 rejects it, the old file is in place: ERROR: end of file in string$"):
        judge.accept(str(sendmail_mc), text)


def test_without_m4_a_source_is_refused_with_the_remedy(judge, sendmail_mc, tmp_path):
    with pytest.raises(MalformedError, match="install m4"):
        Judge(str(tmp_path / "sendmail"), None).accept(str(sendmail_mc), "text")


def test_without_sendmail_nothing_is_changed_and_the_remedy_is_told(judge, tmp_path):
    with pytest.raises(MalformedError, match="install sendmail"):
        Judge(None, None).accept(str(tmp_path / "sendmail.cf"), "text")


def test_an_m4_that_fails_without_a_word_is_told_by_its_status(judge, sendmail_mc, tmp_path):
    (tmp_path / "m4").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(MalformedError, match="m4 rejects it, the old file is in place: exit status 3"):
        judge.accept(str(sendmail_mc), "text")


def test_a_program_that_does_not_end_is_told_and_nothing_is_changed(judge, tmp_path, monkeypatch):
    monkeypatch.setattr(judge_module, "SECONDS", 0.2)
    (tmp_path / "sendmail").write_text("#!/bin/sh\nexec sleep 600\n")
    with pytest.raises(BusyError, match=r"sendmail.*: did not end within 0\.2 seconds"):
        judge.accept(str(tmp_path / "sendmail.cf"), "text")


def test_a_sendmail_that_does_not_come_so_far_as_to_answer_rejects_the_file(judge, tmp_path):
    (tmp_path / "sendmail").write_text("#!/bin/sh\ncat >/dev/null; echo 'cannot open' >&2; exit 71\n")
    with pytest.raises(MalformedError, match=r"sendmail rejects it, the old file is in place: cannot open$"):
        judge.accept(str(tmp_path / "sendmail.cf"), "text")


QUESTION = Question("a stranger", "<>", "<somebody@remote.example>")


def test_a_sendmail_that_leaves_out_an_answer_is_not_believed(judge, tmp_path):
    (tmp_path / "sendmail").write_text(f"#!/bin/sh\ncat >/dev/null; echo '{BANNER}'; printf '> '\n")
    with pytest.raises(MalformedError, match="does not answer all questions"):
        judge.answers(str(tmp_path / "sendmail.cf"), "text", [QUESTION], [])


def test_the_same_text_is_judged_once(judge, tmp_path, monkeypatch):
    judged = []
    monkeypatch.setattr(Judge, "_answers", lambda _self, path, *_asked: judged.append(os.path.basename(path)))
    for name in ("a.cf", "b.cf", "c/a.mc", "d/a.mc"):
        judge.answers(str(tmp_path / name), "text", [QUESTION], [])
    judge.answers(str(tmp_path / "b.cf"), "another text", [QUESTION], [])
    # Two sources in different directories can include different files.
    assert judged == ["a.cf", "a.mc", "a.mc", "b.cf"]


def test_the_answers_are_given_and_what_else_sendmail_said(judge, tmp_path):
    (tmp_path / "sendmail").write_text(fake_sendmail("false", "echo 'hash map \"access\": missing map file' >&2"))
    local = QUESTION._replace(recipient="<postmaster>")
    answers = judge.answers(str(tmp_path / "sendmail.cf"), "text", [QUESTION, local], [QUESTION.recipient])
    assert answers.replies == {QUESTION: '$# error $@ 5 . 7 . 1 $: "550 Relaying denied"', local: "accepted"}
    assert answers.mailers == {QUESTION.recipient: "esmtp"}
    assert answers.complaint == 'hash map "access": missing map file'


def test_the_maps_that_fail_are_asked_for(judge, tmp_path):
    answer = "map_lookup: access (somebody) no match (75)"
    (tmp_path / "sendmail").write_text(f"#!/bin/sh\necho '{BANNER}'; read -r _map name _key; echo \"> {answer}\"\n")
    assert judge.failing_maps(str(tmp_path / "sendmail.cf"), "Kaccess hash /etc/mail/access\n") == ["map access"]
    assert judge.failing_maps(str(tmp_path / "sendmail.cf"), "Karith arith\n") == []


@pytest.fixture
def judge_of(customer):
    """Return what makes a Judge of an m4 and a sendmail that the customer can run too, given as shell scripts."""

    def judge_of(sendmail, m4="exit 1"):
        for name, script in {"sendmail": sendmail, "m4": m4}.items():
            program = customer.directory.parent / f"{customer.directory.name}-{name}"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
            made.append(program)
        return Judge(*map(str, made))

    made = []
    yield judge_of
    for program in made:
        program.unlink()


REFUSE = f"echo '{BANNER}'"


@needs_root
def test_what_is_in_the_tree_of_a_customer_runs_with_the_rights_of_that_customer(customer, judge_of):
    path = customer.write("sendmail.mc", b"text")
    asks = f'test "$(id -u) $(id -G)" = "{customer.uid} 65534" || exit 9'
    judge_of(f"{asks}; {REFUSE}", f"{asks}; cat").accept(path, "text")


@needs_root
def test_what_a_customer_wrote_runs_with_those_rights_in_a_directory_of_roots_too(customer, judge_of):
    path = customer.write("sendmail.cf", b"")
    os.chown(customer.directory, 0, 0)
    judge_of(f"test $(id -u) = {customer.uid} || exit 9; {REFUSE}").accept(path, "text")


@needs_root
def test_a_file_of_one_customer_in_the_tree_of_another_is_not_judged(customer, judge_of):
    path = customer.write("sendmail.cf", b"")
    os.chown(path, customer.uid + 1, -1)
    with pytest.raises(UnwritableError, match=r"sendmail\.cf: belongs to another user than its directory.*use chown"):
        judge_of(REFUSE).accept(path, "text")


@needs_root
def test_what_belongs_to_root_is_judged_by_root_without_a_sandbox(customer, judge_of):
    os.chown(customer.directory, 0, 0)
    path = str(customer.directory / "sendmail.cf")
    judge_of(f"test $(id -u) = 0 && test -e /proc/1 || exit 9; {REFUSE}").accept(path, "text")


@needs_root
def test_a_map_that_a_customer_cannot_read_is_empty_for_the_judge_and_no_other(customer, judge_of):
    secret, own = customer.directory / "secret", customer.directory / "own"
    for name in ("secret.db", "secret", "own.db"):
        customer.write(name, b"")
    for name in ("secret.db", "secret"):
        os.chown(customer.directory / name, 0, 0)
        (customer.directory / name).chmod(0o600)
    lines = {
        f"Kaccess hash -T<TMPF> {secret}": "Kaccess null",
        f"Kaccess hash -o\t\n\t{secret}.db": "Kaccess null",
        f"K btree BTree {secret}": "Kbtree null",
        f"Kshadow text -k 0 -v 1 -z: {secret}": "Kshadow null",
        f"Kown hash -o {own}": None,
        f"Kmissing hash -o {secret}-missing": None,
        f"Kprogram program {secret}": None,
        "Kmacros hash $m/secret": None,
        "Karith arith": None,
        f"# Kaccess hash {secret}": None,
    }
    judge = judge_of('sed "s!^!$2 !" "${1#-C}" | sed "s!^!${1#-C}: !"; exit 1')
    for line, expected in lines.items():
        with pytest.raises(MalformedError) as raised:
            judge.accept(str(customer.directory / "sendmail.cf"), f"{line}\nO Option\n")
        shown = str(raised.value).partition("in place: ")[2].replace("sendmail.cf: -bt ", "").replace("\t", "")
        assert shown == f"{expected or line.replace(chr(10), '; ')}; O Option"


@needs_root
def test_a_source_that_a_customer_cannot_include_is_passed_over(customer, judge_of):
    judge = judge_of('cat "${1#-C}" >&2; grep -q "^define.*sinclude.*dnl$" "${1#-C}" && ' + REFUSE, "cat")
    judge.accept(customer.write("sendmail.mc", b""), "text")


@needs_root
def test_what_the_programs_of_a_customer_print_reaches_no_terminal_as_it_is(customer, judge_of):
    path = customer.write("sendmail.mc", b"")
    with pytest.raises(MalformedError, match=r"in place: \\x1b\[2J$"):
        judge_of(REFUSE, r"printf '\033[2J' >&2; exit 3").accept(path, "text")


@needs_root
def test_all_checks_of_one_file_of_a_customer_share_their_time(customer, judge_of, monkeypatch):
    monkeypatch.setattr(judge_module, "SECONDS_FOR_OWNER", 2.0)
    path = customer.write("sendmail.cf", b"")
    judge = judge_of(f"sleep 0.8; {REFUSE}")
    begin = time.monotonic()
    busy = r"did not check it within 2 seconds, the old file is in place; remove what it waits for"
    with pytest.raises(BusyError, match=busy):
        collections.deque(iter(lambda: [judge.accept(path, "text")], None), maxlen=0)
    assert time.monotonic() - begin < 20
    # Another file has its own time.
    judge.accept(customer.write("other.cf", b""), "text")
