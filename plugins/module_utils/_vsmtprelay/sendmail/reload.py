# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Daemons reread their configuration, all at the same time; one that does not start with the new one gets the old one back."""

from __future__ import annotations

from ..errors import BusyError, RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .daemon import Daemon


def _nothing(_path: str) -> bool:
    return False


def reload(daemons: Iterable[Daemon], restore: Callable[[str], bool] = _nothing) -> tuple[list[str], list[str]]:
    """Reload all ``daemons`` in parallel, and wait for them.

    Returns the paths of the configurations that were reread, and a message for each daemon that could not be
    signalled, must not be, or did not come back. Daemons that do not run are left alone. ``restore`` is called with the
    configuration of each daemon that did not come back: it restores the old file and returns whether there
    was one, and the daemon is started with it.
    """
    waiting, done, failures = [], [], []
    for daemon in daemons:
        try:
            before = daemon.request_reload()
        except RelayError as error:
            failures.append(str(error))
            continue
        if before is not None:
            waiting.append((daemon, before))
    for daemon, before in waiting:
        try:
            daemon.wait_until_back(before)
            done.append(daemon.path)
        except BusyError as error:
            failures.append(f"{error} after SIGHUP; {_outcome(daemon, restore)}; look into the mail log")
    return done, failures


def foresee(daemons: Iterable[Daemon]) -> tuple[list[str], list[str]]:
    """Return what reload() would if each daemon that may be signalled came back; none is signalled."""
    paths, failures = [], []
    for daemon in daemons:
        refusal = daemon.refusal()
        if refusal:
            failures.append(refusal)
        else:
            paths.append(daemon.path)
    return paths, failures


def _outcome(daemon: Daemon, restore: Callable[[str], bool]) -> str:
    """Restore the old configuration of a daemon that did not come back, and return the outcome as text."""
    try:
        if not restore(daemon.path):
            return "start it by hand"
        daemon.start_again()
    except RelayError as error:
        return f"with the old file it does not come back either ({error}): start it by hand"
    return "the old file is in place again, and it runs with that"
