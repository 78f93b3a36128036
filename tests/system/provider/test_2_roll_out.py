# SPDX-License-Identifier: GPL-3.0-or-later
"""A change, on the canary first, and back: the section "Roll out a change"."""

from __future__ import annotations

import pytest

from support.mail import log_in, rcpt
from support.sharing import OPEN, until_answer

DAY, HALF_A_DAY = "86400", "43200"
CANARY, CUSTOMERS = "smtp1", ("flowers", "garage")


class RollOut:
    """What the commands of the section did. ``windows`` has the servers with the new window after each run of site.yml."""

    def __init__(self, provider):
        self.before = provider.rulesets()
        self.windows = []
        self.drift = None
        for text, output in provider.do("Roll out a change"):
            if text.startswith("ansible-playbook site.yml"):
                self.windows.append({name for name, cf in provider.rulesets().items() if f" {HALF_A_DAY} " in cf})
                if "serial" in text:
                    self.plays = output.count("PLAY [POP-before-SMTP]")
            elif "--limit canary" in text:
                self.drift = provider.job("drift")
        self.after = provider.rulesets()


@pytest.fixture(scope="module")
def client(provider, caller):
    """A client that logged in before."""
    client = caller(92)
    assert log_in(client, provider.addresses["pop1"])
    until_answer(client, provider.addresses["smtp1"], OPEN)
    return client


@pytest.fixture(scope="module")
def roll_out(provider, client):
    return RollOut(provider)


def test_a_preview_changes_nothing_and_the_canary_comes_before_the_others(roll_out):
    assert roll_out.windows == [set(), {CANARY}, {CANARY, *CUSTOMERS}, set()]


def test_the_others_come_one_by_one(roll_out):
    assert roll_out.plays == 3


def test_between_the_canary_and_the_others_the_nightly_job_names_those_that_differ(roll_out):
    assert roll_out.drift.status != 0
    wrong = roll_out.drift.output.partition("needs attention")[2] or roll_out.drift.output.partition("Needs attention")[2]
    assert "web1.example.org: differs from what the role would install" in wrong
    assert "smtp1.example.org: differs" not in wrong


def test_going_back_restores_each_sendmail_cf(roll_out):
    assert all(f" {DAY} " in cf for cf in roll_out.before.values())
    assert roll_out.after == roll_out.before


def test_who_logged_in_before_may_send_after_it(roll_out, provider, client):
    assert rcpt(client, provider.addresses["smtp1"])[0] == OPEN
