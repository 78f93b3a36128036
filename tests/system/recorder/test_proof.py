# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the role, and the status, prove that logins reach the recorder; they name what is in the way, and the remedy."""

from __future__ import annotations

import json

import pytest

from support.fingerprint import fingerprint
from support.playbook import play
from support.waiting import wait_until

from .conftest import SERVERS

MAIN = "/etc/dovecot/dovecot.conf"
REPORTING = "/etc/dovecot/conf.d/95-vsmtprelay.conf"
LATER = "/etc/dovecot/conf.d/96-later.conf"
SECOND = "/etc/dovecot-second/dovecot.conf"
# Its auth process reads the settings when it starts, for the first login.
RESTART = "systemctl restart dovecot; doveadm auth test -x service=imap alice alice-secret"
# As a configuration that is generated from a list of files: it has all of them but the one of the role.
INCLUDE = "!include conf.d/*.conf"
LIST_FILES = f"""
cp -a {MAIN} {MAIN}.before
grep -vxF '{INCLUDE}' {MAIN}.before > {MAIN}
for file in /etc/dovecot/conf.d/*.conf; do
    test "$file" = {REPORTING} || echo "!include $file" >> {MAIN}
done
"""
# A second instance with the same accounts, for which nobody added the file of the role.
START_SECOND = f"""
cp -a /etc/dovecot /etc/dovecot-second
rm /etc/dovecot-second/conf.d/95-vsmtprelay.conf
cat > /etc/dovecot-second/conf.d/99-second.conf <<END
base_dir = /run/dovecot-second
instance_name = second
service pop3-login {{
  inet_listener pop3 {{
    port = 1110
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
END
dovecot -c {SECOND} > /dev/null 2>&1
"""


class Fleet:
    """Both hosts, and what the playbooks say of them."""

    def __init__(self, lab, hosts, directory):
        self._lab = lab
        self._json = directory / "status.json"
        self.hosts = list(hosts.values())

    def on_each(self, script):
        for host in self.hosts:
            host.run(["sh", "-ec", script])

    def site(self):
        return play(
            self._lab,
            "vsmtp.relay.site",
            "-e",
            json.dumps({"pop_before_smtp_virtual_servers": SERVERS}),
            "--limit",
            "recorder-*",
        )

    def status(self):
        """Return what the status knows of each host, by name, and what it prints."""
        variables = {"relay_json": str(self._json), "relay_drift": False}
        run = play(self._lab, "vsmtp.relay.status", "-e", json.dumps(variables), "--limit", "recorder-*")
        assert run.status == 0, run.output
        return {host["host"]: host for host in json.loads(self._json.read_text())["hosts"]}, run.output

    def check_faults(self, words):
        """See that a run fails for each host in one line with ``words``, and that the status has the same line."""
        run = self.site()
        states, printed = self.status()
        for host in self.hosts:
            lines = [line for line in run.output.splitlines() if line.startswith(f"{host.name}: Dovecot ({MAIN}) {words}")]
            assert len(lines) == 1, run.output
            assert run.counts[host.name]["failed"] == 1
            assert states[host.name]["recorder"] == "unproven"
            assert f"- {lines[0]}" in printed.splitlines()


@pytest.fixture
def fleet(lab, hosts, tmp_path):
    fleet = Fleet(lab, hosts, tmp_path)
    fleet.on_each("vsmtprelay expire")
    return fleet


@pytest.fixture
def mended(fleet):
    """Undo what a test did to Dovecot's files, and see that logins are proven again."""
    yield
    fleet.on_each(f"test ! -e {MAIN}.before || mv {MAIN}.before {MAIN}; rm -f {LATER}; systemctl reload-or-restart dovecot")
    run = fleet.site()
    assert run.status == 0, run.output


def test_the_proof_records_nothing_and_says_nothing_where_logins_are_recorded(fleet):
    run = fleet.site()
    assert run.status == 0, run.output
    states, printed = fleet.status()
    assert "Nothing needs attention." in printed
    for host in fleet.hosts:
        assert f"{host.name}: nothing to do\n" in run.output
        assert (states[host.name]["recorder"], states[host.name]["recorder_faults"]) == ("up", [])
        assert host.run(["vsmtprelay", "dump"]).stdout == ""


@pytest.mark.usefixtures("mended")
def test_a_dovecot_that_does_not_read_the_file_of_the_role_fails_the_run(fleet):
    fleet.on_each(f"{LIST_FILES}\nsystemctl reload dovecot")
    fleet.check_faults(f"does not report logins: it does not read {REPORTING}")


