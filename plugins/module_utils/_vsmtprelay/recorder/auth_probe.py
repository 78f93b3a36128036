# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two logins at Dovecot's auth process that are no logins, to see which of them it reports.

They use the protocol of Dovecot's own login processes (Dovecot manual, "Authentication Protocol"), with the user name
PROBE_USER, which records nothing, from the loopback address, from which nothing is recorded anyway:

- a token: a login that succeeds without a password and without an account, by a secret that only root and Dovecot can read
  (mech-dovecot-token.c). It takes the way of every login: it is reported after it was accepted;
- a wrong password: it must not be reported.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import time

from ..errors import RelayError
from ..files import text_file
from .login import PROBE_USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Below the directory of an instance's sockets (auth/auth-settings.c, auth/auth-token.c).
TOKEN_SOCKET = "token-login/tokenlogin"
LOGIN_SOCKET = "login/login"
TOKEN_SECRET = "auth-token-secret.dat"
# The major version has to match.
GREETING = "VERSION\t1\t1\nCPID\t{}\n"
# Dovecot takes any number that no other client of the auth process has. No process has one from here on (PID_MAX_LIMIT in
# linux/threads.h).
FIRST_CLIENT = 1 << 22
TOKEN_SERVICE = "imap"
# No-penalty: failures from this address must not delay others.
FIELDS = ("service=imap", "secured", "no-penalty", "rip=127.0.0.1", "lip=127.0.0.1")
TOKEN, PLAIN = "DOVECOT-TOKEN", "PLAIN"
LARGEST_ANSWER = 64 << 10  # bytes


class NoAnswer(RelayError):
    """The auth process cannot be reached, does not answer in time, or refuses a token."""


class AuthClient:
    """A connection to the auth process of an instance, as a login process has one."""

    def __init__(self, path: str, number: int, deadline: float) -> None:
        """``path`` is that of the socket, ``number`` is unique among the probes of this process.

        ``deadline`` is by time.monotonic(). Raises NoAnswer.
        """
        self._path = path
        self._deadline = deadline
        self._received = b""
        self._request = 0
        # The names of the fields in the last answer.
        self.fields: set[str] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._within_deadline()
            with self._faults():
                self._socket.connect(path)
                self._send(GREETING.format(FIRST_CLIENT + 2 * os.getpid() + number))
                while self._line() != "DONE":
                    pass
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> AuthClient:
        return self

    def __exit__(self, *unused: Any) -> None:
        # Otherwise the auth process waits for what becomes of the login.
        with contextlib.suppress(OSError):
            self._send(f"CANCEL\t{self._request}\n")
        self._socket.close()

    def start(self, mechanism: str, session: str, response: bytes) -> None:
        """Begin a login with the mechanism's first response. Raises NoAnswer."""
        self._request += 1
        encoded = base64.b64encode(response).decode()
        # The response has to be the last field.
        fields = [*FIELDS, f"session={session}", f"resp={encoded}"]
        with self._faults():
            self._send("\t".join(["AUTH", str(self._request), mechanism, *fields]) + "\n")

    def answer(self) -> tuple[bool, str]:
        """Wait for the end of the login; return whether it succeeded, and its user name as Dovecot has it. Raises NoAnswer."""
        with self._faults():
            while True:
                words = self._line().split("\t")
                if words[0] in ("OK", "FAIL") and words[1:2] == [str(self._request)]:
                    self.fields = {word.partition("=")[0] for word in words[2:]}
                    users = [word[len("user=") :] for word in words[2:] if word.startswith("user=")]
                    return words[0] == "OK", users[0] if users else ""

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except socket.timeout:
            raise NoAnswer(f"{self._path}: no answer in time") from None
        except OSError as error:
            raise NoAnswer(f"{self._path}: {error.strerror or error}") from None

    def _within_deadline(self) -> None:
        self._socket.settimeout(max(self._deadline - time.monotonic(), 0.01))

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _line(self) -> str:
        while b"\n" not in self._received:
            self._within_deadline()
            received = self._socket.recv(LARGEST_ANSWER)
            if not received:
                raise ConnectionResetError("closed the connection without an answer")
            self._received += received
            if len(self._received) > LARGEST_ANSWER:
                raise OSError(f"more than {LARGEST_ANSWER} bytes of answers")
        line, _end, self._received = self._received.partition(b"\n")
        return line.decode("utf-8", "replace")


def log_in_with_token(base_directory: str, session: str, deadline: float) -> None:
    """Log in with a token, under the identifier ``session``, and wait until it has succeeded: it is reported before.

    Raises NoAnswer, UnreadableError.
    """
    path = os.path.join(base_directory, TOKEN_SOCKET)
    with AuthClient(path, 0, deadline) as client:
        # The auth process writes it when it starts, which it does for the first client.
        secret = text_file.read(os.path.join(base_directory, TOKEN_SECRET)) or b""
        client.start(TOKEN, session, _token_response(PROBE_USER, session, secret))
        succeeded, user = client.answer()
        if not succeeded and user not in ("", PROBE_USER):
            # Dovecot changes the name, for example by auth_default_realm, before it compares the token.
            client.start(TOKEN, session, _token_response(PROBE_USER, session, secret, signed_for=user))
            succeeded, user = client.answer()
        if not succeeded:
            raise NoAnswer(f"{path}: refuses {PROBE_USER!r}; see Dovecot's log")


@contextlib.contextmanager
def wrong_password(base_directory: str, session: str, deadline: float) -> Iterator[AuthClient]:
    """Begin a login with a wrong password under the identifier ``session``; the end of the context ends it. Raises NoAnswer."""
    with AuthClient(os.path.join(base_directory, LOGIN_SOCKET), 1, deadline) as client:
        client.start(PLAIN, session, f"\0{PROBE_USER}\0{session}".encode())
        yield client


def _token_response(user: str, session: str, secret: bytes, signed_for: str = "") -> bytes:
    """Return the response of mech-dovecot-token.c; the token is that of auth_token_get() in auth-token.c."""
    process = str(os.getpid())
    signed = f"{process}{session}{TOKEN_SERVICE}".encode() + secret
    token = hmac.new((signed_for or user).encode(), signed, hashlib.sha1).hexdigest()
    return "\0".join((TOKEN_SERVICE, process, user, session, token)).encode()
