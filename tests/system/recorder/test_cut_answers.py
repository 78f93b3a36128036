# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder ends in the middle of an answer: no login fails, since it sends each answer with one send(2).

Dovecot does not take every half answer well. If it has the whole head, and not the whole body when its request times out, its
auth process ends (``Panic: io_add(0x1) called twice``), and the logins that are under way fail. So an answer is cut off at each
byte here, by a recorder that does what the real one never does; HARMFUL are the cuts after which logins fail. They need an
answer in two pieces. Then the recorder ends right before and right after it sends an answer, and nothing else can happen to it.
"""

from __future__ import annotations

import imaplib
import itertools
import json
import poplib
import re
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.http_service import LET_IN
from support.logins import log_in
from support.places import CHECKOUT
from support.waiting import wait_until

from .test_faults import SERVICE, entries, main_pid, said_by_dovecot, wait_for

PROGRAM = CHECKOUT / "tests/system/recorder/in_guest/cut_recorder.py"
IN_GUEST = "/usr/local/lib/cut_recorder.py"
UNIT_FILE = f"/etc/systemd/system/{SERVICE}"
DROP_IN = f"/run/systemd/system/{SERVICE}.d/cut.conf"
CUTS_FILE = "/var/lib/vsmtprelay-recorder/cuts"
# As in cut_recorder.py.
HANGS, CLOSES, IS_KILLED, IS_STOPPED = 200, 201, 202, 203
WAYS = {HANGS: "hangs", CLOSES: "closes", IS_KILLED: "is killed", IS_STOPPED: "is stopped"}
ALL_BYTES = 255  # more than an answer has

# The answer to a login on a connection that stays open.
ANSWER = LET_IN[False]
SIZE = len(ANSWER)
HEAD = ANSWER.index(b"\r\n\r\n") + 4
IN_THE_HEAD = (0, 1, ANSWER.index(b" OK"), ANSWER.index(b"\r\n") + 2, HEAD - 2, HEAD - 1)
IN_THE_BODY = (HEAD, HEAD + 1, (HEAD + SIZE) // 2, SIZE - 1)
CHOICE = (*IN_THE_HEAD, *IN_THE_BODY, SIZE)
# The cuts after which logins fail, by release: a recorder that sends an answer with one write causes none of them.
HARMFUL = {
    "bookworm": {(HANGS, place) for place in range(HEAD, SIZE)},
    "trixie": {(HANGS, place) for place in range(HEAD, SIZE)},
}

RATE = 20
THREADS = 16
AT_ONCE = 6
OUTAGES = 2


class Login(NamedTuple):
    """One login: what the server said against it, or an empty string, and when it was over."""

    address: str
    error: str
    end: float


class Source:
    """An address of the client."""

    def __init__(self, client, address):
        self.namespace = self
        self._client = client
        self._address = address

    def connect(self, host, port, timeout):
        return self._client.namespace.connect(host, port, timeout, self._address)


def attempt(client, server, address):
    try:
        error, _seconds = log_in(server, Source(client, address), "pop3", "alice", "alice-secret")
    except (OSError, EOFError, poplib.error_proto, imaplib.IMAP4.error) as failure:
        error = repr(failure)
    return Login(address, error, time.time())


class Traffic:
    """Logins of others, RATE a second, each from an address of its own, as long as the context lasts."""

    def __init__(self, client, server):
        self._client = client
        self._server = server
        self._numbers = itertools.count(1)
        self._start = time.monotonic()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._under_way = set()
        self._pool = ThreadPoolExecutor(THREADS)
        self.logins = []

    def __enter__(self):
        self._runs = [self._pool.submit(self._run) for _thread in range(THREADS)]
        wait_until(lambda: len(self.logins) > RATE // 4)
        return self

    def __exit__(self, *error):
        self._is_over.set()
        self._pool.shutdown()
        for run in self._runs:
            run.result()

    def _run(self):
        while True:
            with self._lock:
                number = next(self._numbers)
            if self._is_over.wait(max(self._start + number / RATE - time.monotonic(), 0)):
                return
            self._under_way.add(number)
            self.logins.append(attempt(self._client, self._server, f"198.18.{number >> 8}.{number & 255}"))
            self._under_way.discard(number)

    def settle(self):
        """Return when all logins that are under way now are over."""
        waiting = set(self._under_way)
        wait_until(lambda: waiting.isdisjoint(self._under_way))


class Cut(NamedTuple):
    """Where answers were cut at the same time, in which way, the logins from there, and from when to when."""

    way: int
    places: tuple[int, ...]
    logins: list[Login]
    start: float
    end: float

    def count(self, times: Iterable[float]) -> int:
        return sum(self.start <= each < self.end for each in times)


class CutRecorder:
    """A host whose recorder's answers are cut."""

    def __init__(self, host, client):
        self.host = host
        self._client = client

    def cuts(self):
        """Return the way and the size of what was sent of each cut."""
        file = self.host.path(CUTS_FILE)
        return [tuple(map(int, line.split())) for line in file.read_text().splitlines()] if file.exists() else []

    def cut(self, way, places, traffic):
        """Log in from where answers are cut like that, all at once, until each was cut; return a Cut."""
        logins, start, before = [], time.time(), len(self.cuts())
        deadline = time.monotonic() + 20
        with ThreadPoolExecutor(len(places)) as pool:
            while missing := [place for place in places if (way, place) not in {each[:2] for each in self.cuts()[before:]}]:
                # The next recorder may not have started yet, or Dovecot waits until it connects again.
                assert time.monotonic() < deadline, f"{WAYS[way]}: not cut at {missing}"
                addresses = [f"198.18.{way}.{place}" for place in missing]
                logins += pool.map(lambda address: attempt(self._client, self.host.address4, address), addresses)
        traffic.settle()
        return Cut(way, places, logins, start, time.time())


