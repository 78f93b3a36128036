# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparer: finds in the databases what no event said: after a crash, a restored backup, or a full outbox."""

from __future__ import annotations

import threading
import time

from .log import INFORMATION, WARNING, say
from .recorder_client import NoEntries, RecorderClient
from .requests import MOST_EVENTS
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .clock import Clock
    from .configuration import Configuration
    from .status import Status
    from .store import Difference, Store

SECONDS_BETWEEN = 600.0
# The recorder keeps what it reads out for some seconds only.
ATTEMPTS = 3
# The recorder hands out a renewal so long after it has written it, at the most.
HANDOUT_SECONDS = 1.0
LOOK_SECONDS = 0.05
# The name of the note in the store.
BOOT = "boot"


class Comparer(Worker):
    """Compares the databases with the store: at its start, when asked, and from time to time."""

    def __init__(
        self,
        path: str,
        configuration: Configuration,
        store: Store,
        status: Status,
        clock: Clock,
        damaged: Callable[[str], None],
    ) -> None:
        """``path`` is the recorder's socket."""
        super().__init__("compare the databases", status.recorder_failed, damaged)
        self._client = RecorderClient(path)
        self._store = store
        self._clock = clock
        self._servers = [server.name for server in configuration.servers]
        self._lock = threading.Lock()
        self._waiting = dict.fromkeys(self._servers)
        # Returns the recorder's instance, and the number of its last event that is in the store.
        self.taken: Callable[[], tuple[str, int]] = lambda: ("", 0)
        self._boot = store.note(BOOT)
        self._last = time.monotonic()

    def compare(self, server: str) -> None:
        """Have the database of ``server`` compared, if it is shared."""
        if server in self._servers:
            with self._lock:
                self._waiting[server] = None
            self.wake.set()

    def compare_all(self) -> None:
        """Have all databases compared."""
        for server in self._servers:
            self.compare(server)

    def boot_is(self, boot: str) -> None:
        """Note the identifier of this start of the host: with another one, the outbox may have lost its end."""
        if boot != self._boot:
            self._boot = boot
            self.compare_all()

    def interrupt(self) -> None:
        """End the waiting for entries."""
        self._client.close()

    def work(self) -> None:
        """Compare what waits."""
        while not self.is_stopped:
            with self._lock:
                servers, boot = list(self._waiting), self._boot
            for server in servers:
                # An event that asks for it meanwhile has it compared again.
                with self._lock:
                    self._waiting.pop(server, None)
                try:
                    self._compare(server)
                except BaseException:
                    self.compare(server)
                    raise
            if boot and boot != self._store.note(BOOT) and not self._waiting:
                self._store.keep_note(BOOT, boot)
            self.succeeded()
            rest = self._last + SECONDS_BETWEEN - time.monotonic()
            if rest <= 0:
                self._last = time.monotonic()
                self.compare_all()
            elif not self._waiting:
                self.wake.wait(min(rest, 60.0))

    def _compare(self, server: str) -> None:
        reason = ""
        for _attempt in range(ATTEMPTS):
            try:
                logins, revoked = self._compare_pages(server)
            except NoEntries as error:
                reason = str(error)
                continue
            if logins or revoked:
                say(INFORMATION, f"{server}: its database had {logins} logins that were not shared, and {revoked} revoked ones")
            return
        say(WARNING, f"{server}: its database is not compared: {reason}")

    def _compare_pages(self, server: str) -> tuple[int, int]:
        page, pages, logins, revoked = 0, 1, 0, 0
        doubtful: list[tuple[str, int]] = []
        while page < pages and not self.is_stopped:
            pages, entries = self._client.entries(server, page)
            found = self._take(server, entries, False)
            logins, revoked = logins + found.logins, revoked + found.revoked
            doubtful += found.doubtful
            page += 1
            self.alive()
        if doubtful and self._have_all_events():
            found = self._take(server, doubtful, True)
            logins, revoked = logins + found.logins, revoked + found.revoked
        return logins, revoked

    def _take(self, server: str, entries: Iterable[tuple[str, int]], are_all_known: bool) -> Difference:
        with self._clock.lock:
            self._clock.follow()
            return self._store.compare(server, entries, self._clock.now(), are_all_known)

    def _have_all_events(self) -> bool:
        """Wait until all events are in the store that there are by now; return False if there is an end to it all."""
        self.pause(HANDOUT_SECONDS)
        while not self.is_stopped:
            # Of no instance, so that it acknowledges nothing.
            outbox = self._client.outbox("", 0, 0)
            if not outbox.events:
                return True
            number = outbox.events[-1][0]
            instance, taken = self.taken()
            if instance == outbox.instance and taken >= number and len(outbox.events) < MOST_EVENTS:
                return True
            self.alive()
            self.pause(LOOK_SECONDS)
        return False
