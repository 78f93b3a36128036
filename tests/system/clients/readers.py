# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that read mail: how their users set them up, and how they run them.

In the texts and commands, $server and $smtp_server are names of the host, $account that of the account, and $secret its
password. ``server.pem`` has the certificate that the server signed itself, and which users save when they have looked at it.
"""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from collections.abc import Mapping

from support.waiting import wait_until

PATIENCE_SECONDS = 30
LINES, COLUMNS = 24, 80


@dataclasses.dataclass(frozen=True, eq=False)
class Reader:
    """A program, Debian's package of it, and the protocol that it speaks, as the page has it.

    ``files`` are path → text. The program prints the mail, or writes it into a file below ``mail``. With ``stays`` it does not
    end by itself when it has the mail. Where ``keys`` end it, it needs a terminal.
    """

    program: str
    package: str
    protocol: str
    command: tuple[str, ...]
    files: Mapping[str, str]
    stays: bool = False
    keys: str = ""

    def set_up(self, computer):
        """Write its files."""
        for path, text in self.files.items():
            computer.write(path, text)

    def begin(self, computer, text):
        """Have the program read its mail; return it, as a process, when it has read a message with ``text``.

        Raises AssertionError, with all that it printed, if it ends without.
        """
        printed = computer.home / "printed"
        with open(printed, "wb") as output:
            # What it reads from stays open: these programs end, or take it for a key, when that ends.
            process = computer.popen(self._command(), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: process.poll() is not None or (self.stays and self._has(computer, text)), PATIENCE_SECONDS)
            assert self._has(computer, text)
        except AssertionError:
            process.kill()
            self.end(process)
            raise AssertionError(printed.read_text(encoding="utf-8", errors="replace")) from None
        return process

    def end(self, process):
        """End the program, as its user does, if it has not ended."""
        if process.poll() is None and self.keys:
            process.stdin.write(self.keys.encode())
            process.stdin.flush()
        elif process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdin.close()

    def _command(self):
        if not self.keys:
            return self.command
        words = f"stty rows {LINES} columns {COLUMNS}; exec {shlex.join(self.command)}"
        return ["script", "--quiet", "--command", words, "/dev/null"]

    def _has(self, computer, text):
        files = [computer.home / "printed", *(file for file in (computer.home / "mail").rglob("*") if file.is_file())]
        return any(text in file.read_text(encoding="utf-8", errors="replace") for file in files)


FETCHMAIL = Reader(
    "fetchmail",
    "fetchmail",
    "POP3, STLS",
    ("fetchmail", "--nodetach", "--nosyslog", "--daemon", "300"),
    {
        ".fetchmailrc": """\
poll $server protocol pop3
    user "$account" password "$secret"
    sslproto "TLS1.2+" sslcertck sslcertfile /home/user/server.pem
    mda "tee --append /home/user/mail/inbox"
""",
        "mail/inbox": "",
    },
    stays=True,
)
GETMAIL = Reader(
    "getmail6",
    "getmail6",
    "POP3 over TLS",
    ("getmail",),
    {
        ".getmail/getmailrc": """\
[retriever]
type = SimplePOP3SSLRetriever
server = $server
username = $account
password = $secret
ca_certs = /home/user/server.pem
[destination]
type = Mboxrd
path = /home/user/mail/inbox
[options]
delete = true
""",
        "mail/inbox": "",
    },
)
MPOP = Reader(
    "mpop",
    "mpop",
    "POP3, STLS",
    ("mpop",),
    {
        ".mpoprc": """\
account default
host $server
user $account
password $secret
tls on
tls_starttls on
tls_trust_file /home/user/server.pem
delivery mbox /home/user/mail/inbox
""",
        "mail/inbox": "",
    },
)
MUTT_SETTINGS = """\
set imap_user = "$account"
set imap_pass = "$secret"
set folder = "imap://$server/"
set spoolfile = "+INBOX"
set certificate_file = "/home/user/certificates.pem"
set smtp_url = "smtp://$smtp_server"
set from = "$account@example.org"
set use_from = yes
set record = ""
set quit = yes
set move = no
set delete = no
"""
MUTT = Reader(
    "mutt",
    "mutt",
    "IMAP, STARTTLS",
    ("mutt", "-e", "push <display-message>"),
    {".muttrc": MUTT_SETTINGS},
    stays=True,
    keys="qq",
)
MUTT_THAT_IDLES = Reader(
    "mutt",
    "mutt",
    "IMAP, STARTTLS, left open with `IDLE`",
    # Its debug level 2 has the protocol.
    ("mutt", "-d", "2", "-e", "push <display-message>"),
    {".muttrc": f"{MUTT_SETTINGS}set imap_idle = yes\n"},
    stays=True,
    keys="qq",
)
OFFLINEIMAP = Reader(
    "offlineimap3",
    "offlineimap3",
    "IMAP over TLS",
    ("offlineimap", "-o", "-u", "basic"),
    {
        ".offlineimaprc": """\
[general]
accounts = example
[Account example]
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = /home/user/mail
[Repository remote]
type = IMAP
remotehost = $server
remoteuser = $account
remotepass = $secret
ssl = yes
sslcacertfile = /home/user/server.pem
""",
    },
)
MBSYNC = Reader(
    "isync (mbsync)",
    "isync",
    "IMAP, STARTTLS",
    ("mbsync", "--all"),
    {
        ".mbsyncrc": """\
IMAPAccount example
Host $server
User $account
Pass "$secret"
TLSType STARTTLS
CertificateFile /home/user/server.pem

IMAPStore remote
Account example

MaildirStore local
Path /home/user/mail/
Inbox /home/user/mail/inbox

Channel example
Far :remote:
Near :local:
Create Near
SyncState *
""",
        "mail/.keep": "",
    },
)
CURL_POP = Reader(
    "curl",
    "curl",
    "POP3",
    ("curl", "--silent", "--show-error", "--netrc", "pop3://$server/1"),
    {".netrc": "machine $server login $account password $secret\n"},
)
CURL_IMAP = Reader(
    "curl",
    "curl",
    "IMAP over TLS",
    ("curl", "--silent", "--show-error", "--netrc", "--cacert", "server.pem", "imaps://$server/INBOX;MAILINDEX=1"),
    {".netrc": "machine $server login $account password $secret\n"},
)
