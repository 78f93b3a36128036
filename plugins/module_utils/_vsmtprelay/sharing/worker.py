# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thread of the sharer that does its work again and again, whatever happens to it."""

from __future__ import annotations

import os
import select
import threading
import time

from ..errors import RelayError
from .store import Damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_DELAY = 0.1
LONGEST_DELAY = 1.0


class Wake:
    """Ends the waiting of a thread from another one."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)
        self._lock = threading.Lock()
        self._is_set = False

    def set(self) -> None:
        """Have the present or the next wait() return."""
        with self._lock:
            if not self._is_set:
                self._is_set = True
                os.write(self._writer, b".")

    def wait(self, seconds: float, descriptor: int = -1) -> bool:
        """Wait until set() or ``seconds`` have gone; return whether ``descriptor`` has become readable instead."""
        poll = self._poll
        if descriptor >= 0:
            poll = select.poll()
            poll.register(self._reader, select.POLLIN)
            poll.register(descriptor, select.POLLIN)
        ready = [number for number, _event in poll.poll(max(seconds, 0) * 1000)]
        with self._lock:
            if self._is_set:
                self._is_set = False
                os.read(self._reader, 1)
        return descriptor in ready

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Worker:
    """A thread; a subclass has work(), which returns or raises when it has to begin anew."""

    def __init__(self, name: str, failed: Callable[[str], None], damaged: Callable[[str], None]) -> None:
        """``failed`` is called with the reason when work() failed, ``damaged`` when the store has to be made anew."""
        self.name = name
        self.wake = Wake()
        self.beat = time.monotonic()
        self._failed = failed
        self._damaged = damaged
        self._stopped = threading.Event()
        self._delay = FIRST_DELAY
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Have the thread end as soon as it can."""
        self._stopped.set()
        self.wake.set()
        self.interrupt()

    def join(self, seconds: float) -> bool:
        """Wait for the end; return whether it came within ``seconds``."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def is_stopped(self) -> bool:
        """Whether the thread is to end."""
        return self._stopped.is_set()

    def work(self) -> None:
        """Do the work; alive() says that it goes on, succeeded() that it goes well."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End what the thread waits for, where it does not wait for ``wake``."""

    def alive(self) -> None:
        """Note that the thread does something."""
        self.beat = time.monotonic()

    def succeeded(self) -> None:
        """Note that all is well: the next failure is followed by a short delay."""
        self.alive()
        self._delay = FIRST_DELAY

    def pause(self, seconds: float) -> None:
        """Wait for ``seconds``, or until stop()."""
        self._stopped.wait(seconds)

    def _run(self) -> None:
        while not self.is_stopped:
            began = time.monotonic()
            try:
                self.alive()
                self.work()
            except Damaged as error:
                self._damaged(str(error))
                return
            except RelayError as error:
                self._report(str(error))
            except Exception as error:  # nothing may end the thread
                self._report(f"{self.name}: {type(error).__name__}: {error}")
            # Between the beginnings of two attempts: one that waited for an answer in vain is followed by another at once.
            self.pause(max(self._delay - (time.monotonic() - began), 0.01))
            self._delay = min(self._delay * 2, LONGEST_DELAY)

    def _report(self, reason: str) -> None:
        if not self.is_stopped:
            self._failed(reason)
