# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the answers of m4 and sendmail; the programs themselves are asked on real hosts, in tests/system."""

from __future__ import annotations

import collections
import os
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    BusyError,
    MalformedError,
    UnwritableError,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import judge as judge_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.judge import Judge, fitting
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import EVERYBODY, Ruleset

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
# Refuses everybody.
SENDMAIL = """\
#!/bin/sh
echo 'check_rcpt         returns: $# error $@ 5 . 7 . 1 $: "550 Relaying denied"'
"""


@pytest.fixture
def judge(tmp_path):
    programs = {"m4": M4, "sendmail": SENDMAIL}
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
    stranger_relays = judge.check(str(sendmail_mc), f"One line more\n{sendmail_mc.read_text()}")
    assert not stranger_relays


def test_what_m4_says_against_the_new_file_only_is_named(judge, sendmail_mc):
    text = f"{sendmail_mc.read_text()}complain ERROR: end of file in string\n"
    with pytest.raises(MalformedError, match=r"m4 rejects it, the old file is in place: ERROR: end of file in string$"):
        judge.check(str(sendmail_mc), text)


def test_without_m4_a_source_is_refused_with_the_remedy(judge, sendmail_mc, tmp_path):
    with pytest.raises(MalformedError, match="install m4"):
        Judge(str(tmp_path / "sendmail"), None).check(str(sendmail_mc), "text")


def test_without_sendmail_nothing_is_changed_and_the_remedy_is_told(judge, tmp_path):
    with pytest.raises(MalformedError, match="install sendmail"):
        Judge(None, None).check(str(tmp_path / "sendmail.cf"), "text")


def test_an_m4_that_fails_without_a_word_is_told_by_its_status(judge, sendmail_mc, tmp_path):
    (tmp_path / "m4").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(MalformedError, match="m4 rejects it, the old file is in place: exit status 3"):
        judge.check(str(sendmail_mc), "text")


def test_a_program_that_does_not_end_is_told_and_nothing_is_changed(judge, tmp_path, monkeypatch):
    monkeypatch.setattr(judge_module, "SECONDS", 0.2)
    (tmp_path / "sendmail").write_text("#!/bin/sh\nexec sleep 600\n")
    with pytest.raises(BusyError, match=r"sendmail .*: did not end within 0\.2 seconds"):
        judge.check(str(tmp_path / "sendmail.cf"), "text")


def test_a_sendmail_that_answers_nothing_is_taken_for_one_that_lets_strangers_relay(judge, tmp_path):
    (tmp_path / "sendmail").write_text("#!/bin/sh\ncat >/dev/null\n")
    assert judge.check(str(tmp_path / "sendmail.cf"), "text")


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


REFUSE = """echo 'check_rcpt         returns: $# error $@ 5 . 7 . 1 $: "550 Relaying denied"'"""


@needs_root
def test_what_is_in_the_tree_of_a_customer_runs_with_the_rights_of_that_customer(customer, judge_of):
    path = customer.write("sendmail.mc", b"text")
    asks = f'test "$(id -u) $(id -G)" = "{customer.uid} 65534" || exit 9'
    assert judge_of(f"{asks}; {REFUSE}", f"{asks}; cat").check(path, "text") is False


@needs_root
def test_what_a_customer_wrote_runs_with_those_rights_in_a_directory_of_roots_too(customer, judge_of):
    path = customer.write("sendmail.cf", b"")
    os.chown(customer.directory, 0, 0)
    assert judge_of(f"test $(id -u) = {customer.uid} || exit 9; {REFUSE}").check(path, "text") is False


@needs_root
def test_a_file_of_one_customer_in_the_tree_of_another_is_not_judged(customer, judge_of):
    path = customer.write("sendmail.cf", b"")
    os.chown(path, customer.uid + 1, -1)
    with pytest.raises(UnwritableError, match=r"sendmail\.cf: belongs to another user than its directory.*use chown"):
        judge_of(REFUSE).check(path, "text")


