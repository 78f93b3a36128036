# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual servers whose files stop whoever works on them naively: what is wrong with each, and which work it may stop.

The scripts run in the ``etc`` of a tree of Mallory's, with a stock sendmail.cf and a small database.
"""

from __future__ import annotations

import shlex

from .host import EVIL, MORE, SCRIPTS, Attack

# Which work on a server its files may stop: all of it, what changes anything, what reads or writes its database, what changes
# that, what changes its sendmail.cf, or none.
ALL, CHANGES, DATABASE, WRITING, RULESET, NONE = "all", "changes", "the database", "writing", "the ruleset", "none"

CHANGE_FLAGS = f"python3 {SCRIPTS}/change_flags.py"


class Tree:
    """What Mallory has done, or root for her, and which work that may stop."""

    def __init__(self, stops, script="", root="", holds=()):
        self.stops = stops
        self.script = script
        self.root = root
        self.holds = holds


STOPPERS = {
    "fifo-database": Tree(DATABASE, "rm relayers.db; mkfifo relayers.db"),
    "fifo-lock": Tree(NONE, "mkfifo .relayers.db.vsmtprelay"),
    "fifo-cf": Tree(RULESET, "rm sendmail.cf; mkfifo sendmail.cf"),
    "fifo-mc": Tree(RULESET, "mkfifo sendmail.mc"),
    "fifo-temporary": Tree(NONE, "mkfifo .sendmail.cf.vsmtprelay"),
    "fifo-pid": Tree(RULESET, "mkfifo pid; echo O PidFile=$PWD/pid >> sendmail.cf"),
    "fifo-map": Tree(RULESET, "mkfifo map.db; printf 'Kevil hash %s/map\\n' $PWD >> sendmail.cf"),
    "fifo-include": Tree(RULESET, 'mkfifo more.m4; (echo "include(\\`$PWD/more.m4\')dnl"; cat /tmp/stock.mc) > sendmail.mc'),
    "socket-database": Tree(
        DATABASE, "rm relayers.db; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"relayers.db\")'"
    ),
    "socket-cf": Tree(
        RULESET, "rm sendmail.cf; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sendmail.cf\")'"
    ),
    "device-database": Tree(DATABASE, root="rm relayers.db; mknod relayers.db c 1 5; chown mallory: relayers.db"),
    "device-cf": Tree(RULESET, root="rm sendmail.cf; mknod sendmail.cf c 1 5; chown mallory: sendmail.cf"),
    "directory-database": Tree(DATABASE, "rm relayers.db; mkdir relayers.db"),
    "directory-lock": Tree(WRITING, "mkdir .relayers.db.vsmtprelay"),
    "directory-mc": Tree(RULESET, "mkdir sendmail.mc"),
    "directory-temporary": Tree(RULESET, "mkdir .sendmail.cf.vsmtprelay"),
    "huge-database": Tree(DATABASE, "truncate --size 8T relayers.db"),
    "huge-cf": Tree(RULESET, "truncate --size 8T sendmail.cf"),
    "huge-pid": Tree(RULESET, "truncate --size 8T pid; echo O PidFile=$PWD/pid >> sendmail.cf"),
    "long-comment": Tree(NONE, "python3 -c \"print('#' + 'O PidFile=' * 100000)\" >> sendmail.cf"),
    "slow-program": Tree(RULESET, "printf 'F{evil}|/bin/sleep 600\\n' >> sendmail.cf"),
    "endless-m4": Tree(RULESET, "(echo \"define(\\`a',\\`a')a\"; cat /tmp/stock.mc) > sendmail.mc"),
    "talkative-m4": Tree(RULESET, "(echo \"define(\\`a',\\`xxxxxxxx''\\`a')a\"; cat /tmp/stock.mc) > sendmail.mc"),
    "forking-m4": Tree(RULESET, f'(echo "syscmd(\\`while :; do {EVIL} & done\')"; cat /tmp/stock.mc) > sendmail.mc'),
    "garbage-cf": Tree(RULESET, "head -c 100000 /dev/urandom > sendmail.cf"),
    "garbage-database": Tree(DATABASE, "head -c 100000 /dev/urandom > relayers.db"),
}
# Their check ends after 20 seconds.
SLOW = ("fifo-include", "slow-program", "endless-m4", "forking-m4")
FILE_SYSTEMS = {
    "full": Tree(
        CHANGES, root="mount -t tmpfs -o size=128k none .; {stock}; chown -R mallory: .; cat /dev/zero > fill || true"
    ),
    "no-inodes": Tree(CHANGES, root="mount -t tmpfs -o nr_inodes=4 none .; {stock}; chown -R mallory: .; touch a b c || true"),
    "read-only": Tree(CHANGES, root="mount -t tmpfs none .; {stock}; chown -R mallory: .; mount -o remount,ro ."),
    "own-mount": Tree(NONE, root="mount -t tmpfs -o mode=755 none .; {stock}; chown -R mallory: ."),
    "mount-of-root": Tree(ALL, root="mount --bind /root/private ."),
    "mount-of-victor": Tree(ALL, root="mount --bind /srv/victor/etc ."),
    "link-to-victor": Tree(ALL, "cd ..; rm -r etc; ln -s /srv/victor/etc etc"),
    "link-to-root": Tree(ALL, "cd ..; rm -r etc; ln -s /root/private etc"),
    "link-to-host": Tree(ALL, "cd ..; rm -r etc; ln -s /etc/mail etc"),
    "database-is-a-link": Tree(DATABASE, "ln -sf /srv/victor/etc/relayers.db relayers.db"),
    "cf-is-a-link": Tree(RULESET, "ln -sf /srv/victor/etc/sendmail.cf sendmail.cf"),
    "immutable": Tree(CHANGES, root=f"{CHANGE_FLAGS} +i relayers.db sendmail.cf"),
    "append-only": Tree(CHANGES, root=f"{CHANGE_FLAGS} +a ."),
    "immutable-etc": Tree(CHANGES, root=f"{CHANGE_FLAGS} +i ."),
    "not-searchable": Tree(ALL, "chmod 600 ."),
    "not-listable": Tree(NONE, "chmod 311 ."),
    "access-lists": Tree(NONE, root="{acl}"),
    "many-files": Tree(NONE, 'python3 -c \'for n in range(100000): open(f"{{n}}", "w").close()\''),
    "hard-links": Tree(ALL, root="ln -f /root/private/secret relayers.db; ln -f /etc/shadow sendmail.cf"),
    "hard-link-temporary": Tree(NONE, root="ln -f /root/private/secret .sendmail.cf.vsmtprelay"),
    "strange-name": Tree(
        ALL,
        "cd ..; mv etc \"$(printf 'a\\nvsmtprelay: forged\\033[31m')\"; ln -s a*forged* etc; cd etc/;"
        "ln -sf /etc/mail/relayers.db .; ln -sf /etc/mail/sendmail.cf .",
    ),
}
# Their owner holds these for ever.
HELD = {
    "database-locked": Tree(DATABASE, holds=("flock:relayers.db",)),
    "lock-held": Tree(WRITING, holds=("flock:.relayers.db.vsmtprelay",)),
    "lease-on-database": Tree(DATABASE, holds=("lease:relayers.db",)),
    "lease-on-lock": Tree(WRITING, holds=("lease:.relayers.db.vsmtprelay",)),
    "lease-on-cf": Tree(RULESET, holds=("lease:sendmail.cf",)),
    "lock-is-root-s": Tree(WRITING, root="ln -f /root/private/secret .relayers.db.vsmtprelay"),
}
STOCK = "cp /root/stock.cf sendmail.cf; cp /root/small.db relayers.db"
# A default access list that gives Victor and everybody all rights, and one for the files that are there (acl(5)).
ACL = """
import os, pwd, struct
def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
none, victor = 0xFFFFFFFF, pwd.getpwnam("victor").pw_uid
every = acl((1, 7, none), (2, 7, victor), (4, 7, none), (16, 7, none), (32, 7, none))
os.setxattr(".", "system.posix_acl_default", every)
for name in ("relayers.db", "sendmail.cf"):
    os.setxattr(name, "system.posix_acl_access", every)
