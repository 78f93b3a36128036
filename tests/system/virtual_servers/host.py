# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail host whose sendmail first serves all by itself, and then side by side with a daemon for each virtual server."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import yaml

from support.documentation import block
from support.mail import log_in
from support.throttles import lift_throttles
from support.waiting import wait_until

PAGE = "virtual_servers.md"
OWN_DAEMONS = ("a", "b", "c")
FAMILIES = ("address4", "address6")
SUBNETS = ("192.0.2.", "2001:db8:99::")
# Of the guest itself, which takes what no other claims.
HOST = "host"

# TLS as Debian sets it up; and more of the access map than Debian has sendmail look at.
SENDMAIL_MC = """\
include(`/etc/mail/tls/starttls.m4')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
FEATURE(`blacklist_recipients')dnl
"""
# It is to be the daemon's own doing that it goes on under another process id.
IN_BACKGROUND = (("-bD", "-bd"), ("Type=simple", "Type=forking\nKillMode=process\nRemainAfterExit=yes"))


def on_all(hosts, work):
    """Do ``work`` with each host, side by side; raise the first error."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, hosts))


def key_of(address):
    """Return the address as it stands in a database, in lower case, for one of the test bed's addresses."""
    head, _, last = address.partition("::")
    return f"ipv6:{head}:0:0:0:0:{last}" if last else address


def before_mailers(text, lines):
    """Return the text of a sendmail.mc with more lines, in the place where they take effect."""
    return text.replace("MAILER_DEFINITIONS\n", f"{lines}MAILER_DEFINITIONS\n")


def without(text, *beginnings):
    """Return the text of a sendmail.mc without the lines that begin so."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(beginnings))


class Host:
    """One guest. ``servers`` is what the role is given, ``made`` the text of each sendmail.cf before the role was there."""

    def __init__(self, lab, release, number):
        self.guest = lab.guest(f"servers-{release}", release=release)
        self._number = number
        self.servers = [{"name": HOST}]
        self.made = {}

    def addresses(self, server):
        """Return the IPv4 and the IPv6 address of a virtual server, by their attributes' names on guests and clients."""
        if server == HOST:
            return {"address4": self.guest.address4, "address6": self.guest.address6}
        place = self._number + 1 + OWN_DAEMONS.index(server)
        return {family: f"{subnet}{place}" for family, subnet in zip(FAMILIES, SUBNETS, strict=True)}

    def _as_here(self, text, server):
        """Return what the documentation says about the server ``a`` as it is for ``server`` on this guest."""
        for family, subnet in zip(FAMILIES, SUBNETS, strict=True):
            text = text.replace(f"{subnet}61", self.addresses(server)[family])
        return text.replace("/srv/a/", f"/srv/{server}/")

    # One daemon for all addresses of the host

    def prepare(self):
        """Make it a host with TLS, and each virtual server a directory with a sendmail.cf, before the role was ever there."""
        guest = self.guest
        lift_throttles(guest)
        guest.run(["/usr/share/sendmail/update_tls", "new"])
        stock = before_mailers(guest.read("/etc/mail/sendmail.mc"), SENDMAIL_MC)
        # The role is to have the daemon read it.
        self._generate(stock)
        for server in OWN_DAEMONS:
            guest.run(["sh", "-ec", f"mkdir -p /srv/{server}/etc /srv/{server}/run; mkdir -m 700 /srv/{server}/mqueue"])
            own = before_mailers(without(stock, "DAEMON_OPTIONS"), self._as_here(block(PAGE, "m4"), server))
            self.made[server] = guest.run(["m4", "-"], input=own).stdout
            guest.write(self.sendmail_cf(server), self.made[server])

    def _generate(self, sendmail_mc):
        self.guest.write("/etc/mail/sendmail.mc", sendmail_mc)
        self.guest.run(["make", "-C", "/etc/mail"])

    # A daemon for each

    def leave_addresses_to_others(self):
        """Have the host's own daemon listen on its own addresses only, without delay_checks; add addresses for the others."""
        guest = self.guest
        for server in OWN_DAEMONS:
            own = self.addresses(server)
            for words in (f"{own['address4']}/24", f"{own['address6']}/64 nodad"):
                guest.run(["ip", "address", "add", *words.split(), "dev", "eth0"])
        listen = [line for line in block(PAGE, "m4").splitlines(keepends=True) if line.startswith("DAEMON_OPTIONS")]
        text = without(guest.read("/etc/mail/sendmail.mc"), "DAEMON_OPTIONS", "FEATURE(`delay_checks'")
        self._generate(before_mailers(text, self._as_here("".join(listen), HOST)))
        before = self.generation(HOST)
        guest.run(["kill", "-HUP", str(before[0])])
        wait_until(lambda: self.generation(HOST) not in (None, before))

    def start_daemons(self):
        """Start a daemon for each virtual server: that of ``b`` in the background, as Debian starts its own."""
        unit = block(PAGE, "ini")
        self.guest.write("/etc/systemd/system/sendmail@.service", unit)
        for now, then in IN_BACKGROUND:
            assert now in unit
            unit = unit.replace(now, then)
        self.guest.write("/etc/systemd/system/sendmail@b.service", unit)
        self.guest.run(["systemctl", "daemon-reload"])
        self.guest.run(["systemctl", "start", *(f"sendmail@{server}" for server in OWN_DAEMONS)])
        for server in OWN_DAEMONS:
            wait_until(lambda server=server: self.generation(server))

    def add_servers(self):
        """Put the virtual servers on the list, as the documentation has it."""
        (self.servers,) = yaml.safe_load(block(PAGE, "yaml")).values()
        for server in self.servers:
            if server["name"] != HOST:
                server["addresses"] = list(self.addresses(server["name"]).values())

    def change_server(self, name, **changes):
        """Change one virtual server's entry in the list."""
        self.servers = copy.deepcopy(self.servers)
        next(server for server in self.servers if server["name"] == name).update(changes)

    # What is there

    def sendmail_cf(self, server):
        """Return the path of the server's sendmail.cf."""
        return "/etc/mail/sendmail.cf" if server == HOST else f"/srv/{server}/etc/sendmail.cf"

    def generation(self, server):
        """Return what changes whenever the server's daemon rereads its configuration; None while there is no daemon.

        That is the process id and start time of its process, which stay with -bD, and the time of its PidFile, which it
        writes once it listens.
        """
        path = "/run/sendmail/mta/sendmail.pid" if server == HOST else f"/srv/{server}/run/sendmail.pid"
        try:
            pid = int(self.guest.read(path).partition("\n")[0])
            started = self.guest.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[19]
            return pid, started, self.guest.path(path).stat().st_mtime_ns
        except (OSError, ValueError):
            return None

    def generations(self):
        """Return that of all daemons, by server."""
        return {server: self.generation(server) for server in (HOST, *OWN_DAEMONS)}

    def listed(self, server):
        """Return the keys in the server's database."""
        return {
            line.split()[0] for line in self.guest.run(["vsmtprelay", "--server", server, "dump"]).stdout.splitlines()[1::2]
        }

    def log_in(self, client, server, family=FAMILIES[0], recorded_by=""):
        """Log in at an address of ``server``, and return when that, or ``recorded_by`` in its place, has it in its database.

        On a busy machine the login may go on before that: when the recorder has waited 200 ms for the disk.
        """
        assert log_in(client, self.addresses(server)[family])
        wait_until(lambda: key_of(getattr(client, family)) in self.listed(recorded_by or server))

    def forget_logins(self):
        """Expire all databases."""
        self.guest.run(["vsmtprelay", "--all", "expire"])
