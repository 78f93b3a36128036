# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several kinds share: an option, the test bed, and a client in it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from guests import Lab
from support import kept_journals
from support.places import CHECKOUT

# Tests of these directories are about logins on mail hosts.
WITH_KEPT_JOURNALS = [Path(__file__).parent / name for name in ("recorder", "logins", "hostile_owner", "sharing")]
JOURNALS = CHECKOUT / ".build" / "log" / "journals"
LAB = pytest.StashKey[Lab]()
BEGIN = pytest.StashKey[float]()


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the heavy tests at full size instead of one that fits make test")


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(*keys): tests the rows of docs/failures.md with these keys")
    config.addinivalue_line("markers", "full: runs only with --full")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="only with --full"))


@pytest.fixture(scope="session")
def full(request):
    return request.config.getoption("--full")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.stash[BEGIN] = time.time()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Keep the journals of all hosts that are up if a test or a fixture fails, and say where in the report."""
    report = yield
    lab = item.session.stash.get(LAB, None)
    if report.failed and lab and any(directory in item.path.parents for directory in WITH_KEPT_JOURNALS):
        try:
            files = kept_journals.keep(lab.running_or_died(), item.nodeid, item.stash[BEGIN], JOURNALS)
            words = "\n".join(map(str, files)) or "none: there is no host"
        except Exception as error:  # the failure of the test is what matters
            words = f"none: {error!r}"
        report.sections.append((f"journals of {', '.join(kept_journals.UNITS)} since the test's start", words))
    return report


@pytest.fixture(scope="session")
def lab(request):
    with Lab() as lab:
        request.session.stash[LAB] = lab
        yield lab
        del request.session.stash[LAB]


@pytest.fixture(scope="session")
def reader(lab):
    """A client of somebody who reads mail."""
    return lab.client("reader", address4="192.0.2.101", address6="2001:db8:99::101")


@pytest.fixture(scope="session")
def client(lab):
    """A client that may use any address of 198.18.0.0/16, which RFC 2544 sets aside for measurements."""
    client = lab.client("many", address4="192.0.2.150", address6="2001:db8:99::150")
    client.namespace.ip("route replace local 198.18.0.0/16 dev lo")
    return client
