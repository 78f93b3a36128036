# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that send mail: how their users set them up, and how they run them.

In the texts and commands, $smtp_server is the host's name. ``smtp.pem`` has sendmail's certificate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

SENDER = "sender@example.org"
RECIPIENT = "somebody@remote.example"


def message_about(subject):
    """Return the text of a message."""
    return f"From: {SENDER}\nTo: {RECIPIENT}\nSubject: {subject}\n\n{subject}\n"


@dataclasses.dataclass(frozen=True, eq=False)
class Sender:
    """A program, Debian's package of it, and the protocol that it speaks, as the page has it.

    ``command`` sends the message of its input, or of the file ``message``. ``files`` are path → text.
    """

    program: str
    package: str
    protocol: str
    command: tuple[str, ...]
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def set_up(self, computer):
        """Write its files."""
        for path, text in self.files.items():
            computer.write(path, text)

    def send(self, computer, subject):
        """Send a message; return whether the program says that it was accepted, and all that it said."""
        message = message_about(subject)
        computer.write("message", message)
        done = computer.run(self.command, input=message, check=False)
        return done.returncode == 0, done.stdout + done.stderr


MSMTP = Sender(
    "msmtp",
    "msmtp",
    "SMTP, STARTTLS",
    ("msmtp", RECIPIENT),
    {
        ".msmtprc": """\
account default
host $smtp_server
from sender@example.org
auth off
tls on
tls_starttls on
tls_trust_file /home/user/smtp.pem
"""
    },
)
SWAKS_WORDS = (
    "swaks",
    "--server",
    "$smtp_server",
    "--from",
    SENDER,
    "--to",
    RECIPIENT,
    "--helo",
    "client.example.org",
    "--data",
    "-",
)
SWAKS = Sender("swaks", "swaks", "SMTP", SWAKS_WORDS)
SWAKS_TLS = Sender("swaks", "swaks", "SMTP, STARTTLS", (*SWAKS_WORDS, "--tls"))
CURL_WORDS = (
    *("curl", "--silent", "--show-error", "--verbose", "smtp://$smtp_server/client.example.org"),
    *("--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", "message", "--crlf"),
)
CURL = Sender("curl", "curl", "SMTP", CURL_WORDS)
CURL_TLS = Sender("curl", "curl", "SMTP, STARTTLS", (*CURL_WORDS, "--ssl-reqd", "--cacert", "smtp.pem"))
# Its settings are those with which it reads.
MUTT = Sender("mutt", "mutt", "SMTP, STARTTLS", ("mutt", "-H", "message"))