class End(NamedTuple):
    """When an auth process of Dovecot ended by itself, and what Dovecot's master process says about it."""

    time: float
    how: str


def ends_of_auth(host, since):
    host.run(["journalctl", "--sync"])
    options = ["--unit=dovecot.service", "--output=json", "--no-pager", f"--since=@{int(since)}"]
    ends = []
    for line in map(json.loads, host.run(["journalctl", *options]).stdout.splitlines()):
        found = re.search(r"service\(auth\): child \d+ (killed with signal \d+|died|returned)", str(line["MESSAGE"]))
        if found:
            ends.append(End(int(line["__REALTIME_TIMESTAMP"]) / 1e6, found[1]))
    return ends


def state(host):
    """Return what the unit runs, and whether it does."""
    host.run(["systemctl", "start", SERVICE])
    shown = host.run(["systemctl", "show", "--property=ActiveState,DropInPaths", SERVICE]).stdout
    pid = main_pid(host)
    return shown, host.read(f"/proc/{pid}/cmdline")


@pytest.fixture
def recorder(host, client):
    """The host with a recorder that cuts its answers; afterwards the real one runs as before."""
    before = state(host)
    unit = host.read(UNIT_FILE)
    arguments = re.search(r"^ExecStart=\S+(.*)$", unit, re.MULTILINE).group(1)
    host.write(IN_GUEST, PROGRAM.read_text(encoding="utf-8"))
    host.path(DROP_IN).parent.mkdir(parents=True, exist_ok=True)
    try:
        host.write(DROP_IN, f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 -I {IN_GUEST}{arguments}\n")
        restart(host)
        assert IN_GUEST in host.read(f"/proc/{main_pid(host)}/cmdline")
        yield CutRecorder(host, client)
    finally:
        host.run(["rm", "-rf", DROP_IN.rpartition("/")[0], IN_GUEST, CUTS_FILE])
        restart(host)
    assert state(host) == before
    address = "198.18.254.1"
    assert attempt(client, host.address4, address).error == ""
    wait_until(lambda: address in entries(host))


def restart(host):
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "restart", SERVICE])


def errors(logins):
    return [login for login in logins if login.error]


