# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on which the role cannot do its work: it says so in one line, and changes nothing."""

from __future__ import annotations

import json

import pytest

from support.fingerprint import fingerprint
from support.places import CHECKOUT
from support.playbook import play

HOST = "mailhost"

# A program in the place of one that the host has, as it is on systems other than the guest's.
WITHOUT_BERKELEY_DB = "#!/bin/sh\necho 'Version 8.18.1\n Compiled with: DNSMAP IPV6_FULL MATCHGECOS MILTER CDB STARTTLS'\n"
OLD_DOVECOT = "#!/bin/sh\necho '2.2.36 (1f10bfa63)'\n"
NOTHING = ""
OTHER_POLICY_SERVER = "auth_policy_server_url = http://127.0.0.1:4001/\nauth_policy_hash_nonce = other\n"


class Host:
    """The mail host, with something about it changed until it is mended."""

    def __init__(self, guest):
        self._guest = guest
        self._mounted, self._written, self._appended = [], [], {}

    def replace(self, program, text):
        """Put a script in the place of a program; an empty one is none."""
        self._guest.write("/run/instead", text)
        self._guest.run(["chmod", "755" if text else "644", "/run/instead"])
        path = self._guest.run(["realpath", program]).stdout.strip()
        self._guest.run(["mount", "--bind", "/run/instead", path])
        self._mounted.append(path)

    def write(self, path, text):
        self._guest.write(path, text)
        self._written.append(path)

    def let_in(self, user):
        """Let Ansible log in as an ordinary user."""
        self._guest.run(["cp", "-rT", "/root/.ssh", f"/home/{user}/.ssh"])
        self._guest.run(["chown", "-R", f"{user}:{user}", f"/home/{user}"])

    def append(self, path, text):
        self._appended.setdefault(path, self._guest.read(path))
        self._guest.write(path, self._appended[path] + text)

    def mend(self):
        for path in self._mounted:
            self._guest.run(["umount", path])
        for path in self._written:
            self._guest.run(["rm", path])
        for path, text in self._appended.items():
            self._guest.write(path, text)
        self._mounted, self._written, self._appended = [], [], {}


@pytest.fixture
def host(mail_host):
    host = Host(mail_host)
    yield host
    host.mend()


def other_policy_server(host):
    host.write("/etc/dovecot/conf.d/96-other.conf", OTHER_POLICY_SERVER)


def a_pam_file_without_account_lines(host):
    host.write("/etc/pam.d/pop3-bare", "auth required pam_unix.so\n")


CASES = {
    "a sendmail with CDB alone": (
        lambda host: host.replace("/usr/sbin/sendmail", WITHOUT_BERKELEY_DB),
        {},
        "this sendmail (8.18.1) was compiled without Berkeley DB, so it cannot read relayers.db",
    ),
    "no sendmail": (lambda host: host.replace("/usr/sbin/sendmail", NOTHING), {}, "there is no sendmail: install it first"),
    "no Dovecot": (lambda host: host.replace("/usr/sbin/dovecot", NOTHING), {}, "there is no Dovecot: install it first"),
    "an old Dovecot": (
        lambda host: host.replace("/usr/sbin/dovecot", OLD_DOVECOT),
        {},
        "Dovecot 2.2.36 is not supported, only 2.3 and 2.4 are",
    ),
    "another policy server": (
        other_policy_server,
        {},
        "Dovecot already asks another policy server (http://127.0.0.1:4001/); it can ask only one",
    ),
    "no such PAM service": (
        lambda host: None,
        {"pop_before_smtp_recorder": "pam", "pop_before_smtp_pam_services": ["pop-other"]},
        "there is no /etc/pam.d/pop-other: set pop_before_smtp_pam_services",
    ),
    "a PAM service without account lines": (
        a_pam_file_without_account_lines,
        {"pop_before_smtp_recorder": "pam", "pop_before_smtp_pam_services": ["pop3-bare"]},
        "no account line in /etc/pam.d/pop3-bare",
    ),
    "not root": (
        lambda host: host.let_in("alice"),
        {"ansible_user": "alice"},
        "connect as root, or run the playbook with --become",
    ),
    "a list that is wrong": (
        lambda host: None,
        {"pop_before_smtp_virtual_servers": [{"name": "a", "root": "/srv/a"}, {"name": "A B", "root": "relative"}]},
        "A B",
    ),
}


def a_broken_sendmail_cf(host):
    host.append("/etc/mail/sendmail.cf", "Xbroken\n")


def a_broken_sendmail_mc(host):
    host.append("/etc/mail/sendmail.mc", "define(`confNOT_CLOSED\n")


