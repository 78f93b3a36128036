# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in many times, each time from another address of a network that belongs to this host, and say how it went.

A program of its own (``python -m support.logins``), since it runs inside a client's network. Prints a JSON list with, for each
login, ``address``, ``protocol``, ``ok``, ``at`` (epoch seconds of the answer), ``seconds`` from the password to the answer, and
with ``--relay`` whether a new SMTP session right after it was ``refused``.
"""

from __future__ import annotations

import argparse
import imaplib
import ipaddress
import json
import poplib
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from support.mail import PORTS, Imap4, Pop3, rcpt

PATIENCE_SECONDS = 60


class Source:
    """An address of this host, which stands in for a client of the test bed."""

    def __init__(self, address: str) -> None:
        self.namespace = self
        self._address = address

    def connect(self, address: str, port: int, timeout: float) -> socket.socket:
        """Return a connection that comes from there."""
        return socket.create_connection((address, port), timeout, source_address=(self._address, 0))


def log_in(server: str, source: Source, protocol: str, user: str, password: str) -> tuple[str, float]:
    """Return what the server said against the login, "" if nothing, and the seconds from the password to the answer."""
    if protocol.startswith("pop3"):
        session: Pop3 | Imap4 = Pop3(source, server, PORTS[protocol])
        session.user(user)
        give, leave = partial(session.pass_, password), session.quit
    else:
        session = Imap4(source, server, PORTS[protocol])
        give, leave = partial(session.login, user, password), session.logout
    start = time.monotonic()
    try:
        give()
    except (poplib.error_proto, imaplib.IMAP4.error) as error:
        session.sock.close()
        return str(error), time.monotonic() - start
    taken = time.monotonic() - start
    leave()
    return "", taken


class Work:
    """What one thread after the other takes on: the next address, not before its time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._addresses = self._next_addresses()
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._given = 0

    def _next_addresses(self) -> Iterator[str]:
        network = ipaddress.ip_network(self._options.network)
        for number in range(self._options.count):
            yield str(network[self._options.first + number])

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while True:
            with self._lock:
                address = next(self._addresses, None)
                number = self._given
                self._given += 1
            if address is None:
                return
            if self._options.rate:
                time.sleep(max(self._start + number / self._options.rate - time.monotonic(), 0))
            yield number, address


def one(options: argparse.Namespace, number: int, address: str) -> dict[str, object]:
    """Log in once; return what is printed of it."""
    protocol = options.protocol[number % len(options.protocol)]
    try:
        error, seconds = log_in(options.server, Source(address), protocol, options.user, options.password)
        result = {"address": address, "protocol": protocol, "ok": not error, "seconds": seconds, "error": error}
        result["at"] = time.time()
        if options.relay:
            result["refused"] = rcpt(Source(address), options.server)[0] != 250
    except (OSError, EOFError, smtplib.SMTPException, poplib.error_proto, imaplib.IMAP4.error) as error:
        result = {"address": address, "protocol": protocol, "ok": False, "seconds": PATIENCE_SECONDS, "error": repr(error)}
    return result


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="its address")
    parser.add_argument("--network", required=True, help="the addresses to come from")
    parser.add_argument("--first", type=int, default=1, help="the number of the first address in it")
    parser.add_argument("--count", type=int, required=True, help="how many logins")
    parser.add_argument("--rate", type=float, help="logins a second (default: as many as there can be)")
    parser.add_argument("--threads", type=int, default=1, help="so many at a time")
    parser.add_argument("--protocol", action="append", choices=list(PORTS), help="one or more, in turn (default: pop3)")
    parser.add_argument("--user", default="alice")
    parser.add_argument("--password", default="alice-secret")
    parser.add_argument("--relay", action="store_true", help="try to relay right after the login")
    options = parser.parse_args()
    options.protocol = options.protocol or ["pop3"]
    work = Work(options)
    results: list[dict[str, object]] = []

    def run() -> None:
        for number, address in work:
            results.append(one(options, number, address))

    with ThreadPoolExecutor(options.threads) as threads:
        for done in [threads.submit(run) for _thread in range(options.threads)]:
            done.result()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