@needs_root
def test_what_belongs_to_root_is_judged_by_root_without_a_sandbox(customer, judge_of):
    os.chown(customer.directory, 0, 0)
    path = str(customer.directory / "sendmail.cf")
    assert judge_of(f"test $(id -u) = 0 && test -e /proc/1 || exit 9; {REFUSE}").check(path, "text") is False


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
            judge.check(str(customer.directory / "sendmail.cf"), f"{line}\nO Option\n")
        shown = str(raised.value).partition("in place: ")[2].replace("sendmail.cf: -bt ", "").replace("\t", "")
        assert shown == f"{expected or line.replace(chr(10), '; ')}; O Option"


@needs_root
def test_a_source_that_a_customer_cannot_include_is_passed_over(customer, judge_of):
    judge = judge_of('cat "${1#-C}" >&2; grep -q "^define.*sinclude.*dnl$" "${1#-C}" && ' + REFUSE, "cat")
    assert judge.check(customer.write("sendmail.mc", b""), "text") is False


@needs_root
@pytest.mark.parametrize("answer", ['$# error $@ 4 . 7 . 1 $: "450 later"', "$# error $: 451 later", "$# error $@ 75 $: later"])
def test_a_temporary_error_without_name_servers_is_no_refusal(customer, judge_of, answer):
    judge = judge_of(f"echo 'check_rcpt returns: {answer}'")
    path = customer.write("sendmail.cf", b"")
    assert judge.check(path, "text") is True
    os.chown(path, 0, 0)
    os.chown(customer.directory, 0, 0)
    assert judge.check(path, "text") is False


@needs_root
def test_what_the_programs_of_a_customer_print_reaches_no_terminal_as_it_is(customer, judge_of):
    path = customer.write("sendmail.mc", b"")
    with pytest.raises(MalformedError, match=r"in place: \\x1b\[2J$"):
        judge_of(REFUSE, r"printf '\033[2J' >&2; exit 3").check(path, "text")


# sendmail.cf of old, with rules of its own for recipients.
SENDMAIL_CF = """Scheck_rcpt
R$*	$#error $: 550 no
"""


class Sure:
    """A judge with answers of the test's: whether strangers may relay, and whether they may once everybody is listed."""

    def __init__(self, strangers, listed):
        self._strangers = strangers
        self._listed = listed
        self.asked = 0

    def check(self, _path, text):
        self.asked += 1
        return self._listed if EVERYBODY in text else self._strangers


RULESET = Ruleset("/etc/mail/relayers.db", 60)


def test_where_the_ruleset_is_already_nobody_is_asked():
    after = fitting(Sure(strangers=False, listed=True), "sendmail.cf", SENDMAIL_CF, RULESET)
    judge = Sure(strangers=False, listed=True)
    assert fitting(judge, "sendmail.cf", after, RULESET) == after
    assert judge.asked == 0


def test_a_place_where_strangers_may_not_relay_and_listed_clients_may_is_taken():
    after = fitting(Sure(strangers=False, listed=True), "sendmail.cf", SENDMAIL_CF, RULESET)
    assert RULESET.relayers_db in after


@pytest.mark.parametrize(("strangers", "listed"), [(True, True), (True, False), (False, False)])
def test_a_place_where_strangers_may_relay_or_listed_clients_may_not_is_none(strangers, listed):
    with pytest.raises(MalformedError, match="found no place for the ruleset, the old file is in place"):
        fitting(Sure(strangers, listed), "sendmail.cf", SENDMAIL_CF, RULESET)


@needs_root
def test_all_checks_of_one_file_of_a_customer_share_their_time(customer, judge_of, monkeypatch):
    monkeypatch.setattr(judge_module, "SECONDS_FOR_OWNER", 2.0)
    path = customer.write("sendmail.cf", b"")
    judge = judge_of("sleep 0.8; exit 0")
    begin = time.monotonic()
    busy = r"did not check it within 2 seconds, the old file is in place; remove what it waits for"
    with pytest.raises(BusyError, match=busy):
        collections.deque(iter(lambda: judge.check(path, "text"), None), maxlen=0)
    assert time.monotonic() - begin < 20
    # Another file has its own time.
    assert judge.check(customer.write("other.cf", b""), "text") is True
