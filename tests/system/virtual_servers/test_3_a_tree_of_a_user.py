# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual server in the tree of a user who can log in: their daemon is reloaded, and nothing that their files say is run.

The tree has its own sendmail.cf and daemon, beside those of the other servers.
"""

from __future__ import annotations

import re

import pytest
import yaml

from support.documentation import DOCUMENTATION, block
from support.playbook import play
from support.waiting import wait_until

from .host import HOST, PAGE, before_mailers, without

USER, SERVER = "customer", "owned"
TREE = f"/srv/{SERVER}"
SENDMAIL_CF, PID_FILE = f"{TREE}/etc/sendmail.cf", f"{TREE}/run/sendmail.pid"
TRAP, TRACE = "/usr/local/sbin/trap", "/run/trap-was-run"
PORT = "2526"
UNIT = f"sendmail@{SERVER}.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/owner.conf"


@pytest.fixture(scope="module")
def host(request, shared_hosts):
    """Each of the hosts in turn, with the tree of the user, which has a sendmail.cf of its own."""
    host = shared_hosts[request.param]
    guest = host.guest
    guest.run(["useradd", "--create-home", "--shell", "/bin/bash", USER])
    guest.run(["sh", "-ec", f"mkdir -p {TREE}/etc {TREE}/run; mkdir -m 700 {TREE}/mqueue"])
    lines = block(PAGE, "m4").replace("/srv/a/", f"{TREE}/").replace("Port=smtp", f"Port={PORT}")
    for documented, address in (("192.0.2.61", "address4"), ("2001:db8:99::61", "address6")):
        lines = lines.replace(documented, host.addresses("a")[address])
    stock = without(guest.read("/etc/mail/sendmail.mc"), "DAEMON_OPTIONS")
    text = before_mailers(stock, f"{lines}define(`confTRUSTED_USER', `{USER}')dnl\n")
    guest.write(SENDMAIL_CF, guest.run(["m4", "-"], input=text).stdout)
    guest.run(["chown", "-R", f"{USER}:", TREE])
    guest.write(TRAP, f"#!/bin/sh\ntouch {TRACE}\n", 0o755)
    yield host
    guest.run(["systemctl", "stop", UNIT], check=False)
    assert not guest.path(TRACE).exists()


def settings_of_the_user_s_unit():
    """Return the lines that the documentation names for the daemon of a user, with this one."""
    text = (DOCUMENTATION / PAGE).read_text(encoding="utf-8")
    section = text.partition("## A tree that belongs to a user\n")[2].partition("\n## ")[0]
    lines = re.findall(r"`(\w+=\w+)`", section)
    assert len(lines) == 3
    return "\n".join(lines).replace("User=a", f"User={USER}")


@pytest.fixture
def start(host):
    """Return what starts the daemon of the tree by its unit, with more lines for the service; it ends after the test."""
    guest = host.guest

    def start(settings):
        guest.run(["mkdir", "-p", DROP_IN.rpartition("/")[0]])
        guest.write(DROP_IN, f"[Service]\n{settings}\n")
        guest.run(["systemctl", "daemon-reload"])
        guest.run(["systemctl", "start", UNIT])
        wait_until(lambda: host.generation(SERVER))

    yield start
    guest.run(["systemctl", "stop", UNIT])
    guest.run(["rm", "-rf", DROP_IN.rpartition("/")[0], PID_FILE])
    guest.run(["chown", "-R", f"{USER}:", TREE])


def reload(host, lab, tmp_path, *paths):
    """Run the module that reloads daemons; return what it printed."""
    playbook = tmp_path / "reload.yml"
    tasks = [{"name": "Reload", "vsmtp.relay.sendmail_reload": {"paths": list(paths), "force": True}}]
    playbook.write_text(yaml.safe_dump([{"hosts": host.guest.name, "gather_facts": False, "tasks": tasks}]))
    return play(lab, str(playbook), "--limit", host.guest.name)


def test_the_daemon_of_the_user_is_reloaded(host, start, lab, tmp_path):
    start(settings_of_the_user_s_unit())
    process, *_ = before = host.generation(SERVER)
    assert host.guest.run(["ps", "-o", "user=", "-p", str(process)]).stdout.strip() == USER
    run = reload(host, lab, tmp_path, SENDMAIL_CF)
    assert run.status == 0, run.output
    assert host.generation(SERVER) != before


def test_a_daemon_of_root_s_is_reloaded_if_its_unit_names_the_file(host, start, lab, tmp_path):
    # sendmail creates no PidFile in a directory that somebody else can write to.
    host.guest.run(["chown", "root:", f"{TREE}/run"])
    start("")
    before = host.generation(SERVER)
    run = reload(host, lab, tmp_path, SENDMAIL_CF)
    assert run.status == 0, run.output
    assert host.generation(SERVER) != before


@pytest.mark.parametrize("hostile", ["names the host's daemon and a command", "is a FIFO"])
def test_a_hostile_pid_file_is_a_failure_of_its_server_alone(host, lab, tmp_path, hostile):
    guest, before = host.guest, host.generations()
    if hostile == "is a FIFO":
        guest.run(["mkfifo", PID_FILE])
        expected = f"{PID_FILE}: is not a regular file"
    else:
        # A file of root's, as the body of a queued mail is.
        guest.write(PID_FILE, f"{before[HOST][0]}\n{TRAP} -C {SENDMAIL_CF}\n")
        expected = f"{SENDMAIL_CF}: a sendmail daemon (process {before[HOST][0]}) seems to serve it, but"
    guest.run(["touch", SENDMAIL_CF])
    try:
        run = reload(host, lab, tmp_path, SENDMAIL_CF, host.sendmail_cf("a"))
    finally:
        guest.run(["rm", PID_FILE])
    assert run.status == 2
    assert expected in run.output
    after = host.generations()
    assert {server for server in after if after[server] != before[server]} == {"a"}
