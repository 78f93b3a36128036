# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof that a login at Dovecot reaches the recorder: a probe takes the way of a login, and the recorder says it came.

``validate`` of the role only shows that Dovecot's files would be accepted. They can still be without effect: a dovecot.conf
that does not read them, a later file that sets something else, a Dovecot that was not reloaded, a second instance.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from typing import NamedTuple

from ..errors import RelayError
from ..role.passdbs import ANY_PASSWORD
from ..sharing.recorder_client import RecorderConnection
from .auth_probe import AuthClient, NoAnswer, log_in_with_token, wrong_password
from .dovecot_instances import MAIN, REPORTING, Instance, Settings, running_instances, settings_of
from .login import SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The URLs at which Dovecot 2.3 and Dovecot 2.4 report logins; a query can follow.
URLS = ("http://127.0.0.1:785/login", "http://vsmtprelay.invalid/login")
PROBES = "/probe/"
# Fields of a passdb with which auth_master.py refuses a login.
NOT_RECORDED = ("proxy", "proxy_maybe", "nologin")
# How long a probe is repeated: a Dovecot that has just been reloaded may still use its old settings.
SECONDS = 8.0
ANSWER_SECONDS = 4.0
# A wrong password is refused late: 2 seconds by Dovecot, 2 by PAM, and perhaps the next try waits for a worker.
REFUSAL_SECONDS = 10.0
PAUSE_SECONDS = 0.2
# The wrong password is reported, if at all, before the token that follows it; another connection may be slower.
GRACE_SECONDS = 0.05
JOURNAL = "look into journalctl --unit=vsmtprelay-recorder"


class NoRecorder(RelayError):
    """The recorder does not answer."""


class Proof(NamedTuple):
    """The result, by instance.

    - ``proven``: the configuration files of the instances whose logins are recorded;
    - ``faults``: why those of the main instance are not; a line with the remedy;
    - ``others``: the same of other instances.
    """

    proven: list[str]
    faults: list[str]
    others: list[str]


def prove(seconds: float = SECONDS, path: str = SOCKET, quietly: bool = False) -> Proof:
    """Prove for each running instance that it reports logins, to the recorder whose socket is at ``path``.

    A probe is repeated for at most ``seconds``. The main instance is the one with the configuration MAIN, or the only one.
    ``quietly`` leaves out the wrong password, which PAM logs each time; that it is not reported is then known from the settings
    alone.
    """
    proof = Proof([], [], [])
    instances = running_instances()
    for instance in instances:
        is_main = len(instances) == 1 or os.path.realpath(instance.configuration) == os.path.realpath(MAIN)
        fault = fault_of(instance, time.monotonic() + seconds, path, quietly)
        if not fault:
            proof.proven.append(instance.configuration)
        elif is_main:
            proof.faults.append(fault)
        else:
            proof.others.append(fault)
    return proof


def fault_of(instance: Instance, deadline: float, path: str = SOCKET, quietly: bool = False) -> str:
    """Return why the logins of ``instance`` are not recorded, with the remedy, or an empty string if they are.

    ``deadline`` is by time.monotonic(), for the probes. ``quietly`` is as for prove().
    """
    try:
        fault = fault_of_settings(instance, settings_of(instance))
    except RelayError as error:
        return f"{_named(instance)} has settings that cannot be read: {error}"
    while not fault:
        fault = _fault_of_probes(instance, deadline, path, quietly)
        if not fault:
            return ""
        if time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            fault = ""
    return fault


def fault_of_settings(instance: Instance, settings: Settings) -> str:
    """Return what in the files of ``instance`` keeps it from reporting logins, with the remedy, or an empty string."""
    name = _named(instance)
    if not settings.server_url:
        return (
            f"{name} does not report logins: it does not read {REPORTING}, or a later line empties auth_policy_server_url; "
            f"add '!include_try {REPORTING}' at the end of {instance.configuration}"
        )
    if settings.server_url.partition("?")[0] not in URLS:
        return (
            f"{name} does not report logins: it asks another policy server ({settings.server_url}), and it can ask only one; "
            f"remove that auth_policy_server_url"
        )
    if settings.is_before:
        # Its report does not say whether the password was right.
        return (
            f"{name} reports logins before it compares the password: auth_policy_check_before_auth is yes; "
            f"remove the line that says so, which it reads after {REPORTING}"
        )
    if settings.needs_no_password:
        return f"{name} {ANY_PASSWORD}"
    if not settings.is_after:
        return (
            f"{name} does not report logins: auth_policy_check_after_auth is no; "
            f"remove the line that says so, which it reads after {REPORTING}"
        )
    return ""


def report_of(session: str, path: str, seconds: float) -> Mapping[str, str] | None:
    """Return what the recorder knows of the report with the identifier ``session``, or None if there was none.

    Raises NoRecorder.
    """
    connection = RecorderConnection(path, seconds)
    try:
        connection.request("GET", f"{PROBES}{session}")
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == http.client.NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise NoRecorder(f"the login recorder answers {answer.status} {answer.reason}; {JOURNAL}")
        return dict(json.loads(content))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoRecorder(f"the login recorder does not answer on {path}: {error}; {JOURNAL}") from None
    finally:
        connection.close()


def _fault_of_probes(instance: Instance, deadline: float, path: str, quietly: bool) -> str:
    """Send both probes once, or ``quietly`` one; return what is wrong with how they arrived, or an empty string."""
    name = _named(instance)
    until = max(deadline, time.monotonic() + ANSWER_SECONDS)
    try:
        fault = _fault_of_token(instance, until, path)
        if fault or quietly:
            return fault
        session = secrets.token_hex(16)
        with wrong_password(instance.base_directory, session, time.monotonic() + REFUSAL_SECONDS) as login:
            # As long as it takes, the other report would have arrived.
            fault = _fault_of_token(instance, until, path)
            time.sleep(GRACE_SECONDS)
            if fault or report_of(session, path, ANSWER_SECONDS) is None:
                return fault
            if _is_accepted(login):
                # It was reported after that. A login that goes to another host, or nowhere, is not recorded.
                return "" if login.fields.intersection(NOT_RECORDED) else f"{name} {ANY_PASSWORD}"
        return (
            f"{name} reports logins before it compares the password: it has not read its files again; "
            f"run doveadm -c {instance.configuration} reload"
        )
    except NoRecorder as error:
        return str(error)
    except RelayError as error:
        return f"{name} does not let a login be tried: {error}"


def _is_accepted(login: AuthClient) -> bool:
    """Wait for the end of ``login``; return whether it succeeded. Without an answer it did not."""
    try:
        return login.answer()[0]
    except NoAnswer:
        return False


def _fault_of_token(instance: Instance, until: float, path: str) -> str:
    """Log in with a token; return what is wrong with how that was reported, or an empty string. Raises RelayError."""
    session = secrets.token_hex(16)
    report_of(session, path, ANSWER_SECONDS)  # a recorder that is down is named as such
    log_in_with_token(instance.base_directory, session, until)
    report = report_of(session, path, ANSWER_SECONDS)
    if report is None:
        return (
            f"{_named(instance)} does not report logins, though its files say so: it has not read them again, or cannot reach "
            f"the login recorder; run doveadm -c {instance.configuration} reload, then look into Dovecot's log"
        )
    if report.get("fault"):
        return f"{_named(instance)} cannot be asked whether it lets an account in: {report['fault']}"
    return ""


def _named(instance: Instance) -> str:
    return f"Dovecot ({instance.configuration})"
