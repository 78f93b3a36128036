# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail programs of users: Debian's, with the network of a client and with a home of their own."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import image, recipe
from .client import Client
from .namespace import run_command
from .state import State

# The image is written to by nobody: what is mounted is gone with the program, and the user is not root.
ENTER = """
set -eu
image=$1 home=$2 hosts=$3
shift 3
mount -t proc proc "$image/proc"
mount --rbind /dev "$image/dev"
mount -t tmpfs -o mode=1777 tmpfs "$image/tmp"
mount --bind "$hosts" "$image/etc/hosts"
mount --bind "$home" "$image/home/user"
exec chroot --userspec=user "$image" env --ignore-environment --chdir=/home/user HOME=/home/user USER=user LC_ALL=C.UTF-8 \
    TERM=xterm PATH=/usr/local/bin:/usr/bin:/bin "$@"
"""


class Programs:
    """A user's computer: its files are those of the image PROGRAMS, its network is that of a client."""

    def __init__(self, state: State, client: Client, directory: Path, names: Mapping[str, str]) -> None:
        """Use the network of CLIENT and the new directory DIRECTORY; NAMES are hosts with their addresses.

        Builds the image where it is missing; raises GuestsError.
        """
        self._image = image.ensure_image(state, recipe.PROGRAMS)
        self._client = client
        self.home = directory / "home"
        self.home.mkdir(parents=True)
        self._hosts = directory / "hosts"
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        self._hosts.write_text("\n".join(lines) + "\n", encoding="ascii")
        self._own(self.home)

    def enter(self) -> list[str]:
        """Return the words to put before a command so that it runs as the user, at home."""
        return [
            *self._client.enter(),
            *("unshare", "--mount", "sh", "-c", ENTER, "sh"),
            *(str(self._image), str(self.home), str(self._hosts)),
        ]

    def run(self, command: Sequence[str], **options) -> subprocess.CompletedProcess[str]:
        """Run COMMAND as the user; options, result and exceptions as in run_command."""
        return run_command([*self.enter(), *command], **options)

    def popen(self, command: Sequence[str], **options) -> subprocess.Popen[bytes]:
        """Start COMMAND as the user; options as those of subprocess.Popen. The process becomes the command's."""
        return subprocess.Popen([*self.enter(), *command], **options)

    def write(self, path: str, text: str) -> None:
        """Write TEXT into the file PATH below the user's home; only the user may read it, as programs ask of passwords."""
        file = self.home / path
        for directory in reversed(file.relative_to(self.home).parents[:-1]):
            (self.home / directory).mkdir(exist_ok=True)
            self._own(self.home / directory)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        self._own(file)

    def version(self, package: str) -> str:
        """Return the version of the program in Debian's PACKAGE, as its makers have it: without Debian's own part."""
        command = ["chroot", str(self._image), "dpkg-query", "--show", "--showformat=${source:Upstream-Version}", package]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("+dfsg")[0]

    def _own(self, path: Path) -> None:
        """Give PATH to the user."""
        owner = (self._image / "home/user").stat()
        os.chown(path, owner.st_uid, owner.st_gid)
