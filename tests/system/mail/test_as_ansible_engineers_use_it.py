# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags, parts and loops, and what people get to read."""

from __future__ import annotations

import json
import re

import pytest

from support.playbook import play
from support.stopped_recorder import stop_recorder

HOST = "mailhost"
SITE = "vsmtp.relay.site"
INSTALL, CONFIGURE, RUN = (f"pop_before_smtp_{part}" for part in ("install", "configure", "run"))
FILES = "Install the command, the recorder and the nightly expiry, and have Dovecot report logins"
COMMAND, CRONTAB, UNIT = (
    "/usr/local/bin/vsmtprelay",
    "/etc/cron.d/vsmtprelay",
    "/etc/systemd/system/vsmtprelay-recorder.service",
)
IN_A_LOOP = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: One virtual server after the other
      ansible.builtin.include_role:
        name: vsmtp.relay.pop_before_smtp
      loop:
        - {name: main, root: /}
        - {name: other, root: /srv/other}
      loop_control:
        loop_var: server
      vars:
        pop_before_smtp_virtual_servers: ["{{ server }}"]
"""
WITHOUT_VARIABLES = "- hosts: all\n  gather_facts: false\n  roles: [vsmtp.relay.pop_before_smtp]\n"
A_PART = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: vsmtp.relay.pop_before_smtp
        tasks_from: %s
"""


@pytest.fixture
def own_play(lab, mail_host, tmp_path):
    """What runs a play of one's own, by its text."""

    def run(text, *words):
        (tmp_path / "own.yml").write_text(text)
        return play(lab, str(tmp_path / "own.yml"), *words)

    return run


@pytest.fixture
def spoilt(lab, mail_host):
    """The host with something wrong in each part of what the role set up."""
    for path in (COMMAND, CRONTAB):
        mail_host.run(["rm", path])
    stop_recorder(mail_host)
    yield mail_host
    assert play(lab, SITE).status == 0


def state(host):
    """Return which of the three parts are as they have to be."""
    there = {part for part, path in ((INSTALL, COMMAND), (CONFIGURE, CRONTAB)) if host.path(path).exists()}
    active = host.run(["systemctl", "is-active", "vsmtprelay-recorder.service"], check=False).stdout == "active\n"
    return there | ({RUN} if active else set())


TAGS = [(CONFIGURE,), (INSTALL, RUN), *(pytest.param((tag,), marks=pytest.mark.full) for tag in (INSTALL, RUN))]


@pytest.mark.parametrize("tags", TAGS, ids=str)
def test_tags_do_their_part_and_no_other(lab, spoilt, tags):
    assert state(spoilt) == set()
    run = play(lab, SITE, "--tags", ",".join(tags))
    assert run.status == 0, run.output
    assert state(spoilt) == set(tags)
    assert play(lab, SITE, "--tags", ",".join(tags)).counts[HOST]["changed"] == 0


def test_a_part_can_be_left_out(lab, spoilt):
    run = play(lab, SITE, "--skip-tags", RUN)
    assert run.status == 0, run.output
    assert state(spoilt) == {INSTALL, CONFIGURE}


def test_the_tasks_and_their_tags_are_listed_without_a_run(lab, mail_host):
    run = play(lab, SITE, "--list-tasks")
    assert run.status == 0
    assert re.search(rf"{FILES}\s+TAGS: \[{CONFIGURE}, {INSTALL}, {RUN}\]", run.output), run.output
    assert play(lab, SITE, "--list-tags").output.count("pop_before_smtp_") == 3


def test_to_start_behind_the_preflight_is_refused_in_one_line(lab, mail_host):
    run = play(lab, SITE, "--start-at-task", f"vsmtp.relay.pop_before_smtp : {FILES}")
    assert run.status != 0
    assert "its first task, Inspect the host, has to run before this one" in run.output
    assert run.counts[HOST]["changed"] == 0


