# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of Dovecot 2.3: which login each describes, and when it was."""

from __future__ import annotations

import json

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.unreported import Event

NOW = 2_000_000_000
# As Dovecot 2.3.19 writes it.
EVENT = (
    b'{"start_time":1999999990.125000,"end_time":1999999990.500000,"fields":{"user":"me@a.example","remote_ip":"198.51.100.7",'
    b'"local_ip":"192.0.2.10","local_port":110,"service":"pop3","session":"LlrSAaBB","mechanism":"PLAIN"}}'
)


def event(fields=None, **members):
    whole = json.loads(EVENT)
    whole.update(members)
    whole["fields"].update(fields or {})
    return Event(json.dumps(whole).encode(), NOW)


def test_an_event_says_the_same_as_the_report_that_was_not_made():
    assert Event(EVENT, NOW).report == {
        "rip": "198.51.100.7",
        "lip": "192.0.2.10",
        "lport": "110",
        "service": "pop3",
        "user": "me@a.example",
        "domain": "a.example",
        "session": "LlrSAaBB",
        "mechanism": "PLAIN",
    }


@pytest.mark.parametrize(
    ("user", "domain"), [("me", ""), ("me@", ""), ("me@A.Example", "A.Example"), ("a@b@c", "b@c"), ("", "")]
)
def test_the_domain_is_what_dovecot_itself_takes_for_it(user, domain):
    assert event({"user": user}).report["domain"] == domain


def test_the_local_port_may_be_text():
    assert event({"local_port": "143"}).report["lport"] == "143"


def test_what_an_event_leaves_out_is_empty_as_in_a_report():
    login = LoginReader().login_in(Event(b'{"fields":{"user":"me","service":"imap","remote_ip":"198.51.100.7"}}', NOW).report)
    assert (login.local_key, login.local_port, login.domain, login.is_prefetched) == (None, "", "", False)


@pytest.mark.parametrize(
    ("end", "ended"), [(1_999_999_990.5, 1_999_999_990), (NOW, NOW), (NOW + 3600, NOW), (1e300, None), (0, 0), (-1, None)]
)
def test_a_login_is_as_old_as_its_event_and_never_in_the_future(end, ended):
    if ended is None:
        with pytest.raises(MalformedError):
            event(end_time=end)
    else:
        assert event(end_time=end).ended == ended


def test_an_event_without_a_time_is_one_of_now():
    assert Event(b'{"fields":{}}', NOW).ended == NOW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"fields":[]}',
        b'{"fields":"user"}',
        b'{"fields":{},"end_time":"2026"}',
        b'{"fields":{},"end_time":null}',
        b'{"fields":{},"end_time":true}',
        b'{"fields":{},"end_time":NaN}',
        b'{"fields":{},"end_time":Infinity}',
    ],
)
def test_what_is_no_event_is_refused(body):
    with pytest.raises(MalformedError):
        Event(body, NOW)


@pytest.mark.parametrize("field", ["user", "remote_ip", "local_ip", "local_port", "service", "session", "mechanism"])
@pytest.mark.parametrize("value", [None, [], {}, 1.5])
def test_a_field_that_is_no_text_makes_no_login(field, value):
    taken = event({field: value})
    if field == "session":
        return  # it is not read for a login
    with pytest.raises(MalformedError):
        LoginReader().login_in(taken.report)
