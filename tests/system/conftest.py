# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several kinds share: an option, the test bed, and a client in it."""

from __future__ import annotations

import pytest

from guests import Lab


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the heavy tests at full size instead of one that fits make test")


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(*keys): tests the rows of docs/failures.md with these keys")


@pytest.fixture(scope="session")
def full(request):
    return request.config.getoption("--full")


@pytest.fixture(scope="session")
def lab():
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="session")
def reader(lab):
    """A client of somebody who reads mail."""
    return lab.client("reader", address4="192.0.2.101", address6="2001:db8:99::101")


@pytest.fixture(scope="session")
def client(lab):
    """A client that may use any address of 198.18.0.0/16, which RFC 2544 sets aside for measurements."""
    client = lab.client("many", address4="192.0.2.150", address6="2001:db8:99::150")
    client.namespace.ip("route add local 198.18.0.0/16 dev lo")
    return client