@pytest.mark.usefixtures("mended")
def test_a_later_file_that_has_dovecot_ask_before_it_compares_the_password_fails_the_run(fleet):
    fleet.on_each(f"echo 'auth_policy_check_before_auth = yes' > {LATER}; systemctl reload dovecot")
    fleet.check_faults("reports logins before it compares the password: auth_policy_check_before_auth is yes")


@pytest.mark.usefixtures("mended")
def test_a_dovecot_that_still_has_such_settings_fails_the_run_whatever_its_files_say(fleet):
    fleet.on_each(f"echo 'auth_policy_check_before_auth = yes' > {LATER}; {RESTART}; rm {LATER}")
    fleet.check_faults("reports logins before it compares the password: it has not read its files again")
    # None of the passwords that were tried is right.
    assert [host.run(["vsmtprelay", "dump"]).stdout for host in fleet.hosts] == ["", ""]


@pytest.mark.usefixtures("mended")
def test_a_dovecot_that_has_not_read_the_file_fails_the_run(fleet):
    for host in fleet.hosts:
        content = host.read(REPORTING)
        host.run(["sh", "-ec", f"rm {REPORTING}; {RESTART}"])
        host.write(REPORTING, content)
    fleet.check_faults("does not report logins, though its files say so")


@pytest.mark.usefixtures("mended")
def test_another_policy_server_is_seen_before_anything_is_changed(fleet):
    settings = "auth_policy_server_url = http://127.0.0.1:4001/\\nauth_policy_hash_nonce = other\\n"
    fleet.on_each(f"printf '{settings}' > {LATER}; systemctl reload dovecot")
    before = [fingerprint(host) for host in fleet.hosts]
    run = fleet.site()
    for host in fleet.hosts:
        line = f"{host.name}: Dovecot already asks another policy server (http://127.0.0.1:4001/); it can ask only one"
        assert line in run.output.splitlines()
        assert (run.counts[host.name]["failed"], run.counts[host.name]["changed"]) == (1, 0)
    assert [fingerprint(host) for host in fleet.hosts] == before
    states, _printed = fleet.status()
    for host in fleet.hosts:
        assert states[host.name]["recorder"] == "unproven"
        (fault,) = states[host.name]["recorder_faults"]
        assert fault.startswith(f"Dovecot ({MAIN}) does not report logins: it asks another policy server")


@pytest.fixture
def second_instances(fleet):
    """Let a second Dovecot run on each host."""
    fleet.on_each(START_SECOND)
    yield
    for host in fleet.hosts:
        master = host.read("/run/dovecot-second/master.pid").strip()
        host.run(["doveadm", "-c", SECOND, "stop"])
        # The files go only after the processes. Dovecot 2.4 leaves master.pid there after a reload.
        wait_until(lambda host=host, master=master: not host.path(f"/proc/{master}").exists())
    fleet.on_each("rm -r /etc/dovecot-second /run/dovecot-second")


@pytest.mark.usefixtures("second_instances")
def test_a_second_dovecot_that_does_not_report_needs_attention_and_fails_no_run(fleet):
    run = fleet.site()
    assert run.status == 0, run.output
    states, printed = fleet.status()
    for host in fleet.hosts:
        fault = f"Dovecot ({SECOND}) does not report logins: it does not read {REPORTING}"
        assert f"{host.name}: nothing to do; attention: {fault}" in run.output
        assert states[host.name]["recorder"] == "up"
        assert f"- {host.name}: {fault}" in printed


@pytest.mark.usefixtures("second_instances")
def test_a_second_dovecot_is_proven_once_it_reads_the_file(fleet):
    fleet.on_each(f"echo '!include_try {REPORTING}' >> {SECOND}; doveadm -c {SECOND} reload")
    states, printed = fleet.status()
    assert [states[host.name]["recorder_faults"] for host in fleet.hosts] == [[], []]
    assert "Nothing needs attention." in printed


def test_a_host_without_a_dovecot_that_runs_is_set_up_and_needs_attention(fleet):
    fleet.on_each("systemctl stop dovecot.socket dovecot.service")
    try:
        run = fleet.site()
        states, _printed = fleet.status()
    finally:
        fleet.on_each("systemctl start dovecot.service")
    assert run.status == 0, run.output
    for host in fleet.hosts:
        assert f"{host.name}: nothing to do; no Dovecot runs, so nothing proves that logins will be recorded" in run.output
        assert states[host.name]["recorder"] == "unproven"
        assert states[host.name]["recorder_faults"] == ["no Dovecot runs, so no login is recorded; start it"]