ONE = {"name": "main"}
# Variables that no host can do with: each fault is a line that begins with the name of the variable.
WRONG = {
    "networks to ignore": (
        {"pop_before_smtp_ignore": ["192.0.2.0/24", "webmail", "10.0.0.1/8"]},
        ["pop_before_smtp_ignore: 'webmail' is not a network", "pop_before_smtp_ignore: '10.0.0.1/8' is not a network"],
    ),
    "an hour": ({"pop_before_smtp_cron_hour": 25}, ["value of pop_before_smtp_cron_hour must be one of"]),
    "a minute": ({"pop_before_smtp_cron_minute": -1}, ["value of pop_before_smtp_cron_minute must be one of"]),
    "a window and an age": (
        {"pop_before_smtp_window": -1, "pop_before_smtp_expire": -5},
        ["pop_before_smtp_window: -1 is not 0 or more", "pop_before_smtp_expire: -5 is not 0 or more"],
    ),
    "roots": (
        {
            "pop_before_smtp_virtual_servers": [
                {"name": "up", "root": "/srv/../etc"},
                {"name": "blank", "root": "/srv/a b"},
                {"name": "Upper"},
            ]
        },
        [
            "pop_before_smtp_virtual_servers: virtual server 'up': root: '/srv/../etc' contains '..'",
            "pop_before_smtp_virtual_servers: virtual server 'blank': '/srv/a b/etc/relayers.db': sendmail's K line",
            "pop_before_smtp_virtual_servers: virtual server 'Upper': a name consists of",
        ],
    ),
    "a permission": (
        {
            "pop_before_smtp_permissions": [
                {"address": "198.51.100.300"},
                {"address": "192.0.2.1", "virtual_servers": ["other"]},
            ]
        },
        [
            "pop_before_smtp_permissions: permission for '198.51.100.300': '198.51.100.300' is not an IP address",
            "pop_before_smtp_permissions: permission for '192.0.2.1': no virtual server 'other'",
        ],
    ),
    "no such sendmail.cf": (
        {"pop_before_smtp_virtual_servers": [{"name": "away", "root": "/srv/away"}]},
        ["pop_before_smtp_virtual_servers: away: /srv/away/etc/sendmail.cf: no such file"],
    ),
}
BROKEN = {
    "a sendmail.cf that sendmail does not read": (a_broken_sendmail_cf, {}, "/etc/mail/sendmail.cf: sendmail rejects it"),
    # By default the sendmail.cf alone is edited then, with a warning: tests/system/sendmail_cf.
    "a sendmail.mc that m4 does not read": (
        a_broken_sendmail_mc,
        {"pop_before_smtp_sendmail_source": "mc"},
        "/etc/mail/sendmail.mc: no sendmail.cf can be generated from it here",
    ),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.fault("bad-variable")
def test_each_fault_of_the_variables_is_a_line_with_the_name_of_the_variable_and_nothing_changes(lab, mail_host, case):
    variables, said = WRONG[case]
    before = fingerprint(mail_host)
    run = play(lab, "vsmtp.relay.site", "-e", json.dumps(variables))
    assert run.status != 0
    lines = run.output.splitlines()
    for fault in said:
        found = [line for line in lines if line.startswith((f"{HOST}: {fault}", fault))]
        assert len(found) == 1, run.output
    assert sum(counts["changed"] for counts in run.counts.values()) == 0
    assert fingerprint(mail_host) == before


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_does_not_take_the_ruleset_is_named_before_anything_is_installed(lab, mail_host, host, case):
    arrange, source, said = BROKEN[case]
    # As on a host to which the role comes for the first time, but for the packages.
    variables = {"files": [{"path": "/etc/mail/sendmail.cf"}], "source": "auto", "state": "absent"}
    playbook = CHECKOUT / "tests/system/sendmail_cf/rulesets.yml"
    assert play(lab, str(playbook), "-e", json.dumps(variables)).status == 0
    mail_host.run(["rm", "/etc/cron.d/vsmtprelay"])
    try:
        arrange(host)
        before = fingerprint(mail_host)
        run = play(lab, "vsmtp.relay.site", "-e", json.dumps(source))
        assert run.status != 0
        assert [
            line
            for line in run.output.splitlines()
            if line.startswith(f"{HOST}: pop_before_smtp_virtual_servers: {HOST}: {said}")
        ]
        assert run.counts[HOST]["changed"] == 0
        assert fingerprint(mail_host) == before
    finally:
        host.mend()
        assert play(lab, "vsmtp.relay.site").status == 0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.fault("bad-variable")
def test_what_cannot_be_is_said_in_one_line_and_nothing_changes(lab, mail_host, host, case):
    arrange, variables, said = CASES[case]
    arrange(host)
    before = fingerprint(mail_host)
    run = play(lab, "vsmtp.relay.site", "-e", json.dumps(variables))
    assert run.status != 0
    assert [line for line in run.output.splitlines() if said in line], run.output
    assert sum(counts["changed"] for counts in run.counts.values()) == 0
    assert fingerprint(mail_host) == before
