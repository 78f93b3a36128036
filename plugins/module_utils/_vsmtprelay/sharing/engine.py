# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to an engine: TLS, one user, and commands whose answers are bytes.

It uses the connection class of redis-py, and not its client, which connects again without a word: what was checked at the
beginning of a connection would then no longer be true. Here a connection that is lost stays lost.

Nothing in an answer is decoded, since one host could stop the readers of all with bytes that are no text.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl

from ..errors import RelayError
from .access import user_of
from .libraries import PlainConnection, exceptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Union

    from .clock import Clock, EngineClock
    from .configuration import Configuration, Engine

    Word = Union[str, bytes, int]
    Command = Sequence[Word]

CONNECT_SECONDS = 1.0
# More than any command waits on the engine (BLOCK_MS in receiver.py): an engine that hangs, or packets that get lost.
ANSWER_SECONDS = 3.0
FULL = "used memory"
MOST_MEASUREMENTS = 8


class EngineError(RelayError):
    """The engine cannot be used; the message names it and the remedy."""

    exit_status = 69  # EX_UNAVAILABLE


class Lost(EngineError):
    """There is no connection, or no longer one."""


class CommandError(EngineError):
    """The engine refused a command; the connection can still be used."""

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(f"{engine}: {message.rstrip('.')}")
        self.is_full = FULL in message
        self.is_wrong_type = "WRONGTYPE" in message


class Connection:
    """A connection to ``engine`` as one of this host's users; for one thread."""

    def __init__(self, engine: Engine, user: str, secret: str, ca: str) -> None:
        """Connect. Without a ``user`` nobody logs in. Raises Lost."""
        self.name = engine.name
        if not os.access(ca, os.R_OK):
            raise Lost(f"{self.name}: {ca} cannot be read; run the playbook vsmtp.relay.engine, which writes it")
        arguments: dict[str, Any] = {
            "host": engine.host,
            "port": engine.port,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
        }
        if user:
            arguments.update(username=user, password=secret)
        try:
            # From version 8 on, the answers would be of other types by default.
            self._connection = _tls_class()(protocol=2, **arguments)
        except TypeError:
            self._connection = _tls_class()(**arguments)
        self._connection.ca = ca
        # Newer versions name themselves to the engine, which these users may not do.
        self._connection.lib_name = self._connection.lib_version = None
        try:
            self._connection.connect()
        except (exceptions.RedisError, OSError, ValueError) as error:
            self.close()
            raise Lost(f"{self.name}: {_reason(error)}; {_remedy(error, user, ca)}") from None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; any thread may do that to end what another one waits for."""
        with contextlib.suppress(Exception):
            self._connection.disconnect()

    def fileno(self) -> int:
        """Return the descriptor, which becomes readable when the engine ends the connection."""
        return int(self._connection.tls_socket.fileno())

    def ask(self, *words: Word) -> Any:
        """Return the answer to one command. Raises CommandError, Lost."""
        answer = self.many([words])[0]
        if isinstance(answer, CommandError):
            raise answer
        return answer

    def many(self, commands: Iterable[Command]) -> list[Any]:
        """Return the answers to ``commands``, which are sent together; a refused one is a CommandError. Raises Lost."""
        commands = list(commands)
        connection = self._connection
        if connection is None or not getattr(connection, "_sock", None):
            raise Lost(f"{self.name}: the connection was lost; another one follows")
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            return [self._answer() for _each in commands]
        except (exceptions.RedisError, OSError, ValueError, IndexError) as error:
            self.close()
            raise Lost(f"{self.name}: {_reason(error)}; see the service and the network there") from None

    def transaction(self, commands: Iterable[Command]) -> list[Any]:
        """Return the answers to ``commands``, which the engine does together or not at all. Raises CommandError, Lost."""
        answers = self.many([("MULTI",), *commands, ("EXEC",)])
        done = answers[-1]
        for answer in (*answers, *(done if isinstance(done, list) else ())):
            if isinstance(answer, exceptions.ResponseError):
                raise CommandError(self.name, str(answer))
            if isinstance(answer, CommandError):
                raise answer
        if not isinstance(done, list):
            raise Lost(f"{self.name}: gave no answer to a transaction; see what runs there")
        return done

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except exceptions.ConnectionError:
            raise  # among them those that are answers: the engine is loading, or there are too many clients
        except exceptions.ResponseError as error:
            return CommandError(self.name, str(error))


class Connector:
    """Connects to one engine, and measures its clock."""

    def __init__(
        self, configuration: Configuration, engine: Engine, secret: str, clock: Clock, engine_clock: EngineClock
    ) -> None:
        self.name = engine.name
        self.clock = engine_clock
        self._configuration = configuration
        self._engine = engine
        self._secret = secret
        self._host_clock = clock

    def connect(self, role: str) -> Connection:
        """Return a new connection; ``role`` is PUBLISH or SUBSCRIBE. Raises Lost."""
        user = user_of(self._configuration.host, role)
        return Connection(self._engine, user, self._secret, self._configuration.ca)

    def measure(self, connection: Connection) -> None:
        """Measure the engine's clock. Raises CommandError, Lost."""
        for _try in range(MOST_MEASUREMENTS):
            before = self.steady()
            self.measured(connection.ask("TIME"), before)
            if self.clock.is_good():
                return

    def measured(self, answer: Any, before: int) -> None:
        """Note ``answer``, which the engine gave to TIME after ``before`` (steady()). Raises Lost if it is none."""
        try:
            shown = int(answer[0]) * 1000 + int(answer[1]) // 1000
        except (TypeError, ValueError, IndexError):
            raise Lost(f"{self.name}: gave no time; see what runs there") from None
        self.clock.measure(shown, before, self.steady())

    def steady(self) -> int:
        """Return ms of this host's steady clock."""
        return self._host_clock.steady()


@functools.lru_cache(maxsize=None)
def _tls_class() -> Any:
    """Return a connection class that checks the certificate's issuer and name, whichever version of redis-py is installed.

    The SSLConnection of older versions does not check the name, and accepts the issuers of the distribution as well.
    """

    class TlsConnection(PlainConnection):  # type: ignore[misc]
        ca = ""
        tls_socket: socket.socket

        def _connect(self) -> socket.socket:
            plain = super()._connect()
            try:
                context = ssl.create_default_context(cafile=self.ca)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                self.tls_socket = context.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise
            return self.tls_socket

    return TlsConnection


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _is_no_name(error: BaseException | None) -> bool:
    """Return whether ``error`` is, or was caused by, a name that does not resolve."""
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None


def _remedy(error: BaseException, user: str, ca: str) -> str:
    if _is_no_name(error):
        return "correct its name in pop_before_smtp_engines, or have this host resolve it"
    if isinstance(error, (exceptions.AuthenticationError, exceptions.ResponseError)):
        return f"give the engine the user {user} with this host's secret: run the playbook vsmtp.relay.engine"
    if isinstance(error, ssl.SSLError) or "certificate" in str(error).lower() or "ssl:" in str(error).lower():
        return f"check the name and the issuer of its certificate against {ca}"
    return "see the service and the network there"