def batches(way, places, harmful):
    """Return what is cut at the same time: each of the harmful places alone, and AT_ONCE of the others."""
    harmless = [place for place in places if (way, place) not in harmful]
    alone = [(place,) for place in places if (way, place) in harmful]
    return [*(tuple(harmless[first : first + AT_ONCE]) for first in range(0, len(harmless), AT_ONCE)), *alone]


def test_an_answer_that_is_cut_fails_logins_only_if_it_ends_after_its_head_and_the_connection_stays(recorder, client, full):
    host, harmful = recorder.host, HARMFUL[recorder.host.release]
    places = range(SIZE + 1) if full else CHOICE
    start = time.time()
    with Traffic(client, host.address4) as traffic:
        done = [recorder.cut(way, batch, traffic) for way in (CLOSES, HANGS) for batch in batches(way, places, harmful)]
    ends = [end.time for end in ends_of_auth(host, start)]
    failed = errors([*traffic.logins, *itertools.chain.from_iterable(each.logins for each in done)])
    times = [login.end for login in failed]
    for way, are_harmful in ((CLOSES, False), (HANGS, False), (HANGS, True)):
        those = [each for each in done if each.way == way and ((way, each.places[0]) in harmful) == are_harmful]
        print(
            f"{host.release}: {WAYS[way]} {'between head and end' if are_harmful else 'elsewhere'}: "
            f"{sum(len(each.places) for each in those)} places, {sum(each.count(times) for each in those)} logins failed, "
            f"auth ended {sum(each.count(ends) for each in those)} times"
        )
    print(
        f"{host.release}: {len(recorder.cuts())} cuts at {len(places)} places during {len(traffic.logins)} other logins: "
        f"{len(failed)} logins failed, auth ended {len(ends)} times"
    )
    # What a recorder cannot cause that sends an answer with one write, and nothing else.
    suffered = {(each.way, place) for each in done if each.count(times) or each.count(ends) for place in each.places}
    assert suffered == {(each.way, place) for each in done for place in each.places} & harmful
    # None of them before or after the cuts.
    assert sum(each.count(times) for each in done) == len(failed)
    assert sum(each.count(ends) for each in done) == len(ends)


@pytest.mark.fault("recorder-killed", "recorder-hanging")
def test_a_recorder_that_ends_right_before_or_after_it_sends_an_answer_fails_no_login(recorder, client, full):
    host = recorder.host
    start = time.time()
    cut, missing = [], set()
    with Traffic(client, host.address4) as traffic:
        for way, place in itertools.product((IS_KILLED, IS_STOPPED), (0, ALL_BYTES)):
            for _outage in range((OUTAGES if way == IS_KILLED else 1) * (5 if full else 1)):
                cut += recorder.cut(way, (place,), traffic).logins
                # Not one outage after the other: Dovecot 2.3 reports 100 logins while nobody answers, and no more.
                missing |= wait_for(host, {login.address for login in [*traffic.logins, *cut] if not login.error} - missing)
    logins = [*traffic.logins, *cut]
    missing = wait_for(host, {login.address for login in logins if not login.error})
    cuts, ends = recorder.cuts(), ends_of_auth(host, start)
    for way in (IS_KILLED, IS_STOPPED):
        before, after = (sum(each[:2] == (way, place) for each in cuts) for place in (0, ALL_BYTES))
        print(f"{host.release}: {WAYS[way]} {before} times right before it sends an answer, {after} times right after")
    print(
        f"{host.release}: the recorder ended {len(cuts)} times during {len(logins)} logins: "
        f"{len(errors(logins))} failed, {len(missing)} not recorded, auth ended {len(ends)} times"
    )
    # Each answer was sent with one call.
    assert {size for _way, _place, size in cuts} == {SIZE}
    # Dovecot 2.4.1's also ended if a killed recorder left a question about an account.
    assert ends == [], said_by_dovecot(host)
    assert errors(logins) == [], said_by_dovecot(host)
    # As when it is killed at any instant: the one that was being read then.
    assert len(missing) <= len(cuts)