"""


class Crowd:
    """Trees of Mallory's on a host, with what holds their files; all is gone at the end."""

    def __init__(self, host, trees):
        self.host = host
        self.trees = trees
        self._holders = []

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        guest = self.host.guest
        guest.run(["cp", "/root/stock.mc", "/tmp/stock.mc"])
        for name, tree in self.trees.items():
            etc = f"{MORE}/{name}/etc"
            root = tree.root.replace("{stock}", STOCK).replace("{acl}", f"python3 -c {shlex.quote(ACL)}")
            script = f"mkdir -p {etc}; cd {etc}; {STOCK}; chmod 755 .; chmod 644 *; chown -R mallory: {MORE}/{name}"
            guest.run(["sh", "-ec", script])
            if tree.script:
                guest.run(
                    ["setpriv", "--reuid=mallory", "--regid=mallory", "--init-groups", "sh", "-ec", f"cd {etc}; {tree.script}"]
                )
            if root:
                # The second "cd" is for a file system that was mounted there.
                guest.run(["sh", "-ec", f"cd {etc}; {root.replace('none .;', 'none $PWD; cd $PWD;')}"])
            held = [f"{kind}:{etc}/{file}" for kind, file in (word.split(":") for word in tree.holds)]
            if held:
                self._holders.append(Attack(self.host, "holder", *held))

    def __exit__(self, *_unused):
        for holder in self._holders:
            holder.end()
        flagged = " ".join(f"{name}/etc" for name, tree in self.trees.items() if CHANGE_FLAGS in tree.root)
        script = (
            f"cd {MORE}; for etc in {flagged or '-'}; do {CHANGE_FLAGS} - $etc $etc/relayers.db $etc/sendmail.cf; done 2>&-;"
            "for tree in *; do mountpoint -q $tree/etc && umount -l $tree/etc; done;"
            f"find . -type d ! -perm -700 -exec chmod u+rwx {{}} +; rm -rf {MORE}/*"
        )
        self.host.guest.run(["sh", "-c", script])

    def that_stop(self, *kinds):
        """Return the names of the trees that may stop work of these kinds."""
        return {name for name, tree in self.trees.items() if tree.stops in kinds}
