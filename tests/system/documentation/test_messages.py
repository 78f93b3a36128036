# SPDX-License-Identifier: GPL-3.0-or-later
"""The troubleshooting page quotes only messages that exist, and has the most frequent ones."""

from __future__ import annotations

import re

import pytest
from documentation.blocks import CHECKOUT
from documentation.messages import ELLIPSIS, is_said, texts

PAGE = CHECKOUT / "docs" / "troubleshooting.md"
PREFLIGHT = CHECKOUT / "plugins" / "module_utils" / "_vsmtprelay" / "role" / "preflight.py"
# Sections with what other programs say, and where on a mail host their texts are.
OF_OTHERS = {
    "What the sending client sees": "/etc/mail/sendmail.cf /usr/sbin/sendmail-mta /usr/share/sendmail/cf/m4",
    "What Dovecot logs": "/usr/lib/dovecot /lib/*/libc.so.6",
}
SHORTEST = 6


def quoted():
    """Return the section and the text of each message: what the first columns of the tables quote."""
    section, found = "", []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| `"):
            found += [(section, message) for message in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
    return found


QUOTED = quoted()
OURS = [message for section, message in QUOTED if section not in OF_OTHERS]
OTHERS = [(section, message) for section, message in QUOTED if section in OF_OTHERS]


@pytest.fixture(scope="module")
def said():
    return texts()


@pytest.mark.parametrize("message", OURS)
def test_the_code_says_it(said, message):
    assert is_said(message, said)


@pytest.mark.parametrize(("section", "message"), OTHERS)
def test_another_program_says_it(bed, said, section, message):
    bed.set_up()
    for piece in (piece.strip() for piece in message.split(ELLIPSIS)):
        # An SMTP code alone stands anywhere.
        if len(piece) >= SHORTEST and not is_said(piece, said):
            words = ["sh", "-c", f'grep --recursive --text --fixed-strings --quiet -e "$1" {OF_OTHERS[section]}', "sh", piece]
            assert bed.guests["mail1"].run(words, check=False).returncode == 0, piece


@pytest.mark.parametrize("message", ["Relaying permitted", "connect as … root", "login not recorded: nobody says so"])
def test_what_nobody_says_is_noticed(said, message):
    assert not is_said(message, said)


def test_every_section_has_messages():
    assert len({section for section, _message in QUOTED}) == 8
    assert len(OURS) > 40


def test_all_that_the_role_says_first_is_there():
    code = PREFLIGHT.read_text(encoding="utf-8").partition("def faults_of_host")[2]
    beginnings = re.findall(r'(?:yield|return \[|faults\.append\()\s*f?"([^"{]{8,})', code)
    page = PAGE.read_text(encoding="utf-8")
    assert len(beginnings) >= 10
    assert [beginning for beginning in beginnings if f"`{beginning}" not in page] == []


def test_all_that_the_status_says_is_there(said):
    words = (CHECKOUT / "plugins/module_utils/_vsmtprelay/status/attention.py").read_text(encoding="utf-8")
    remedies = re.findall(r"(; (?:run|look) [^\"{]+)\"", words)
    page = PAGE.read_text(encoding="utf-8")
    assert len(remedies) >= 6
    assert [remedy for remedy in remedies if remedy not in page] == []
