# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that people use, as they use them: refused, then they read mail, and send for as long as the window lasts.

``WRITE_TABLE=1`` writes the table of docs/clients.md anew.
"""

from __future__ import annotations

import os
import re

import pytest

from . import table
from .conftest import RELEASES
from .pairs import PAIRS


@pytest.fixture(params=RELEASES, ids=RELEASES.values())
def release(request):
    return request.param


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_who_reads_mail_may_send_until_the_window_is_over(stories, queued, release, pair):
    story = stories[release, pair]
    story.begun.result()
    before, after, later = (story.attempts[when] for when in ("before it reads mail", "after it read mail", "a window later"))
    assert before.is_refused, before
    assert after.is_accepted, after
    assert later.is_accepted if pair.stays_open else later.is_refused, later
    if pair.stays_open:
        assert story.attempts["after its session"].is_refused, story.attempts
        assert re.search(r"> a\d+ IDLE$", (story.computer.home / ".muttdebug0").read_text(), re.MULTILINE)
    for attempt in story.attempts.values():
        assert (attempt.subject in queued[release]) == attempt.is_accepted, attempt


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_each_speaks_the_protocol_that_the_page_names(stories, journals, release, pair):
    address = stories[release, pair].address
    # The words of Dovecot before 2.4.5, and since.
    logins = [line for line in journals[release] if re.search(rf"-login: (Login|Logged in): .* rip={address},", line)]
    expected = (pair.reader.protocol.lower()[:4], "TLS" in pair.reader.protocol)
    assert {(line[:4], ", TLS" in line) for line in logins} == {expected}
    starttls = [line for line in journals[release] if line.startswith("STARTTLS=server") and f"[{address}]" in line]
    assert bool(starttls) == ("STARTTLS" in pair.sender.protocol)


@pytest.mark.skipif("RELEASE" in os.environ, reason="the page shows the releases that the role supports")
def test_the_page_shows_what_came_of_each(stories, versions):
    made = table.render(stories, versions)
    if os.environ.get("WRITE_TABLE"):
        table.PAGE.write(made)
    assert table.PAGE.shown() == made, "write the table anew: make clients WRITE_TABLE=1"
