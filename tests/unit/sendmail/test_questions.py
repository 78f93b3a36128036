# SPDX-License-Identifier: GPL-3.0-or-later
"""What sendmail is asked about a file, and what is made of its answers."""

from __future__ import annotations

import socket

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import questions
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.questions import Question


def test_domains_are_those_of_every_class_some_of_each():
    text = "Cwa.example b.example c.example\nC{VirtHost} v.example\nCR r.example\nCM m.example\nC{w} $j\n"
    known = ["a.example", "b.example", "v.example", "r.example"]
    assert questions.domains_in(text) == ["localhost", socket.gethostname(), *known]


@pytest.mark.parametrize(
    ("rule", "banned"),
    [
        ('Rblack < @ $* > $*\t$#error $@ 5.7.1 $: "550 no"', ["black"]),
        ("R$* $| bad @ $*\t\t$# error $: 550 no", ["bad"]),
        ("R$* $| bad @ $*\t$@ OK", []),
        ("R$+ < @ $=w . >\t$#error $: 550 no", []),
    ],
)
def test_the_local_parts_that_a_rule_bans_are_asked_about(rule, banned):
    assert questions.banned_in(f"Scheck_rcpt\n{rule}\n") == banned
    local, remote = questions.recipients(["localhost"], banned)
    for part in banned:
        assert f"<{part}@localhost>" in local
        assert f"<{part}@remote.example>" in remote


def test_the_macros_of_a_session_are_set_once_as_long_as_they_are_the_same():
    question = Question(questions.STRANGERS[0], "<>", questions.REMOTE)
    lines = questions.script([question, question], [questions.REMOTE]).decode().splitlines()
    assert [line for line in lines if line.startswith(".D{client_addr}")] == [f".D{{client_addr}}{questions.STRANGER_ADDRESS}"]
    assert lines[-3:] == [f"check_rcpt {questions.REMOTE}"] * 2 + ["3,0 somebody@remote.example"]
    # The sender's macro is the one of the file's own rulesets.
    assert lines.index("Vsmtprelay_from <>") < lines.index(f"check_rcpt {questions.REMOTE}")


def test_only_maps_that_depend_on_a_file_or_a_server_are_looked_into():
    text = "Kaccess hash -T<TMPF> /etc/mail/access\nKarith arith\nKrun program /bin/false\nKpeople ldap -k (a=%0)\n"
    assert questions.maps_in(text) == ["access", "people"]
    assert questions.script_for_maps(["access"]) == b"/map access somebody\n"


def test_a_map_that_fails_is_named_with_what_sendmail_says():
    output = (
        "ADDRESS TEST MODE\n> "
        'hash map "access": missing map file /etc/mail/access.db: No such file or directory\n'
        "map_lookup: access (somebody) no match (75)\n> map_lookup: virtuser (somebody) no match (0)\n"
        "> map_lookup: people (somebody) no match (75)\n> "
    )
    assert questions.failing_maps(output) == [
        'map access (hash map "access": missing map file /etc/mail/access.db: No such file or directory)',
        "map people",
    ]
