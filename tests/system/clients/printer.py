# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that knows as little as a printer or a scanner does: USER and PASS, HELO, and nothing encrypted."""

from __future__ import annotations

import dataclasses

from .senders import RECIPIENT, SENDER, message_about

PATIENCE_SECONDS = 30
POP_PORT, SMTP_PORT = 110, 25


class Conversation:
    """Lines to a port of the server and back; the server greets first."""

    def __init__(self, computer, port):
        self._connection = computer.connect(port, PATIENCE_SECONDS)
        self._lines = self._connection.makefile("rb")
        self.said = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._connection.close()

    def line(self):
        return self._lines.readline().decode("utf-8", "replace").rstrip("\r\n")

    def ask(self, text):
        """Say the text, and return the line that answers it."""
        self._connection.sendall(f"{text}\r\n".encode())
        self.said = self.line()
        return self.said


@dataclasses.dataclass(frozen=True)
class Printer:
    """Does what a Reader and a Sender do."""

    program: str = "plain sockets, as a printer"
    package: str = ""
    protocol: str = ""

    def set_up(self, computer):
        pass

    def begin(self, computer, text):
        with Conversation(computer, POP_PORT) as pop:
            for command in (f"USER {computer.account}", f"PASS {computer.secret}", "RETR 1"):
                assert pop.ask(command).startswith("+OK"), pop.said
            assert text in list(iter(pop.line, "."))
            pop.ask("QUIT")

    def end(self, _process):
        pass

    def send(self, computer, subject):
        """Send a message; return whether it was accepted, and the server's last answer."""
        commands = [
            ("HELO printer.example.org", "250"),
            (f"MAIL FROM:<{SENDER}>", "250"),
            (f"RCPT TO:<{RECIPIENT}>", "250"),
            ("DATA", "354"),
            ("\r\n".join([*message_about(subject).splitlines(), "."]), "250"),
        ]
        with Conversation(computer, SMTP_PORT) as smtp:
            for command, expected in commands:
                if not smtp.ask(command).startswith(expected):
                    return False, smtp.said
            answer = smtp.said
            smtp.ask("QUIT")
        return True, answer


READS, SENDS = Printer(protocol="POP3"), Printer(protocol="SMTP, `HELO`")
