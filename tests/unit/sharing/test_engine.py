# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to an engine: whoever cannot have one is told why, and what to do, within a few seconds."""

from __future__ import annotations

import socket
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import engine as engine_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.configuration import Engine
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine import Connection, Lost

from .conftest import secret_of

USER, SECRET = "mail1-pub", secret_of("mail1")


def said(host, port, ca, secret=SECRET, user=USER):
    """Return why there is no connection."""
    with pytest.raises(Lost) as raised:
        Connection(Engine(host, port), user, secret, ca)
    return str(raised.value)


def unresolved(*_words, **_more):
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_a_name_that_does_not_resolve_is_to_be_corrected(engine, monkeypatch):
    started = engine()
    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    message = said("engine.example", started.port, started.ca)
    assert message.startswith(f"engine.example:{started.port}: ")
    assert message.endswith("; correct its name in pop_before_smtp_engines, or have this host resolve it")


def test_nobody_at_the_port_is_a_matter_of_the_service_and_the_network(engine):
    started = engine()
    started.stop()
    assert said("localhost", started.port, started.ca).endswith("; see the service and the network there")


def test_a_wrong_secret_and_an_unknown_user_are_given_to_the_engine_by_its_playbook(engine):
    started = engine()
    for user, secret in ((USER, "0" * 64), ("mail9-pub", secret_of("mail9"))):
        message = said("localhost", started.port, started.ca, secret, user)
        assert message.endswith(
            f"; give the engine the user {user} with this host's secret: run the playbook vsmtp.relay.engine"
        )
        assert secret not in message


@pytest.mark.parametrize("wrong", ["the name", "the issuer"])
def test_a_certificate_of_another_name_or_issuer_is_refused(engine, wrong):
    started, other = engine(), engine()
    host, ca = ("127.0.0.1", started.ca) if wrong == "the name" else ("localhost", other.ca)
    assert said(host, started.port, ca).endswith(f"; check the name and the issuer of its certificate against {ca}")


def test_a_certificate_of_the_issuer_that_is_missing_is_written_by_the_playbook(engine, tmp_path):
    missing = str(tmp_path / "ca.pem")
    message = said("localhost", engine().port, missing)
    assert message.endswith(f"{missing} cannot be read; run the playbook vsmtp.relay.engine, which writes it")


def test_an_engine_that_takes_a_connection_and_says_nothing_is_given_up(engine):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        message = said("localhost", silent.getsockname()[1], engine().ca)
        # Longer than it may take, and far less than for ever.
        assert time.monotonic() - began < 10 * engine_module.ANSWER_SECONDS
    assert message.endswith("; see the service and the network there")