@pytest.mark.parametrize("part", ["present", "absent", "packages", "pam"])
def test_parts_that_do_not_stand_by_themselves_are_refused_in_one_line(own_play, part):
    run = own_play(A_PART % part)
    assert run.status != 0
    assert "its first task, Inspect the host, has to run before this one" in run.output
    assert run.counts[HOST]["changed"] == 0


def test_the_preflight_stands_by_itself(own_play):
    run = own_play(A_PART % "preflight", "-e", "pop_before_smtp_window=-1")
    assert f"{HOST}: pop_before_smtp_window: -1 is not 0 or more\n" in run.output
    assert own_play(A_PART % "preflight").status == 0


def test_a_loop_over_virtual_servers_is_told_that_the_list_replaces(own_play, mail_host):
    mail_host.run(["sh", "-ec", "mkdir -p /srv/other/etc; cp -p /etc/mail/sendmail.cf /srv/other/etc/sendmail.cf"])
    before = mail_host.read("/srv/other/etc/sendmail.cf")
    run = own_play(IN_A_LOOP)
    assert run.status != 0
    assert (
        f"{HOST}: pop_before_smtp_virtual_servers replaces the list of an earlier turn of this run, which had main:"
        in run.output
    )
    assert mail_host.read("/srv/other/etc/sendmail.cf") == before
    assert "other" not in mail_host.read("/etc/vsmtprelay/virtual_servers")
    # The first turn told the role another name than the host's.
    assert own_play(WITHOUT_VARIABLES).status == 0


def test_the_library_is_in_no_difference_and_in_no_argument(lab, mail_host):
    mail_host.run(["rm", "-r", "/usr/local/lib/vsmtprelay/", CRONTAB])
    run = play(lab, SITE, "--diff", "-vvv")
    assert run.status == 0, run.output
    assert "+/usr/local/lib/vsmtprelay/database/relayers_db.py" in run.output
    assert "+15 3 * * * root /usr/local/bin/vsmtprelay --all expire 1440" in run.output
    assert "from __future__ import annotations" not in run.output
    longest = max(run.output.splitlines(), key=len)
    # Some 500 characters for each file: its path, its digest, and what no option says about it.
    files = run.output.count("+/usr/local/lib/vsmtprelay/")
    assert files > 100
    assert len(longest) < 600 * files, longest[:200]


def test_a_difference_of_everything_can_be_read(site_runs):
    lines = site_runs.check.output.splitlines()
    files = [line for line in lines if line.startswith("+/usr/local/lib/vsmtprelay/")]
    assert len(files) > 100
    assert len(lines) - len(files) < 350
    assert "from __future__ import annotations" not in site_runs.check.output


def test_each_host_has_one_line_that_says_what_was_done(site_runs):
    for run, said in ((site_runs.first, "packages "), (site_runs.second, "nothing to do")):
        lines = [line for line in run.output.splitlines() if line.startswith(f"{HOST}: ")]
        assert len(lines) == 1
        assert lines[0].startswith(f"{HOST}: {said}")


def test_status_says_with_its_status_that_something_needs_attention_if_asked_to(lab, mail_host):
    strict = ("-e", "relay_strict=true", "-e", "relay_drift=false")
    assert play(lab, "vsmtp.relay.status", *strict).status == 0
    stop_recorder(mail_host)
    try:
        run = play(lab, "vsmtp.relay.status", *strict)
        assert run.status != 0
        assert "one thing needs attention" in run.output
        assert play(lab, "vsmtp.relay.status", "-e", "relay_drift=false").status == 0
    finally:
        assert play(lab, SITE).status == 0


def test_a_play_with_the_default_written_out_changes_nothing(own_play, lab, mail_host):
    variables = {"pop_before_smtp_virtual_servers": [{"name": HOST, "root": "/"}]}
    run = own_play(WITHOUT_VARIABLES, "-e", json.dumps(variables), "--diff")
    assert run.counts[HOST]["changed"] == 0, run.output
