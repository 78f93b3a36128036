# SPDX-License-Identifier: GPL-3.0-or-later
"""A POP or IMAP client that can use any SASL mechanism, and can ask for something at the instant at which it is let in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl

PORTS = {"pop3": 110, "imap": 143}
TLS_PORTS = {"pop3": 995, "imap": 993}
# No SASL mechanism: USER and PASS in POP, LOGIN in IMAP.
COMMANDS = ""


class Session:
    """A session over ``connection``, a connected socket; ``service`` is pop3 or imap.

    ``certificate`` is a file with the client's certificate and its key, for TLS.
    """

    def __init__(self, connection, service, tls=False, certificate=""):
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if certificate:
                context.load_cert_chain(certificate)
            connection = context.wrap_socket(connection)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._is_pop = service == "pop3"
        self._line()

    def log_in(self, mechanism, user, password):
        """Return the server's answer, without its tag: it begins with OK if the client is let in; "" if there is none."""
        if mechanism == COMMANDS:
            if not self._is_pop:
                return self._command(f'LOGIN "{user}" "{password}"')
            answer = self._command(f"USER {user}")
            return self._command(f"PASS {password}") if answer.startswith("OK") else answer
        steps = MECHANISMS[mechanism](user, password)
        response = next(steps)
        answer = self._command(f"{'AUTH' if self._is_pop else 'AUTHENTICATE'} {mechanism}")
        while answer.startswith("+"):
            challenge = base64.b64decode(answer[1:].strip())
            # What is to be sent first was made before there was a challenge to answer.
            text = response if response is not None else steps.send(challenge)
            response = None
            self._send(base64.b64encode(text).decode())
            answer = self._answer()
        return answer

    def answers_within(self, seconds):
        """Wait at most that long for each line from now on."""
        self._connection.settimeout(seconds)

    def is_open(self):
        """Return whether the server does something for the client."""
        return self._command("NOOP").startswith("OK")

    def close(self):
        self._lines.close()
        self._connection.close()

    def _command(self, text):
        self._send(text if self._is_pop else f"a {text}")
        return self._answer()

    def _answer(self):
        for line in iter(self._line, ""):
            if line.startswith("+ ") or line == "+":
                return line
            if line.startswith(("+OK", "-ERR")):
                return line.lstrip("+-")
            if line.startswith("a "):
                return line[2:]
            if line.startswith("* BYE"):
                return line[2:]
        return ""

    def _send(self, text):
        try:
            self._connection.sendall(f"{text}\r\n".encode())
        except ConnectionError:
            pass  # there will be no answer either

    def _line(self):
        """Return the next line; "" at the end, or if none comes in time."""
        try:
            return self._lines.readline().decode("utf-8", "replace").rstrip()
        except OSError:
            return ""


def _plain(user, password):
    yield f"\0{user}\0{password}".encode()


def _login(user, password):
    challenge = yield None
    for text in (user, password):
        assert challenge
        challenge = yield text.encode()


def _anonymous(user, password):
    yield b"somebody"


def _external(user, password):
    yield user.encode()


def _cram_md5(user, password):
    challenge = yield None
    digest = hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()
    yield f"{user} {digest}".encode()


def _scram_sha_256(user, password):
    bare = f"n={user},r=nonce-of-the-client"
    challenge = yield f"n,,{bare}".encode()
    first = challenge.decode()
    given = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(given["s"]), int(given["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = f"c=biws,r={given['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{first},{last}".encode(), "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    yield f"{last},p={proof}".encode()
    yield b""


MECHANISMS = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "SCRAM-SHA-256": _scram_sha_256,
    "ANONYMOUS": _anonymous,
    "EXTERNAL": _external,
}
