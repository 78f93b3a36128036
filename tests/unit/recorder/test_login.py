# SPDX-License-Identifier: GPL-3.0-or-later
"""A login as a POP or IMAP server reports it, and whether it is one to record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import (
    PROBE_USER,
    LoginReader,
    NotRecorded,
    Probe,
    object_of,
)

REPORT = {"rip": "198.51.100.7", "lip": "192.0.2.1", "service": "pop3", "user": "me@Example.org", "domain": "Example.org"}


def read(ignored=(), **members):
    report = {name: value for name, value in {**REPORT, **members}.items() if value is not ...}
    return LoginReader(ignored).login_in(object_of(json.dumps(report).encode()))


def test_a_report_tells_who_logged_in_from_where_to_where():
    login = read()
    assert (login.key, login.local_key, login.service) == ("198.51.100.7", "192.0.2.1", "pop3")
    assert (login.user, login.domain) == ("me@Example.org", "Example.org")


@pytest.mark.parametrize(
    ("rip", "key"),
    [
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:DB8::7", "ipv6:2001:db8:0:0:0:0:0:7"),
        # As Dovecot 2.4 reports it.
        ("fe80::1%eth0", "ipv6:fe80:0:0:0:0:0:0:1"),
        ("fe80::1%99", "ipv6:fe80:0:0:0:0:0:0:1"),
        ("2001:db8::7%3", "ipv6:2001:db8:0:0:0:0:0:7"),
    ],
)
def test_the_address_is_the_key_that_sendmail_looks_up(rip, key):
    assert read(rip=rip).key == key
    assert read(lip=rip).local_key == key


@pytest.mark.parametrize("service", ["pop3", "imap"])
def test_logins_of_those_who_read_mail_are_recorded(service):
    assert read(service=service).service == service


@pytest.mark.parametrize("service", ["smtp", "submission", "sieve", "doveadm", "lmtp", "POP3", "", ...])
def test_other_services_are_not_recorded(service):
    with pytest.raises(NotRecorded, match="service"):
        read(service=service)


@pytest.mark.parametrize("rip", ["", ...])
def test_a_login_without_a_client_address_is_not_recorded(rip):
    with pytest.raises(NotRecorded, match="no client address"):
        read(rip=rip)


@pytest.mark.parametrize("rip", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_never_recorded(rip):
    with pytest.raises(NotRecorded, match="ignored network"):
        read(rip=rip)


@pytest.mark.parametrize("rip", ["198.51.100.7", "::ffff:198.51.100.9"])
def test_the_networks_that_are_to_be_ignored_are_not_recorded(rip):
    with pytest.raises(NotRecorded, match="ignored network"):
        read(["198.51.100.0/24", "2001:db8::/32"], rip=rip)


def test_a_login_from_elsewhere_is_recorded_where_networks_are_ignored():
    assert read(["198.51.100.0/24"], rip="198.51.101.7").key == "198.51.101.7"


@pytest.mark.parametrize("lip", ["", ...])
def test_the_local_address_may_be_missing(lip):
    assert read(lip=lip).local_key is None


@pytest.mark.parametrize("member", ["user", "domain"])
def test_user_and_domain_may_be_missing(member):
    assert getattr(read(**{member: ...}), member) == ""


@pytest.mark.parametrize("rip", ["mail.example.org", "198.51.100", "198.51.100.7%eth0", "198.51.100.7:110", " 198.51.100.7"])
def test_an_address_that_is_none_makes_no_login(rip):
    with pytest.raises(MalformedError):
        read(rip=rip)


@pytest.mark.parametrize("member", ["rip", "lip", "service", "user", "domain"])
@pytest.mark.parametrize("value", [None, 5, ["198.51.100.7"], {"a": "b"}, True])
def test_members_that_are_not_text_make_no_login(member, value):
    with pytest.raises(MalformedError, match=f"the report's {member} is not text"):
        read(**{member: value})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100000, b"[]", b'"x"', b"null", b"5", b"9" * 5000, b"{} {}"])
def test_what_is_no_json_object_is_no_report(body):
    with pytest.raises(MalformedError, match="the report is not"):
        LoginReader().login_in(object_of(body))


@pytest.mark.parametrize("user", ['a","rip":"6.6.6.6', "a\nrip=6.6.6.6", "a\0b", "ü\U0001f600", "rip=6.6.6.6", "\ud800"])
@pytest.mark.fault("forged-name")
def test_whatever_a_user_name_holds_does_not_alter_the_address(user):
    login = read(user=user)
    assert login.key == "198.51.100.7"
    login.user.encode()


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_user_and_domain_is_text_that_can_be_written(user, domain):
    login = read(user=user, domain=domain)
    assert login.key == "198.51.100.7"
    assert (login.user, login.domain) == (user, domain)


@given(st.binary(max_size=80))
@pytest.mark.fault("malformed-report")
def test_any_body_is_a_login_or_refused_and_nothing_else(body):
    with pytest.raises((MalformedError, NotRecorded)):
        LoginReader().login_in(object_of(body))


def test_a_network_that_is_none_is_refused_at_once():
    with pytest.raises(MalformedError, match="is not a network"):
        LoginReader(["webmail"])


@pytest.mark.parametrize("mechanism", ["ANONYMOUS", "anonymous", "DOVECOT-TOKEN"])
def test_a_mechanism_without_a_password_is_not_recorded(mechanism):
    with pytest.raises(NotRecorded, match=r"needs no password, user='me@Example\.org'"):
        read(mechanism=mechanism)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "GSSAPI", "EXTERNAL", "", ...])
def test_any_other_mechanism_is(mechanism):
    assert read(mechanism=mechanism).key == "198.51.100.7"


@pytest.mark.parametrize(("field", "reason"), [("nologin", "locked"), ("proxy", "another host")])
@pytest.mark.parametrize("value", ["", "y", "yes", "0"])
def test_a_field_of_the_passdb_that_is_there_counts_even_without_a_value(field, reason, value):
    with pytest.raises(NotRecorded, match=reason):
        read(**{field: value})
    assert read(**{field: "absent"}).key == "198.51.100.7"
    assert read(**{field: ...}).key == "198.51.100.7"


@pytest.mark.parametrize(("fields", "is_prefetched"), [("", False), (..., False), ("1000/home/me", True)])
def test_a_report_tells_whether_the_passdb_gave_the_fields_of_the_userdb(fields, is_prefetched):
    assert read(prefetched=fields).is_prefetched == is_prefetched


@pytest.mark.parametrize(
    "members", [{}, {"service": "smtp"}, {"rip": ""}, {"mechanism": ...}, {"user": "VSMTPrelay-Probe@realm.example"}]
)
def test_a_probe_is_no_login(members):
    with pytest.raises(Probe) as raised:
        read(**{"user": PROBE_USER, "session": "abc", "mechanism": "DOVECOT-TOKEN", **members})
    assert raised.value.session == "abc"
    assert raised.value.mechanism == ("" if "mechanism" in members else "DOVECOT-TOKEN")
