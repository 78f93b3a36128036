# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in each image: an ordinary Debian mail host with nothing of ours, or the mail programs of users."""

import dataclasses
import hashlib
from pathlib import Path

RELEASES = ("bookworm", "trixie", "bullseye")

NEXT_RELEASE = "testing"
"""The release to come, under its lasting name. Not among RELEASES: it changes daily, and may fail."""

PROGRAMS = "programs"
"""The image with the mail programs of users, which is not booted."""

PROGRAMS_RELEASE = "trixie"

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "sudo", "iproute2", "procps", "cron"),
    *("sendmail", "sendmail-bin", "m4", "make", "openssl", "db5.3-util"),
    *("dovecot-core", "dovecot-imapd", "dovecot-pop3d", "ssl-cert"),
)
"""Installed in the image of every mail host."""

ROLE_PACKAGES = (
    *("python3-bsddb3", "python3-httptools", "python3-systemd", "python3-redis", "python3-prometheus-client", "python3-apt"),
)
"""Not installed, but lying in the image's own package source with what they depend on."""

ENGINE_PACKAGES = {
    "bookworm": ("redis-server",),
    "trixie": ("valkey-server",),
    "bullseye": ("redis-server",),
    NEXT_RELEASE: ("valkey-server",),
}
"""Lying there too: the engine over which hosts share logins, and what the role sets up by the release."""

EARLIER_PACKAGES = ("python3-aiohttp",)
"""Lying there too: what earlier versions of the role installed, for upgrades and for comparison."""

SENDMAIL_PACKAGES = ("sendmail", "sendmail-base", "sendmail-bin", "sendmail-cf")
"""Installed, and lying there too: they are reinstalled where a new sendmail.cf is to come of it."""

SHELL_PACKAGES = ("bash-completion",)
"""Lying there too: what completes the words of commands, with the files that packages and administrators put in."""

OTHER_PACKAGES = {
    "bookworm": ("courier-pop", "courier-imap", "prometheus", "prometheus-node-exporter"),
    "trixie": ("ansible-core", "git"),
}
"""Lying there as well: the POP and IMAP servers that take Dovecot's place in the tests of PAM, what monitors a host, and a
host's own Ansible."""

RELEASE_ONLY = {"bullseye": "dovecot-*"}
"""Packages taken from the release itself: their security updates are gone from the archive."""

UNIFIED_ONLY = (NEXT_RELEASE,)
"""Releases whose systemd (258 and later) does not boot with control groups of version 1."""

PROGRAM_PACKAGES = (
    *("fetchmail", "getmail6", "mpop", "mutt", "offlineimap3", "isync", "curl", "msmtp", "swaks"),
    # For STARTTLS, swaks wants it.
    "libnet-ssleay-perl",
)
"""Installed in the image PROGRAMS."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How an image is made: of which release, with which packages, and which script runs after that.

    ``downloads`` lie in the image's own package source, ``release_only`` is a pattern of packages that are taken from the
    release itself, without its updates (None: none).
    """

    release: str
    packages: tuple[str, ...]
    script: Path
    downloads: tuple[str, ...] = ()
    release_only: str | None = None

    def digest(self) -> str:
        """Return 12 hex digits that change whenever the image would be built differently."""
        script = self.script.read_text(encoding="utf-8")
        inputs = (self.release, self.packages, self.downloads, self.release_only, script)
        return hashlib.sha256(repr(inputs).encode()).hexdigest()[:12]


def _of_mail_host(release: str) -> Recipe:
    downloads = (
        *ROLE_PACKAGES,
        *ENGINE_PACKAGES.get(release, ()),
        *EARLIER_PACKAGES,
        *SENDMAIL_PACKAGES,
        *SHELL_PACKAGES,
        *OTHER_PACKAGES.get(release, ()),
    )
    return Recipe(release, PACKAGES, Path(__file__).with_name("recipe.sh"), downloads, RELEASE_ONLY.get(release))


MAIL_HOSTS = {release: _of_mail_host(release) for release in (*RELEASES, NEXT_RELEASE)}
"""The recipes of the images that are booted, by release."""

RECIPES = {**MAIL_HOSTS, PROGRAMS: Recipe(PROGRAMS_RELEASE, PROGRAM_PACKAGES, Path(__file__).with_name("programs.sh"))}
"""The recipes of all images, by name."""
