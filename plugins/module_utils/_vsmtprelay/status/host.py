# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of this host: its virtual servers, its recorder, the sharing of its logins and its last expiry.

The module relay_status_info returns it, and ``vsmtprelay status`` prints it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .. import programs
from ..database.in_turn import in_turn
from ..errors import ForbiddenError, RelayError
from ..recorder import counts_file
from ..recorder.proof import prove
from ..role.variables import last_run
from ..sharing import status_text
from ..sharing.status import DIRECTORY as SHARE_DIRECTORY
from . import last_expiry, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..database.locks import Deadline
    from ..servers.virtual_servers import VirtualServer

UNITS = ("vsmtprelay-recorder.socket", "vsmtprelay-recorder.service")
SHARE_UNIT = "vsmtprelay-share.service"
NO_RULESET = "none"
UNKNOWN = "unknown"
RESTARTS = "NRestarts="


class Recorder(NamedTuple):
    """The ``word`` for the recorder, the ``faults`` because of which logins are not recorded, and what is ``unknown``.

    ``restarts`` is how often systemd restarted it since it was started, ``proven`` whether a login that was tried at the main
    Dovecot reached it, or None if none was tried. ``counts`` are the numbers of its events of each kind ``since`` it started
    (epoch seconds), or None if they are not known.
    """

    word: str
    faults: Sequence[str] = ()
    unknown: Sequence[str] = ()
    restarts: int = 0
    proven: bool | None = None
    counts: Mapping[str, int] | None = None


def of_host(servers: Sequence[VirtualServer], now: int, lock_seconds: float, quietly: bool = False) -> dict[str, Any]:
    """Return the state of this host with ``servers`` at ``now`` (epoch seconds).

    The members are what the module relay_status_info returns: ``recorder``, ``recorder_faults``, ``recorder_restarts``,
    ``recorder_proven``, ``recorder_counts``, ``expiry``, ``sharing``, ``virtual_servers``, and ``unknown``, a sentence for each
    thing that only root can know, empty for root. All databases together are waited for ``lock_seconds``. ``quietly`` is as for
    proof.prove(), for who asks again and again. Raises RelayError if systemctl cannot be run.
    """
    night, logins, shared = expiry(now), recorder(quietly), sharing(now)
    states, unknown = states_of(servers, now, lock_seconds)
    return {
        "recorder": logins.word,
        "recorder_faults": list(logins.faults),
        "recorder_restarts": logins.restarts,
        "recorder_proven": logins.proven,
        "recorder_counts": logins.counts,
        "expiry": night,
        "sharing": shared,
        "virtual_servers": states,
        "unknown": [*logins.unknown, *unknown],
    }


def recorder(quietly: bool = False) -> Recorder:
    """Return the state of the recorder, and why logins are not recorded although it runs.

    ``quietly`` is as for proof.prove(). Raises RelayError if systemctl cannot be run.
    """
    command = ["systemctl", "show", "--property", "LoadState,ActiveState,NRestarts", "--", *UNITS]
    lines = programs.run(command, programs.SECONDS_TO_REPORT).text.splitlines()
    state = _state_of_recorder(lines, quietly)
    return state if state.word in ("none", "down") else state._replace(counts=_counts())


def _state_of_recorder(lines: Sequence[str], quietly: bool) -> Recorder:
    if "LoadState=loaded" not in lines:
        return Recorder("none")
    restarts = sum(int(line[len(RESTARTS) :]) for line in lines if line.startswith(RESTARTS))
    if lines.count("ActiveState=active") != len(UNITS):
        return Recorder("down", restarts=restarts)
    reports = last_run().variables.get("recorder", "dovecot")
    if reports == "none":
        return Recorder("shared", restarts=restarts)
    if reports != "dovecot":
        return Recorder("up", restarts=restarts)
    if os.geteuid() != 0:
        return Recorder("unproven", unknown=["only root can prove that Dovecot reports logins"], restarts=restarts)
    proof = prove(quietly=quietly)
    if not any(proof):
        return Recorder("unproven", ["no Dovecot runs, so no login is recorded; start it"], restarts=restarts, proven=False)
    word = "unproven" if proof.faults else "up"
    return Recorder(word, proof.faults + proof.others, restarts=restarts, proven=not proof.faults)


