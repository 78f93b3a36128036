# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in an image: an ordinary Debian mail host with nothing of ours."""

import hashlib
from pathlib import Path

RELEASES = ("bookworm", "trixie", "bullseye")

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "sudo", "iproute2", "procps", "cron"),
    *("sendmail", "sendmail-bin", "m4", "make", "openssl", "db5.3-util"),
    *("dovecot-core", "dovecot-imapd", "dovecot-pop3d", "ssl-cert"),
)
"""Installed in every image."""

ROLE_PACKAGES = ("python3-bsddb3", "python3-aiohttp", "python3-systemd", "python3-apt")
"""Not installed, but lying in the image's own package source with what they depend on."""

SENDMAIL_PACKAGES = ("sendmail", "sendmail-base", "sendmail-bin", "sendmail-cf")
"""Installed, and lying there too: they are reinstalled where a new sendmail.cf is to come of it."""

SHELL_PACKAGES = ("bash-completion",)
"""Lying there too: what completes the words of commands, with the files that packages and administrators put in."""

OTHER_PACKAGES = {"bookworm": ("courier-pop", "courier-imap"), "trixie": ("ansible-core", "git")}
"""Lying there as well: the POP and IMAP servers that take Dovecot's place in the tests of PAM, and a host's own Ansible."""

RELEASE_ONLY = {"bullseye": "dovecot-*"}
"""Packages taken from the release itself: their security updates are gone from the archive."""

SCRIPT = Path(__file__).with_name("recipe.sh")


def downloads(release: str) -> tuple[str, ...]:
    """Return what lies in the package source of RELEASE's image, but for what it depends on."""
    return (*ROLE_PACKAGES, *SENDMAIL_PACKAGES, *SHELL_PACKAGES, *OTHER_PACKAGES.get(release, ()))


def digest(release: str) -> str:
    """Return 12 hex digits that change whenever RELEASE's image would be built differently."""
    inputs = (release, PACKAGES, downloads(release), RELEASE_ONLY.get(release), SCRIPT.read_text(encoding="utf-8"))
    return hashlib.sha256(repr(inputs).encode()).hexdigest()[:12]
