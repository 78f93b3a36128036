# SPDX-License-Identifier: GPL-3.0-or-later
"""A sendmail that reads the new configuration when it is asked, but does not start as a daemon with it."""

from __future__ import annotations

import json

import pytest

from support.mail import rcpt
from support.places import CHECKOUT
from support.playbook import play
from support.waiting import wait_until

HOST = "mailhost"
CONFIGURATION = "/etc/mail/sendmail.cf"
PID_FILE = "/run/sendmail/mta/sendmail.pid"
WINDOW = 31
# As it stands in the ruleset.
SECONDS = WINDOW * 60
# In the place of the program. sendmail starts itself anew by its own path.
PARTICULAR = f"""\
#!/bin/sh
case " $* " in
*" -bd "*) if grep -q {SECONDS} {CONFIGURATION}; then exit 70; fi ;;
esac
exec "$0.real" "$@"
"""


@pytest.fixture(scope="module")
def edit(lab, mail_host):
    """Return what has the ruleset edited with a window in minutes, and sendmail reread it."""

    def edit(window):
        database = "/etc/mail/relayers.db"
        variables = {"files": [{"path": CONFIGURATION, "relayers_db": database}], "state": "present", "window": window}
        rulesets = str(CHECKOUT / "tests" / "system" / "sendmail_cf" / "rulesets.yml")
        return play(lab, rulesets, "-e", json.dumps({**variables, "reload": True}))

    yield edit
    assert edit(1440).status == 0


@pytest.fixture(scope="module")
def program(mail_host):
    """The program that runs as the daemon, replaced by one that is particular about its configuration."""
    path = mail_host.run(["sed", "-n", "2s/ .*//p", PID_FILE]).stdout.strip()
    mail_host.run(["mv", path, f"{path}.real"])
    mail_host.write(path, PARTICULAR)
    mail_host.run(["chmod", "755", path])
    yield path
    # Debian's script finds a daemon by its program, and would not find this one.
    process_id = mail_host.run(["sed", "-n", "1p", PID_FILE]).stdout.strip()
    mail_host.run(["kill", process_id])
    wait_until(lambda: mail_host.run(["test", "-e", f"/proc/{process_id}"], check=False).returncode != 0)
    mail_host.run(["mv", f"{path}.real", path])
    mail_host.run(["systemctl", "restart", "sendmail"])


@pytest.fixture(scope="module")
def failed_edit(edit, mail_host, program):
    """The edit after which sendmail did not come back, and the configuration as it was before."""
    before = mail_host.path(CONFIGURATION).read_bytes()
    return edit(WINDOW), before


def test_the_run_fails_and_says_what_became_of_the_daemon(failed_edit):
    run, _before = failed_edit
    assert run.status != 0
    assert f"{CONFIGURATION}: the sendmail daemon" in run.output
    assert "the old file is in place again, and it runs with that" in run.output


def test_the_old_configuration_is_in_place_byte_by_byte(failed_edit, mail_host):
    assert mail_host.path(CONFIGURATION).read_bytes() == failed_edit[1]


@pytest.mark.fault("sendmail-does-not-start")
def test_sendmail_serves_with_the_old_configuration(failed_edit, closed_relay, reader):
    assert rcpt(reader, closed_relay.address4)[0] == 550
    closed_relay.run(["vsmtprelay", "add", reader.address4])
    assert rcpt(reader, closed_relay.address4)[0] == 250


def test_the_next_run_completes_it_when_sendmail_comes_back_again(failed_edit, edit, mail_host, program):
    mail_host.write(program, '#!/bin/sh\nexec "$0.real" "$@"\n')
    run = edit(WINDOW)
    assert run.status == 0, run.output
    assert run.counts[HOST]["changed"] == 1
    assert str(SECONDS).encode() in mail_host.path(CONFIGURATION).read_bytes()
    assert edit(WINDOW).counts[HOST]["changed"] == 0
