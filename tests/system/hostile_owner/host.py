# SPDX-License-Identifier: GPL-3.0-or-later
"""A host under attack: its virtual servers and their owners, who attacks it, and what must stay as it is."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.playbook import play
from support.throttles import lift_throttles

IN_GUEST = Path(__file__).parent / "in_guest"
SCRIPTS = "/usr/local/attack"
ETC = "/srv/mallory/etc"
# A program of Mallory's. It lives long enough to be seen; what it prints is no use to anybody.
EVIL = f"{SCRIPTS}/evil"
EVIL_SCRIPT = "#!/bin/sh\nsleep 0.4\necho OK\n"
# Directories of root's that hold nothing but trees of Mallory's.
MORE = "/srv/more"
# The runs of the role with other lists of virtual servers write these, with another content each time.
OF_THE_LIST = ("/etc/vsmtprelay/", "/etc/systemd/system/vsmtprelay-", "/var/lib/vsmtprelay/")
PREPARE = """
mkdir -m 0700 /root/private
echo secret > /root/private/secret
chmod 600 /root/private/secret
mkdir -p {scripts} {more}
for user in mallory victor; do
    useradd --shell /bin/sh --no-create-home $user
done
for address in {addresses}; do
    ip address add $address/32 dev lo
done
usermod -p "$(openssl passwd -1 alice-secret)" alice
"""
# The directories stay the same ones: the recorder's unit may write to these.
RESTORE = """
[ ! -h /srv/{user}/etc ] || rm /srv/{user}/etc
mkdir -p /srv/{user}/etc
find /srv/{user} -mindepth 1 ! -path /srv/{user}/etc -delete
cp {stock} /srv/{user}/etc/sendmail.cf
cp {database} /srv/{user}/etc/relayers.db
chmod 755 /srv/{user} /srv/{user}/etc
chmod 644 /srv/{user}/etc/*
chown -R {user}: /srv/{user}
"""
# The hard links would belong to root; what an attack with links has left is Mallory's.
STRANGE = "find /srv/mallory -path /srv/mallory/links -prune -o ! -user mallory -printf '%p %U:%G %m\\n'"
# Large enough for the copy to take its time: 5 MB.
ENTRIES = 40_000


class Attack:
    """A process of Mallory's, which ends with its standard input, and prints one line before and one after its work."""

    def __init__(self, host, script, *words, user="mallory"):
        rights = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        command = [*rights, "python3", f"{SCRIPTS}/{script}.py", *map(str, words)]
        self._process = host.guest.popen(command)
        assert self._process.stdout.readline() == "ready\n"

    def end(self):
        """Return what it printed at its end."""
        output, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return json.loads(output)

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        if self._process.poll() is None:
            self._process.communicate(timeout=60)


class Host:
    """One guest: the virtual servers ``host`` of root's, ``mallory`` and ``victor`` of these users, by local addresses."""

    def __init__(self, lab, release, number):
        self.guest = lab.guest(f"hostile-{release}", release=release)
        self.addresses = {"mallory": f"192.0.2.{number}", "victor": f"192.0.2.{number + 1}"}
        self._lab = lab
        self._states = []

    # Set-up

    def prepare(self):
        """Make the users and their trees, and note what root's files look like before the role and after it."""
        lift_throttles(self.guest, "198.18.0.0/16")
        self._sh(PREPARE.format(scripts=SCRIPTS, more=MORE, addresses=" ".join(self.addresses.values())))
        for script in IN_GUEST.glob("*.py"):
            self.guest.write(f"{SCRIPTS}/{script.name}", script.read_text(encoding="utf-8"))
        self.guest.write(EVIL, EVIL_SCRIPT, 0o755)
        self._sh("cp /etc/mail/sendmail.cf /root/stock.cf; cp /etc/mail/sendmail.mc /root/stock.mc")
        lines = "".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} 1\n" for n in range(ENTRIES))
        self.guest.run(["makemap", "hash", "/root/large.db"], input=lines)
        self.guest.run(["makemap", "hash", "/root/small.db"], input="192.0.2.200 4102444800\n192.0.2.199 1\n")
        for user in ("mallory", "victor"):
            self.restore(user)
        self._states.append(self.files_of_others())
        run = self.play("vsmtp.relay.site")
        assert run.status == 0, run.output
        self._states.append(self.files_of_others())

    def restore(self, user, database="/root/small.db"):
        """Give a user the stock sendmail.cf and a database, and no other files."""
        self._sh(RESTORE.format(user=user, stock="/root/stock.cf", database=database))

    def _sh(self, script):
        return self.guest.run(["sh", "-ec", script]).stdout

    # Root's work

    def servers(self, *more):
        """Return the list of virtual servers, with more of them before that of Victor."""
        mallory, victor = (
            {"name": name, "root": f"/srv/{name}", "addresses": [address]} for name, address in self.addresses.items()
        )
        others = [{"name": name, "root": f"{MORE}/{name}", "domains": [f"{name}.example"]} for name in more]
        return [{"name": "host"}, mallory, *others, victor]

    def play(self, playbook, *options, servers=None):
        variables = {"pop_before_smtp_virtual_servers": servers or self.servers()}
        begin = time.monotonic()
        run = play(self._lab, playbook, "-e", json.dumps(variables), "--limit", self.guest.name, *options)
        run.seconds = time.monotonic() - begin
        return run

    # What must be the same after an attack

    def files_of_others(self):
        """Return facts about the files of root and Victor, by path."""
        return json.loads(self.guest.run(["python3", f"{SCRIPTS}/files_of_others.py"]).stdout)

    def changed_since(self, before):
        """Return what an attack has changed since: facts that are neither as ``before`` nor as the role has left them."""
        now = self.files_of_others()
        states = [before, *self._states]
        changed = {}
        for path in sorted(set(now).union(*states)):
            facts, allowed = now.get(path), [state.get(path) for state in states]
            if path.startswith(OF_THE_LIST):
                facts, allowed = facts and facts[:3], [each and each[:3] for each in allowed]
            if facts not in allowed and not (path.startswith(OF_THE_LIST) and all(each is None for each in allowed)):
                changed[path] = [before.get(path), now.get(path)]
        return changed

    def strange(self):
        """Return files in Mallory's tree that are not hers."""
        return self._sh(STRANGE)

    def listed(self, server):
        """Return the addresses in a server's database."""
        lines = self.guest.run(["vsmtprelay", "--server", server, "dump"]).stdout.splitlines()[1::2]
        return {line.split()[0] for line in lines}

    def attack(self, way, *more, etc=ETC):
        """Return Mallory's process, which attacks in this way; its end returns the number of its swaps."""
        return Attack(self, "attacker", etc, way, len(way), *more)
