# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login recorder's HTTP: which request is a report of a login, and what is answered to it.

Dovecot asks as it asks any policy server (Dovecot manual, "Authentication policy server"); the PAM helper sends the same
request. The answer always permits the login: reading mail never fails because of the recorder. Dovecot 2.3 also sends the
events of logins (unreported.py), and nobody waits for the answer to one.
"""

from __future__ import annotations

import functools
import json
import re
from urllib.parse import unquote

from ..errors import MalformedError
from . import unreported
from .connection import answer_of
from .login import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import Connection
    from .http_parser import Request
    from .journal import RecorderLog
    from .recorder import Recorder

# In the query: the base directory of the Dovecot instance that asks, if it is not the one that the recorder was started for.
BASE = "base="
# Dovecot appends "?command=..." to a URL even if that has a query already, unless it ends in "&" (auth-policy.c).
SEPARATORS = re.compile("[&?]")
PROBES = "/probe/"
# In the query: whether the login is permitted. Dovecot can ask other questions as well.
ASKED = "command=allow"
NOTHING = b"{}"
LET_THEM_IN = b'{"status": 0, "msg": ""}'
LET_IN = (answer_of(200, LET_THEM_IN, False), answer_of(200, LET_THEM_IN, True))


class HttpService:
    """Takes the requests on all connections. For use in the event loop only."""

    def __init__(self, recorder: Recorder, log: RecorderLog) -> None:
        self._recorder = recorder
        self._log = log

    def take(self, connection: Connection, request: Request) -> None:
        """Have ``request``, which came on ``connection``, answered."""
        if request.path == PATH:
            self._take_report(connection, request)
        elif request.path == unreported.PATH:
            self._take_event(connection, request)
        elif not request.path.startswith(PROBES):
            connection.answer(404, NOTHING)
        elif not connection.shows_key(request.keys):
            connection.answer(403, NOTHING)
        else:
            found = self._recorder.probes.get(unquote(request.path[len(PROBES) :]))
            if found is None:
                connection.answer(404, NOTHING)
            else:
                connection.answer(200, json.dumps(found).encode())

    def _may_report(self, connection: Connection, request: Request) -> bool:
        """Return whether ``request`` may report; answer it if not."""
        if request.method != "POST":
            connection.answer(405, NOTHING)
        elif not connection.shows_key(request.keys):
            self._log.count("refused", "a report without the right key")
            connection.answer(403, NOTHING)
        else:
            return True
        return False

    def _take_event(self, connection: Connection, request: Request) -> None:
        if not self._may_report(connection, request):
            return
        try:
            self._recorder.take_event(request.body, base_in(request.query))
        except MalformedError as error:
            self._log.count("refused", f"event refused: {error}")
            connection.answer(400, NOTHING)
        else:
            connection.answer(200, NOTHING)

    def _take_report(self, connection: Connection, request: Request) -> None:
        if not self._may_report(connection, request):
            return
        if ASKED not in SEPARATORS.split(request.query):
            self._log.count("ignored", f"a request that reports no login: {request.query!r}")
            connection.answer_with(LET_IN)
        else:
            try:
                self._recorder.take(request.body, base_in(request.query), functools.partial(connection.answer_with, LET_IN))
            except MalformedError as error:
                self._log.count("refused", f"report refused: {error}")
                connection.answer(400, NOTHING)


def base_in(query: str) -> str:
    """Return the base directory of the Dovecot that sent a request with this query, if it names one."""
    if BASE in query:
        for word in SEPARATORS.split(query):
            if word.startswith(BASE):
                return unquote(word[len(BASE) :])
    return ""