def _counts() -> dict[str, int] | None:
    """Return what the recorder has counted since it started, or None if that is not known, as to an ordinary user."""
    try:
        found = counts_file.load()
    except RelayError:
        return None
    return None if found is None else {"since": found["started"], **counts_file.totals_of(found)}


def sharing(now: int) -> dict[str, Any] | None:
    """Return what the sharer does, as its status file has it, or None if this host does not share its logins.

    ``fault`` is the reason why nothing more is known, or empty. Raises RelayError if systemctl cannot be run.
    """
    command = ["systemctl", "show", "--property", "LoadState,ActiveState", "--", SHARE_UNIT]
    lines = programs.run(command, programs.SECONDS_TO_REPORT).text.splitlines()
    if "LoadState=loaded" not in lines:
        return None
    if "ActiveState=active" not in lines:
        return {"fault": f"logins are not shared: {SHARE_UNIT} is down; look into journalctl --unit={SHARE_UNIT}"}
    try:
        members = status_text.load(SHARE_DIRECTORY)
        age = now - members["written"]
    except (RelayError, KeyError, TypeError) as error:
        return {"fault": f"what the sharer does is unknown: {error}"}
    if age > status_text.STALE_SECONDS:
        return {"fault": f"the sharer hangs: its status is {age} seconds old; look into journalctl --unit={SHARE_UNIT}"}
    return {"fault": "", **members}


def expiry(now: int) -> dict[str, Any]:
    """Return when the nightly expiry last ended, and how."""
    ended, exit_status = last_expiry.last() or (None, None)
    return {"last": ended, "status": exit_status, "late": last_expiry.is_late(now)}


def states_of(servers: Sequence[VirtualServer], now: int, lock_seconds: float) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the state of each virtual server at ``now`` (epoch seconds), and what only root can know, in sentences.

    All databases together are waited for ``lock_seconds``.
    """
    relays = last_run().variables.get("relay", "sendmail") != "none"
    unknown: list[str] = []
    states = [_state_of(server, relays, unknown) for server in servers]
    sound = [each for each in states if not each["fault"]]

    def work(each: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        return state.of_database(each["relayers_db"], now, deadline)

    for number, found in in_turn(sound, work, lock_seconds):
        if not isinstance(found, RelayError):
            sound[number].update(found)
        elif isinstance(found, ForbiddenError) and os.geteuid() != 0:
            unknown.append(f"{sound[number]['name']}: only root and the owner of {sound[number]['relayers_db']} can read it")
        else:
            sound[number]["fault"] = str(found)
    return states, unknown


def _state_of(server: VirtualServer, relays: bool, unknown: list[str]) -> dict[str, Any]:
    """Return the state of one virtual server without its database; ``relays`` is whether this host does.

    What only root can know is appended to ``unknown``.
    """
    known: dict[str, Any] = {
        "name": server.name,
        "relayers_db": server.relayers_db,
        "sendmail_cf": server.sendmail_cf,
        "fault": "",
    }
    if not relays:
        return {**known, "ruleset": NO_RULESET, "window": None}
    try:
        ruleset, window = state.of_ruleset(server.sendmail_cf, server.relayers_db)
    except RelayError as error:
        if not isinstance(error, ForbiddenError) or os.geteuid() == 0:
            return {**known, "fault": str(error)}
        ruleset, window = UNKNOWN, None
    # Only root sees which program runs as a process of root's (proc(5), /proc/PID/exe).
    if ruleset == UNKNOWN or (ruleset == state.NO_DAEMON and os.geteuid() != 0):
        ruleset = UNKNOWN
        unknown.append(f"{server.name}: only root can see whether the running sendmail has the ruleset")
    return {**known, "ruleset": ruleset, "window": window}
