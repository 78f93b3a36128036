# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of the answers of m4 and sendmail; the programs themselves are asked on real hosts, in tests/sendmail_cf."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail_judge import Judge

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
