# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of each Debian release with three virtual servers: of Mallory, who wants to become root, of Victor, and of root."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.playbook import play
from support.throttles import lift_throttles

# The newest is one for --full.
RELEASES = ("bookworm", "bullseye", "trixie")
ATTACKER = Path(__file__).parent / "in_guest" / "attacker.py"
SERVERS = [
    {"name": "host"},
    {"name": "mallory", "root": "/srv/mallory", "domains": ["mallory.example"]},
    {"name": "victor", "root": "/srv/victor", "domains": ["victor.example"]},
]
# What only root may change, and all that runs with root's rights whoever starts it.
ROOT_S = (
    "sha256sum /etc/passwd /etc/shadow /etc/group /root/private/* /usr/bin/passwd /etc/mail/sendmail.cf;"
    "stat --format='%n %U:%G %a' /etc/passwd /etc/shadow /root/private /root/private/* /usr/bin/passwd;"
    "find / -xdev -path /srv/mallory -prune -o -type f -perm /6000 -printf '%p %U:%G %m\\n' | sort; ls -A /root/private"
)
# Nothing in Mallory's tree is root's, and nothing there runs as anybody but her.
STRANGE = "find /srv/mallory -path /srv/mallory/ran -prune -o ! -user mallory -printf '%p %U:%G %m\\n'"


class Host:
    """One guest under attack."""

    def __init__(self, lab, release):
        self.guest = lab.guest(f"hostile-{release}", release=release)
        self._lab = lab

    def prepare(self):
        lift_throttles(self.guest)
        self.guest.run(["mkdir", "-m", "0700", "/root/private"])
        self.guest.run(["sh", "-ec", "echo secret > /root/private/secret; chmod 600 /root/private/secret"])
        for user in ("mallory", "victor"):
            self.guest.run(["useradd", "--shell", "/bin/sh", "--no-create-home", user])
            self.restore(user)
        self.guest.path("/usr/local/attacker.py").write_bytes(ATTACKER.read_bytes())

    def restore(self, user):
        """Give a user the stock files, and no others."""
        script = (
            f"rm -rf /srv/{user}; mkdir -p /srv/{user}/etc; chmod 755 /srv/{user} /srv/{user}/etc;"
            f"cp /etc/mail/sendmail.cf /srv/{user}/etc/; chown -R {user}:{user} /srv/{user}; chmod 644 /srv/{user}/etc/*"
        )
        self.guest.run(["sh", "-ec", script])

    def play(self, playbook, *options):
        variables = {"pop_before_smtp_virtual_servers": SERVERS}
        return play(self._lab, playbook, "-e", json.dumps(variables), "--limit", self.guest.name, *options)

    def of_root(self):
        """Return what must be the same after an attack."""
        return self.guest.run(["sh", "-c", ROOT_S]).stdout

    def strange(self):
        """Return files in Mallory's tree that are not hers."""
        return self.guest.run(["sh", "-c", STRANGE]).stdout

    def attack(self, way):
        """Return the attacker's process, which runs as Mallory."""
        command = f"exec python3 /usr/local/attacker.py /srv/mallory/etc {way}"
        process = subprocess.Popen(
            [*self.guest.enter(), "su", "mallory", "-c", command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        assert process.stdout.readline() == "ready\n"
        return process

    def end(self, process):
        """End the attack; return the number of its attempts."""
        self.guest.run(["pkill", "-TERM", "-u", "mallory", "-f", "attacker.py"], check=False)
        attempts = int(process.stdout.readline())
        process.wait(timeout=30)
        return attempts


def releases(config):
    return RELEASES[: None if config.getoption("--full") else 2]


def pytest_generate_tests(metafunc):
    if "host" in metafunc.fixturenames:
        metafunc.parametrize("host", releases(metafunc.config), indirect=True)


@pytest.fixture(scope="session")
def counts():
    """What was done, by name; printed at the end."""
    counts = Counter(
        {"attempts": 0, "files of root changed": 0, "programs of the owner run as another user": 0, "runs held up": 0}
    )
    yield counts
    print("\nhostile owner: " + ", ".join(f"{name} {number}" for name, number in counts.items()))


@pytest.fixture(scope="session")
def hosts(lab, pytestconfig):
    """The hosts by release, before the role."""
    hosts = {release: Host(lab, release) for release in releases(pytestconfig)}
    lab.boot(host.guest for host in hosts.values())

    def set_up(host):
        host.prepare()
        run = host.play("vsmtp.relay.site")
        assert run.status == 0, run.output

    with ThreadPoolExecutor() as pool:
        list(pool.map(set_up, hosts.values()))
    return hosts


@pytest.fixture
def host(request, hosts):
    """Each of the hosts in turn, with stock files."""
    host = hosts[request.param]
    for user in ("mallory", "victor"):
        host.restore(user)
    return host
