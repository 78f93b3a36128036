# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the answers of m4 and sendmail; the programs themselves are asked on real hosts, in tests/system."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import BusyError, MalformedError
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
