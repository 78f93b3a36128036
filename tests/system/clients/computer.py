# SPDX-License-Identifier: GPL-3.0-or-later
"""The computer of somebody who has an account on a mail host: mail programs, and an address of its own."""

from __future__ import annotations

from string import Template

from guests import Programs

# Dovecot's certificate is made out to this name, sendmail's to the name of the guest.
SERVER = "mail.example.test"
CERTIFICATES = {"server.pem": "/etc/ssl/certs/ssl-cert-snakeoil.pem", "smtp.pem": "/etc/mail/tls/sendmail-server.crt"}


class Computer:
    """That of ``account`` on the guest ``host``, with the network of a client; it keeps its files below ``directory``."""

    def __init__(self, lab, client, host, account, directory):
        self.account = account
        self.secret = f"{account}-secret"
        self.address = client.address4
        self._client = client
        self._host = host
        smtp_server = f"{host.name}.{SERVER.partition('.')[2]}"
        self._words = {"account": account, "secret": self.secret, "server": SERVER, "smtp_server": smtp_server}
        self._programs = Programs(lab.state, client, directory, dict.fromkeys((SERVER, smtp_server), host.address4))
        self.home = self._programs.home
        texts = {name: host.read(path) for name, path in CERTIFICATES.items()}
        for name, text in {**texts, "certificates.pem": "".join(texts.values())}.items():
            self._programs.write(name, text)

    def write(self, path, text):
        """Write a file of the user's, with $account, $secret, $server and $smtp_server as they are here."""
        self._programs.write(path, self._as_here(text))

    def run(self, command, **options):
        """Run a command of the user's, with the same words in it; options and result as those of run_command()."""
        return self._programs.run([self._as_here(word) for word in command], **options)

    def popen(self, command, **options):
        """Start a command of the user's in the same way; options as those of subprocess.Popen."""
        return self._programs.popen([self._as_here(word) for word in command], **options)

    def connect(self, port, timeout):
        """Return a TCP connection to the host."""
        return self._client.namespace.connect(self._host.address4, port, timeout)

    def _as_here(self, text):
        return Template(text).substitute(self._words)

    def version(self, package):
        """Return the version of the program in Debian's package, without Debian's own part."""
        return self._programs.version(package)
