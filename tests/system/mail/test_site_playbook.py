# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtp.relay.site, from the tarball, on a Debian 12 host that runs sendmail and Dovecot and has nothing of ours."""

from __future__ import annotations

import pytest

from support.releases import release

HOST = "mailhost"


def test_check_mode_succeeds_on_the_untouched_host(site_runs):
    assert site_runs.check.status == 0, site_runs.check.output


def test_check_mode_shows_what_would_change(site_runs):
    assert site_runs.check.counts[HOST]["changed"] == 3
    for shown in (
        "python3-bsddb3",
        "15 3 * * * root /usr/local/bin/vsmtprelay --all expire 1440",
        "SRcpt_ok",
        "auth_policy",
    ):
        assert shown in site_runs.check.output


def test_check_mode_changes_nothing(site_runs):
    assert site_runs.after_check == site_runs.before


def test_the_first_run_installs_everything(site_runs, mail_host):
    assert site_runs.first.counts[HOST]["failed"] == 0
    for path in (
        "/usr/local/bin/vsmtprelay",
        "/usr/local/sbin/vsmtprelay-recorder",
        "/etc/cron.d/vsmtprelay",
        "/etc/mail/relayers.db",
        "/etc/vsmtprelay/virtual_servers",
        "/etc/dovecot/conf.d/95-vsmtprelay.conf",
    ):
        assert mail_host.path(path).is_file(), path
    for path in ("/etc/mail/sendmail.cf", "/etc/mail/sendmail.mc"):
        assert "\nKvsmtprelay_first hash -o -t /etc/mail/relayers.db\n" in mail_host.read(path)


def test_the_database_is_one_that_makemap_could_have_made(mail_host):
    ours, theirs = (
        mail_host.run(["stat", "-c", "%U:%G %a", path]).stdout for path in ("/etc/mail/relayers.db", "/etc/mail/access.db")
    )
    assert ours == theirs
    assert mail_host.run(["db5.3_verify", "/etc/mail/relayers.db"]).returncode == 0


def test_the_second_run_changes_nothing(site_runs):
    assert site_runs.second.status == 0, site_runs.second.output
    assert site_runs.second.counts[HOST]["changed"] == 0


@pytest.mark.skipif(release("bookworm") != "bookworm", reason="Dovecot 2.4 has no secret: its socket is a file")
def test_the_secret_is_root_s_alone_and_shown_to_nobody(mail_host, site_runs):
    path = "/etc/vsmtprelay/recorder-key.conf"
    assert mail_host.run(["stat", "-c", "%U:%G %a", path]).stdout == "root:root 600\n"
    secret = mail_host.read(path).rpartition(":")[2].strip()
    assert len(secret) == 64
    assert secret not in site_runs.first.output + site_runs.second.output
    for_everybody = mail_host.run(["su", "alice", "-s", "/bin/sh", "-c", "doveconf -n"])
    assert secret not in for_everybody.stdout
    assert "auth_policy_server_url = http://127.0.0.1:785/login" in for_everybody.stdout
    # The exporter in the file that they cannot read is another, and theirs is valid.
    assert "metric vsmtprelay {" in for_everybody.stdout
    assert "transport = drop" in for_everybody.stdout
    assert "transport = http-post" in mail_host.run(["doveconf", "-n"]).stdout


@pytest.mark.fault("regenerated-sendmail-cf")
def test_the_ruleset_is_there_after_sendmail_cf_was_generated_anew(mail_host):
    mail_host.run(["touch", "/etc/mail/sendmail.mc"])
    mail_host.run(["make", "-C", "/etc/mail", "/etc/mail/sendmail.cf"])
    assert mail_host.read("/etc/mail/sendmail.cf").count("\nSRcpt_ok\nR$*\t$: $1 $| $>Vsmtprelay\n") == 1
