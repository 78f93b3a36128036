# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail programs with the address of a client of the test bed: one that sends, and one that reads."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import socket
import ssl

from guests.client import Client

REMOTE = "somebody@remote.example"
LOCAL = "alice@example.test"
SENDER = "sender@example.org"


class Address:
    """One of the many addresses of a client, which stands for the client where connections are to come from there."""

    def __init__(self, client: Client, address: str) -> None:
        self.address4 = address
        self.namespace = self
        self._client = client

    def connect(self, server: str, port: int, timeout: float) -> socket.socket:
        """Return a connection that comes from there."""
        return self._client.namespace.connect(server, port, timeout, self.address4)


class Smtp(smtplib.SMTP):
    """An SMTP session from a client's address, greeted and with the sender given."""

    def __init__(self, client: Client | Address, server: str, port: int = 25) -> None:
        self._client = client
        super().__init__(server, port, local_hostname="client.example.org", timeout=30)
        self.ehlo_or_helo_if_needed()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._client.namespace.connect(host, port, timeout)

    def transaction(self, recipient: str, sender: str = SENDER) -> tuple[str, int, str]:
        """Begin a transaction of its own; return the last command, MAIL or RCPT, and the code and the text of its answer."""
        self.rset()
        command, (code, text) = "MAIL", self.mail(sender)
        if code == 250:
            command, (code, text) = "RCPT", self.rcpt(recipient)
        return command, code, text.decode()

    def ask(self, recipient: str) -> tuple[int, str]:
        """Return the code and the text of the answer to RCPT, in a transaction of its own."""
        return self.transaction(recipient)[1:]

    def encrypt(self) -> None:
        """Give up the transaction, go over to TLS by STARTTLS, and greet again. Raises SMTPException or SSLError."""
        self.rset()
        self.starttls(context=_tls_context())
        self.ehlo()


def rcpt(client: Client | Address, server: str, recipient: str = REMOTE) -> tuple[int, str]:
    """Return the answer to RCPT in a new session."""
    with Smtp(client, server) as session:
        return session.ask(recipient)


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _tls(connection: socket.socket) -> ssl.SSLSocket:
    return _tls_context().wrap_socket(connection)


class Pop3(poplib.POP3):
    """A POP session from a client's address; over TLS on the port that is for that."""

    def __init__(self, client: Client | Address, server: str, port: int) -> None:
        self._client = client
        super().__init__(server, port, timeout=30)

    def _create_socket(self, timeout: float) -> socket.socket:
        connection = self._client.namespace.connect(self.host, self.port, timeout)
        return _tls(connection) if self.port == poplib.POP3_SSL_PORT else connection


class Imap4(imaplib.IMAP4):
    """An IMAP session from a client's address; over TLS on the port that is for that."""

    def __init__(self, client: Client | Address, server: str, port: int) -> None:
        self._client = client
        super().__init__(server, port, timeout=30)

    def _create_socket(self, timeout: float) -> socket.socket:
        connection = self._client.namespace.connect(self.host, self.port, timeout)
        return _tls(connection) if self.port == imaplib.IMAP4_SSL_PORT else connection


def _pop3(client: Client | Address, server: str, port: int, user: str, password: str) -> bool:
    session = Pop3(client, server, port)
    try:
        session.user(user)
        session.pass_(password)
        session.quit()
    except poplib.error_proto:
        return False
    finally:
        session.close()
    return True


def _imap(client: Client | Address, server: str, port: int, user: str, password: str) -> bool:
    session = Imap4(client, server, port)
    try:
        session.login(user, password)
    except imaplib.IMAP4.error:
        return False
    finally:
        session.logout()
    return True


PORTS = {"pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993}
PROTOCOLS = {name: (_pop3 if name.startswith("pop3") else _imap, port) for name, port in PORTS.items()}


def log_in(
    client: Client | Address, server: str, protocol: str = "pop3", user: str = "alice", password: str = "alice-secret"
) -> bool:
    """Log in as a mail program does, and tell whether the server said yes."""
    work, port = PROTOCOLS[protocol]
    return work(client, server, port, user, password)
