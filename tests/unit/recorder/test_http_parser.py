# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client says is parsed alike by both libraries, in whatever pieces it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.h11_parser import H11Parser
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.http_parser import (
    LARGEST_BODY,
    LONGEST_HEAD,
    Request,
    TooLargeRequest,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.httptools_parser import HttptoolsParser

PARSERS = [HttptoolsParser, H11Parser]
# As Dovecot 2.3 and Dovecot 2.4 write them.
OLD = (
    b"POST /login?command=allow HTTP/1.1\r\nHost: 127.0.0.1:785\r\nDate: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
    b"User-Agent: dovecot/auth-policy-client\r\nX-API-Key:secret\r\nContent-Type: application/json\r\n"
    b"Connection: Keep-Alive\r\nContent-Length: 4\r\n\r\nbody"
)
NEW = OLD.replace(b"POST /login", b"POST http://vsmtprelay.invalid/login").replace(b"X-API-Key:secret\r\n", b"")
PARSED_OLD = Request("POST", "/login", "command=allow", (b"secret",), b"body", False)
PARSED_NEW = PARSED_OLD._replace(keys=())


@pytest.fixture(params=PARSERS)
def parser(request):
    return request.param()


def feed_all(parser, pieces):
    for piece in pieces:
        parser.feed(piece)


def test_reports_of_both_dovecots_are_parsed_one_after_the_other(parser):
    assert parser.feed(OLD) == [PARSED_OLD]
    assert parser.feed(NEW + OLD) == [PARSED_NEW, PARSED_OLD]


@given(st.sampled_from(PARSERS), st.lists(st.integers(0, len(OLD) + len(NEW)), max_size=8))
def test_the_pieces_in_which_it_comes_make_no_difference(parser, cuts):
    said, parser, found = OLD + NEW, parser(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(said)], strict=True):
        if start < end:
            found += parser.feed(said[start:end])
    assert found == [PARSED_OLD, PARSED_NEW]


def test_the_keys_are_known_before_the_body(parser):
    assert parser.keys is None
    assert parser.feed(OLD[:-4]) == []
    assert parser.keys == (b"secret",)


def test_all_keys_count_whatever_their_case(parser):
    assert parser.feed(OLD.replace(b"X-API-Key:secret", b"x-api-key: a\r\nX-Api-Key:b"))[0].keys == (b"a", b"b")


# Basic authorization of the user a: the password "secret", an empty one, with colons, and what is malformed or of another kind.
@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b"Basic YTpzZWNyZXQ=", b"secret"),
        (b"basic  YTpzZWNyZXQ=", b"secret"),
        (b"Basic YTo=", b""),
        (b"Basic YTpiOmM=", b"b:c"),
        (b"Basic c2VjcmV0", b""),
        (b"Basic YTpzZWNyZX", b""),
        (b"Basic \xff", b""),
        (b"Basic", b""),
        (b"Bearer secret", b""),
        (b"secret", b""),
    ],
)
def test_a_password_is_a_key_as_dovecot_sends_it_from_a_url(parser, value, key):
    assert parser.feed(OLD.replace(b"X-API-Key:secret", b"Authorization: " + value))[0].keys == (key,)


def test_a_key_and_a_password_are_two_keys(parser):
    said = OLD.replace(b"X-API-Key:secret", b"X-API-Key: secret\r\nAuthorization: Basic YTpzZWNyZXQ=")
    assert parser.feed(said)[0].keys == (b"secret", b"secret")


def test_a_chunked_body_is_put_together(parser):
    said = OLD.replace(b"Content-Length: 4\r\n\r\nbody", b"Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")
    assert parser.feed(said) == [PARSED_OLD]


@pytest.mark.parametrize(
    "said", [OLD.replace(b"Keep-Alive", b"close"), OLD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Keep-Alive", b"x")]
)
def test_who_wants_the_connection_closed_says_so(parser, said):
    assert parser.feed(said) == [PARSED_OLD._replace(is_last=True)]


@pytest.mark.parametrize("target", [b"*", b"http:", b"", b"x"])
def test_another_target_is_no_error_and_no_path_of_ours(parser, target):
    try:
        found = parser.feed(OLD.replace(b"/login?command=allow", target))
    except MalformedError:
        return
    assert [request.path for request in found] in ([], ["/"])


@pytest.mark.parametrize(
    "said", [b"\x80" * 100, b"\r\n" * 10 + b"\0", b"GET\r\n\r\n", OLD.replace(b"HTTP/1.1", b"HTTP/x"), b"\x16\x03\x01"]
)
def test_what_is_not_http_is_an_error(parser, said):
    with pytest.raises(MalformedError):
        parser.feed(said + b"\r\n\r\n")


def test_a_head_without_an_end_is_an_error(parser):
    piece = b"X-Header: " + b"x" * 200 + b"\r\n"
    parser.feed(OLD.partition(b"Content-Type")[0])
    with pytest.raises(MalformedError):
        feed_all(parser, [piece] * (LONGEST_HEAD // len(piece) + 2))


@pytest.mark.parametrize("pieces", [1, 10])
def test_a_body_that_is_too_large_is_an_error_of_its_own(parser, pieces):
    body = b"x" * (LARGEST_BODY + 10)
    size = len(body) // pieces
    head = OLD.replace(b"Content-Length: 4\r\n\r\nbody", b"Content-Length: %d\r\n\r\n" % len(body))
    parser.feed(head)
    with pytest.raises(TooLargeRequest):
        feed_all(parser, [body[at : at + size] for at in range(0, len(body), size)])


def test_a_body_of_the_largest_size_is_none(parser):
    body = b"x" * LARGEST_BODY
    (request,) = parser.feed(OLD.replace(b"Content-Length: 4\r\n\r\nbody", b"Content-Length: %d\r\n\r\n%b" % (len(body), body)))
    assert request.body == body
