# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of each Debian release with three virtual servers: of Mallory, who wants to become root, of Victor, and of root."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from .host import Host

# The last one is for --full. The numbers are the last parts of the addresses of Mallory's and of Victor's server.
RELEASES = {"bookworm": 60, "trixie": 70, "bullseye": 80}
ATTEMPTS, CHANGED, RAN, HELD_UP, SWAPS = (
    "attempts",
    "files of root and others changed",
    "programs of the owner run as another user",
    "runs held up",
    "swaps of files",
)


# By default, what depends on the kernel and the C library is tried on the first two releases, and the rest on the first one.
ON_TWO = ("test_races",)


def releases(config, module=ON_TWO[0]):
    """Return the releases that the tests of ``module`` need."""
    return list(RELEASES)[: None if config.getoption("--full") else 2 if module in ON_TWO else 1]


def pytest_generate_tests(metafunc):
    if "host" in metafunc.fixturenames:
        names = releases(metafunc.config, metafunc.module.__name__.rpartition(".")[2])
        metafunc.parametrize("host", names, indirect=True)


@pytest.fixture(scope="session")
def counts():
    """What was done, by name; printed at the end."""
    counts = Counter(dict.fromkeys((ATTEMPTS, CHANGED, RAN, HELD_UP, SWAPS), 0))
    yield counts
    print("\nhostile owner: " + ", ".join(f"{name} {number}" for name, number in counts.items()))


@pytest.fixture(scope="session")
def seconds(counts):
    """The seconds that each test took, by its name; printed at the end."""
    seconds = defaultdict(float)
    yield seconds
    print("\nhostile owner: " + ", ".join(f"{name} {spent:.0f} s" for name, spent in seconds.items()), end="")


@pytest.fixture(autouse=True)
def _timed(request, seconds):
    begin = time.monotonic()
    yield
    seconds[request.node.originalname.removeprefix("test_").replace("_", " ")] += time.monotonic() - begin


@pytest.fixture(scope="session")
def hosts(request, lab, client, seconds):
    """The hosts of the selected tests by release, set up by the role."""
    begin = time.monotonic()
    selected = {item.callspec.params.get("host") for item in request.session.items if hasattr(item, "callspec")}
    hosts = {release: Host(lab, release, number) for release, number in RELEASES.items() if release in selected}
    lab.boot(host.guest for host in hosts.values())

    def set_up(host):
        host.guest.run(["ip", "route", "add", "198.18.0.0/16", "via", client.address4])
        host.prepare()

    with ThreadPoolExecutor() as pool:
        list(pool.map(set_up, hosts.values()))
    seconds["setting the hosts up"] = time.monotonic() - begin
    return hosts


@pytest.fixture
def host(request, hosts):
    """Each of the hosts in turn, with stock files."""
    host = hosts[request.param]
    for user in ("mallory", "victor"):
        host.restore(user)
    return host


@pytest.fixture
def unchanged(host, counts):
    """Check after the test that it has changed no file of others, and that nothing in Mallory's tree belongs to others."""
    before = host.files_of_others()
    yield
    changed = host.changed_since(before)
    counts[CHANGED] += len(changed)
    assert not changed
    assert host.strange() == ""
