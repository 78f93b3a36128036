# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cause for which somebody cannot send, and what the page says: the section "On call: somebody cannot send"."""

from __future__ import annotations

import re
import time

import pytest
from documentation.console import CONTROLLER, Command

from support.documentation import table
from support.mail import log_in, rcpt
from support.sharing import OPEN, REFUSED, until_answer
from support.waiting import wait_until

from .provider import CUSTOMERS

SECTION = "On call: somebody cannot send"
SHOWN_HOST, SHOWN_ADDRESS = "smtp1", "192.0.2.101"
CAUSES = {row[0]: row[1:] for row in table("provider.md", "the cause")}
# Steps of the page that have a column.
STEPS = (2, 3, 4, 5)
WINDOW_SECONDS = 60
RECORDER = "vsmtprelay-recorder.service"
DROP_IN = f"/run/systemd/system/{RECORDER}.d"


class OnCall:
    """Goes through the steps of the page for a client that cannot send. ``seen`` are the causes that were looked into."""

    def __init__(self, provider):
        self._provider = provider
        self._steps = provider.commands(SECTION)
        self.seen = set()

    def look_into(self, cause, client, server="smtp1", code=REFUSED, strictly=False):
        """Have ``client`` try to send through ``server``, do each step, and return what it printed, by number.

        Raises AssertionError unless that is what the table says about ``cause``; strictly, what the blocks show.
        """
        self.seen.add(cause)
        assert rcpt(client, self._provider.addresses[server])[0] == code
        outputs = {number: self._do(step, client, server, strictly) for number, step in enumerate(self._steps, 1)}
        # Who may send by now was refused earlier.
        assert code == OPEN or f"relay=[{client.address4}]" in outputs[1], outputs[1]
        for number, cell in zip(STEPS, CAUSES[cause], strict=False):
            words = re.findall(r"`([^`]+)`", cell)
            found = [word in outputs[number] for word in words]
            assert words, cell
            assert any(found) if " or " in cell else all(found), f"{cause}: step {number}: {outputs[number]}"
            if cell.startswith("`No entries`"):
                assert "recorded" not in outputs[number], f"{cause}: step {number}: {outputs[number]}"
        return outputs

    def _do(self, step, client, server, strictly):
        text = step.text.replace(SHOWN_ADDRESS, client.address4)
        if server in CUSTOMERS:
            text = text.replace("sendmail -bt", f"sendmail -C {self._provider.sendmail_cf(server)} -bt")
        if step.host == CONTROLLER:
            done = self._provider.shell(text, self._provider.fleet)
        else:
            assert step.host == SHOWN_HOST
            host = "web1" if server in CUSTOMERS else server
            done = self._provider.guests[host].run(["sh", "-c", text], check=False)
        output = done.stdout + done.stderr
        assert not strictly or Command(step.host, text, step.output).prints(output), f"{text}: {output}"
        return output


@pytest.fixture(scope="module")
def on_call(provider):
    return OnCall(provider)


@pytest.fixture(scope="module")
def early(provider, caller):
    """A client that logged in at a customer, so long ago as the tests before took; with the time of its login."""
    client = caller(108)
    assert log_in(client, provider.addresses["flowers"])
    return client, time.monotonic()


def test_the_page_has_five_steps(provider):
    assert len(provider.commands(SECTION)) == 5


def test_it_never_logged_in(early, on_call, caller):
    on_call.look_into("it never logged in, or from another address", caller(102))


def test_it_was_revoked(provider, on_call, caller):
    client = caller(101)
    assert log_in(client, provider.addresses["pop1"])
    until_answer(client, provider.addresses["smtp1"], OPEN)
    revoked = provider.run(f"ansible-playbook revoke.yml -e relay_address={client.address4}")
    assert revoked.status == 0, revoked.output
    outputs = on_call.look_into("it was revoked", client, strictly=True)
    # It is the same minute, so the login lies within the window.
    assert "user='alice'" in outputs[3]


def test_it_logged_in_at_another_virtual_server(provider, on_call, caller):
    client = caller(103)
    assert log_in(client, provider.addresses["garage"])
    outputs = on_call.look_into("it logged in at another virtual server", client, "flowers")
    assert "sendmail-flowers[" in outputs[1]
    assert "server=garage" in outputs[3]


def test_the_login_does_not_get_across(provider, on_call, caller):
    client, guest = caller(104), provider.guests["smtp1"]
    guest.run(["systemctl", "stop", "vsmtprelay-share"])
    assert log_in(client, provider.addresses["pop1"])
    on_call.look_into("the login does not get across", client)
    guest.run(["systemctl", "start", "vsmtprelay-share"])
    until_answer(client, provider.addresses["smtp1"], OPEN)


def test_it_logged_in_after_the_refusal(provider, on_call, caller):
    client = caller(105)
    assert rcpt(client, provider.addresses["smtp1"])[0] == REFUSED
    assert log_in(client, provider.addresses["pop1"])
    until_answer(client, provider.addresses["smtp1"], OPEN)
    on_call.look_into("none any more: it logged in after the refusal", client, code=OPEN)


def test_the_recorder_is_down_and_the_page_brings_it_back(provider, on_call, caller):
    client, guest = caller(106), provider.guests["pop1"]
    # A recorder that cannot start: the sharer and each login would have systemd start it.
    guest.run(["mkdir", "-p", DROP_IN])
    guest.write(f"{DROP_IN}/test.conf", "[Service]\nExecStartPre=/bin/false\n")
    guest.run(["sh", "-c", f"systemctl daemon-reload; systemctl restart {RECORDER}"], check=False)
    assert log_in(client, provider.addresses["pop1"])
    on_call.look_into("the recorder is down", client)
    guest.run(["sh", "-ec", f"rm -r {DROP_IN}; systemctl daemon-reload"])
    again = provider.run("ansible-playbook site.yml --limit pop1.example.org")
    assert again.status == 0, again.output
    wait_until(lambda: log_in(client, provider.addresses["pop1"]))
    until_answer(client, provider.addresses["smtp1"], OPEN)


def test_its_login_is_older_than_the_window(provider, on_call, early):
    client, since = early
    shorter = provider.run("ansible-playbook site.yml --limit web1.example.org -e pop_before_smtp_window=1")
    assert shorter.status == 0, shorter.output
    wait_until(lambda: time.monotonic() > since + WINDOW_SECONDS, WINDOW_SECONDS)
    on_call.look_into("its login is older than the window", client, "flowers")


def test_each_cause_of_the_table_was_looked_into(on_call):
    assert on_call.seen == {*CAUSES}
