# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that does not come up with its new files gets the old ones back, and the play says why."""

from __future__ import annotations

import json

import pytest

from support.fingerprint import fingerprint
from support.mail import log_in, rcpt
from support.playbook import play

HOST = "mailhost"
NETWORK = "198.51.100.0/24"
# Whatever the reason is for which a program does not start with what it was given: this one says it, as one would.
DROP_IN = "/etc/systemd/system/vsmtprelay-recorder.service.d/particular.conf"
PARTICULAR = f"""\
[Service]
ExecStart=
ExecStart=/bin/sh -c 'if grep -q {NETWORK} /etc/systemd/system/vsmtprelay-recorder.service; \\
    then echo "cannot work with {NETWORK}" >&2; exit 70; fi; \\
    exec /usr/local/sbin/vsmtprelay-recorder --spool $STATE_DIRECTORY/spool --key-file $CREDENTIALS_DIRECTORY/key'
"""


def site(lab, **variables):
    return play(lab, "vsmtp.relay.site", "-e", json.dumps(variables))


@pytest.fixture(scope="module")
def particular(mail_host):
    """A recorder that does not start if it is to ignore a certain network."""
    mail_host.run(["mkdir", "-p", DROP_IN.rpartition("/")[0]])
    mail_host.write(DROP_IN, PARTICULAR)
    mail_host.run(["systemctl", "daemon-reload"])
    yield
    mail_host.run(["rm", "-r", DROP_IN.rpartition("/")[0]])
    mail_host.run(["systemctl", "daemon-reload"])
    mail_host.run(["systemctl", "restart", "vsmtprelay-recorder.service"])


@pytest.fixture(scope="module")
def failed(lab, mail_host, particular):
    """The fingerprint before, the run that fails, and the fingerprint after it."""
    before = fingerprint(mail_host)
    return before, site(lab, pop_before_smtp_ignore=[NETWORK], pop_before_smtp_cron_hour=4), fingerprint(mail_host)


def test_the_run_fails_and_has_the_last_line_of_the_program(failed):
    run = failed[1]
    assert run.status != 0
    said = f"vsmtprelay-recorder.service does not come up: cannot work with {NETWORK} ("
    assert said in run.output, run.output
    assert "the files and units that this run changed are restored" in run.output


@pytest.mark.fault("unit-does-not-start")
def test_all_files_are_as_they_were(failed):
    before, _run, after = failed
    assert after == before


@pytest.mark.fault("unit-does-not-start")
def test_the_recorder_runs_with_the_old_files_and_records(failed, mail_host, closed_relay, reader):
    assert mail_host.run(["systemctl", "is-active", "vsmtprelay-recorder.service"]).stdout == "active\n"
    assert log_in(reader, mail_host.address4)
    assert rcpt(reader, mail_host.address4)[0] == 250


def test_the_next_run_completes_it_once_the_program_starts(lab, failed, mail_host):
    mail_host.write(DROP_IN, "[Service]\n")
    mail_host.run(["systemctl", "daemon-reload"])
    run = site(lab, pop_before_smtp_ignore=[NETWORK])
    assert run.status == 0, run.output
    assert NETWORK in mail_host.read("/etc/systemd/system/vsmtprelay-recorder.service")
    assert play(lab, "vsmtp.relay.site").status == 0


@pytest.fixture(scope="module")
def bare_host(lab, mail_host):
    """A host that the role comes to; it was there before, and is there again afterwards."""
    run = play(lab, "vsmtp.relay.remove")
    assert run.status == 0, run.output
    yield mail_host
    assert play(lab, "vsmtp.relay.site").status == 0


@pytest.fixture(scope="module")
def refused(lab, bare_host):
    """The run of the role while something else has the recorder's port."""
    occupied = "[Socket]\nListenStream=127.0.0.1:785\nAccept=yes\n"
    for name, text in {"other.socket": occupied, "other@.service": "[Service]\nExecStart=/bin/true\n"}.items():
        bare_host.write(f"/run/systemd/system/{name}", text)
    bare_host.run(["systemctl", "daemon-reload"])
    bare_host.run(["systemctl", "start", "other.socket"])
    run = play(lab, "vsmtp.relay.site")
    bare_host.run(["systemctl", "stop", "other.socket"])
    bare_host.run(["rm", "/run/systemd/system/other.socket", "/run/systemd/system/other@.service"])
    bare_host.run(["systemctl", "daemon-reload"])
    return run


def test_a_first_run_fails_where_something_else_has_the_port_and_says_so(refused):
    assert refused.status != 0
    assert "vsmtprelay-recorder.socket does not come up" in refused.output
    assert "Address already in use" in refused.output


def test_nothing_of_the_recorder_is_left_and_dovecot_was_not_told(refused, bare_host, reader):
    for path in (
        "/etc/systemd/system/vsmtprelay-recorder.socket",
        "/etc/systemd/system/vsmtprelay-recorder.service",
        "/etc/systemd/system/multi-user.target.wants/vsmtprelay-recorder.service",
        "/etc/systemd/system/sockets.target.wants/vsmtprelay-recorder.socket",
        "/etc/dovecot/conf.d/95-vsmtprelay.conf",
        "/etc/vsmtprelay/recorder-key.conf",
        "/etc/cron.d/vsmtprelay",
    ):
        assert bare_host.run(["test", "-e", path], check=False).returncode != 0, path
    assert log_in(reader, bare_host.address4)


def test_the_next_run_completes_it_once_the_port_is_free(lab, refused, bare_host, reader):
    run = play(lab, "vsmtp.relay.site")
    assert run.status == 0, run.output
    assert log_in(reader, bare_host.address4)
    assert rcpt(reader, bare_host.address4)[0] == 250
