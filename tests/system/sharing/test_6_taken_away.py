# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret was seen anywhere; and where sharing is taken away, nothing of it is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.fingerprint import fingerprint
from support.mail import log_in, rcpt
from support.sharing import OPEN, REFUSED

from .fleet import ENGINES, HOSTS, RECORDER, Fleet

SECRET = "/etc/vsmtprelay/share-secret"
# Each process's words and environment, as root sees them.
COMMAND_LINES = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
COPIES = re.compile(r"/etc/g?(passwd|shadow|group)-( |$)")
OF_SHARING = (
    "/etc/vsmtprelay/share.json",
    SECRET,
    "/etc/vsmtprelay/share-ca.pem",
    "/usr/local/sbin/vsmtprelay-share",
    "/etc/systemd/system/vsmtprelay-share.service",
    "/etc/systemd/system/vsmtprelay-recorder-shared.socket",
    "/run/vsmtprelay-recorder-shared",
    "/run/vsmtprelay-share",
    "/var/lib/private/vsmtprelay-share",
    "/var/lib/vsmtprelay-share",
    "/var/lib/vsmtprelay-outbox",
)


def test_no_secret_is_in_a_journal_a_command_line_or_on_the_controller(fleet, lab, set_up):
    secrets = {name: fleet[name].read(SECRET).strip() for name in HOSTS}
    assert all(len(secret) == 64 for secret in secrets.values())
    output = "".join(run.output for run in set_up.runs)
    for name in (*HOSTS, *ENGINES):
        seen = fleet[name].journal("--all") + fleet[name].run(["sh", "-c", COMMAND_LINES], check=False).stdout
        for owner, secret in secrets.items():
            assert secret not in seen, f"the secret of {owner} is seen on {name}"
    for owner, secret in secrets.items():
        assert secret not in output, owner
        for place in (lab.state.directory / "inventory.yml", fleet.directory, Path.home() / ".ansible"):
            found = lab.controller.run(["grep", "-rslF", "--", secret, str(place)], check=False)
            assert found.stdout == "", (owner, found.stdout)


def differences(before, guest):
    """Return what is not as it was on a host, but for the copies of passwd and group that adduser and deluser leave."""
    lines = set(before.splitlines()) ^ set(fingerprint(guest).splitlines())
    return sorted(line for line in lines if not COPIES.search(line))


def leftovers(fleet, name):
    """Return what is left of sharing on a host."""
    paths = [path for path in OF_SHARING if fleet[name].run(["test", "-e", path], check=False).returncode == 0]
    units = fleet[name].run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "vsmtprelay*share*"]).stdout
    return paths + units.split()[:1]


def test_a_host_whose_engines_are_taken_away_goes_on_alone_and_nothing_of_sharing_is_left(fleet):
    kept, _at = fleet.log_in("mail3")
    run = fleet.play("site", "--limit", "mail3", engines=())
    assert run.status == 0, run.output
    assert leftovers(fleet, "mail3") == []
    assert "--share" not in fleet["mail3"].run(["systemctl", "cat", RECORDER]).stdout
    assert rcpt(kept, fleet.addresses["mail3"])[0] == OPEN
    source = fleet.address("mail3")
    assert log_in(source, fleet.addresses["mail3"])
    assert rcpt(source, fleet.addresses["mail3"])[0] == OPEN
    assert rcpt(source, fleet.addresses["mail2"])[0] == REFUSED


@pytest.fixture(scope="module")
def removed(sharing, set_up):
    """The runs that take everything away, the engines last."""
    assert isinstance(sharing, Fleet)
    hosts = sharing.play("remove", "-e", "pop_before_smtp_remove_databases=true")
    engines = sharing.play("engine", "-e", "pop_before_smtp_engine_state=absent")
    return hosts, engines


def test_absent_leaves_each_host_as_it_was(sharing, set_up, removed):
    hosts, _engines = removed
    assert hosts.status == 0, hosts.output
    for name in HOSTS:
        assert leftovers(sharing, name) == []
        assert differences(set_up.before[name], sharing[name]) == [], name


def test_absent_leaves_each_engine_as_it_was(sharing, set_up, removed):
    _hosts, engines = removed
    assert engines.status == 0, engines.output
    for name in ENGINES:
        assert differences(set_up.before[name], sharing[name]) == [], name
