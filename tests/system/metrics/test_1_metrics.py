# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics say what happened, and to whom it did not."""

from __future__ import annotations

import re
import time

import pytest

from support.documentation import table
from support.load import Load
from support.mail import log_in
from support.waiting import wait_until

from .conftest import HOST

# A login on the host itself, which is not recorded.
LOCAL_LOGIN = """
import poplib
session = poplib.POP3("127.0.0.1")
session.user("alice")
session.pass_("alice-secret")
session.quit()
"""
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


def metrics(host):
    """Return what the command prints."""
    return host.run(["vsmtprelay", "metrics"]).stdout


def documented():
    """Return the type and the labels of each metric that the page has."""
    return {
        name.strip("`"): (kind, sorted(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _meaning in table("monitoring.md", "metric")
    }


def test_the_page_sets_it_up(site_run, host):
    assert "python3-prometheus-client" in site_run.output
    assert host.path("/var/lib/prometheus/node-exporter/vsmtprelay.prom").stat().st_mode & 0o777 == 0o644


def test_prometheus_has_nothing_against_the_text(prometheus, host):
    done = host.run(["sh", "-c", "vsmtprelay metrics | promtool check metrics"], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_metric_is_documented_and_no_label_has_a_user_or_an_address(prometheus, host, client, reader):
    assert log_in(reader, host.address4, "pop3")
    wait_until(lambda: prometheus.value("vsmtprelay_record_duration_seconds_count") >= 1)
    text, known = metrics(host), documented()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert {name: kind for name, (kind, _labels) in known.items() if name in kinds} == kinds
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, _value = SAMPLE.fullmatch(line).groups()
        name = re.sub("_(bucket|count|sum)$", "", name)
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels or ""))
        assert sorted(set(named) - {"le"}) == known[name][1]
        assert not re.search(r"alice|\d+\.\d+\.\d+\.\d+|:.*:", re.sub('(version|le)="[^"]*"', "", labels or "")), line


def test_each_login_is_counted_once_by_its_result_and_service(prometheus, host, reader):
    def numbers():
        return prometheus.query("vsmtprelay_logins_total")

    before = numbers()
    for protocol, times in (("pop3", 3), ("imap", 2)):
        for _time in range(times):
            assert log_in(reader, host.address4, protocol)
    assert not log_in(reader, host.address4, "pop3", password="wrong")
    host.run(["python3", "-c", LOCAL_LOGIN])
    # An empty label is none.
    expected = {("recorded", "pop3", HOST): 3, ("recorded", "imap", HOST): 2, ("ignored",): 1}
    wait_until(lambda: sum(numbers().values()) >= sum(before.values()) + 6)
    after = numbers()
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == expected


def test_the_time_to_the_disk_is_measured(prometheus, host):
    recorded = 'sum(vsmtprelay_logins_total{result="recorded"})'
    assert prometheus.value("vsmtprelay_record_duration_seconds_count") == prometheus.value(recorded)
    # Nothing holds a login up here.
    assert prometheus.value('vsmtprelay_record_duration_seconds_bucket{le="0.2"}') == prometheus.value(recorded)
    assert 0 < prometheus.value("vsmtprelay_record_duration_seconds_sum") < 0.2 * prometheus.value(recorded)


def test_the_entries_are_those_of_the_database(prometheus, host):
    later = int(time.time()) + 9999
    host.run(["vsmtprelay", "add", "203.0.113.9", str(later)])
    stamps = [int(line.split()[1]) for line in host.run(["vsmtprelay", "dump"]).stdout.splitlines()[1::2]]
    logins = [stamp for stamp in stamps if stamp != later]
    wait_until(lambda: prometheus.value("vsmtprelay_future_entries") == 1)
    values = {
        name: prometheus.value(f"vsmtprelay_{name}")
        for name in ("entries", "permanent_entries", "oldest_entry_timestamp_seconds", "newest_entry_timestamp_seconds")
    }
    assert list(values.values()) == [len(stamps), 0, min(logins), max(logins)]


def test_the_expiry_is_known_with_its_result(prometheus, host):
    assert prometheus.value("vsmtprelay_expiry_exit_status") is None
    before = int(time.time())
    host.run(["vsmtprelay", "--all", "expire", "1440"])
    wait_until(lambda: prometheus.value("vsmtprelay_expiry_exit_status") == 0)
    assert before <= prometheus.value("vsmtprelay_expiry_timestamp_seconds") <= time.time()


def test_a_restart_is_counted_and_the_counts_begin_again(prometheus, host, reader):
    restarts = prometheus.value("vsmtprelay_recorder_restarts_total")
    host.run(["systemctl", "kill", "--signal=SIGKILL", "vsmtprelay-recorder.service"])
    wait_until(lambda: prometheus.value("vsmtprelay_recorder_restarts_total") == restarts + 1)
    wait_until(lambda: prometheus.value('sum(vsmtprelay_logins_total{result="recorded"})') == 0)
    assert log_in(reader, host.address4, "pop3")
    wait_until(lambda: prometheus.value('sum(vsmtprelay_logins_total{result="recorded"})') == 1)


def test_only_root_gets_them(host):
    done = host.run(["su", "alice", "-c", "vsmtprelay metrics"], check=False)
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == "vsmtprelay: metrics: only root can see the state of the whole host; run it as root\n"


@pytest.mark.fault("hostile-owner")
def test_root_writes_them_into_no_file_that_somebody_s_link_leads_to(host):
    host.run(["sh", "-ec", "echo untouched > /root/target; ln -sfn /root/target /home/alice/vsmtprelay.prom"])
    done = host.run(["vsmtprelay", "metrics", "--output", "/home/alice/vsmtprelay.prom"], check=False)
    assert (done.returncode, done.stdout) == (73, "")
    assert "symbolic link" in done.stderr or "cannot be" in done.stderr
    assert host.read("/root/target") == "untouched\n"
    host.run(["rm", "/home/alice/vsmtprelay.prom"])
    host.run(["vsmtprelay", "metrics", "--output", "/home/alice/vsmtprelay.prom"])
    owner = host.run(["stat", "--format=%U %a", "/home/alice/vsmtprelay.prom"]).stdout
    assert owner == "alice 644\n"


def test_no_login_is_lost_in_the_counts_of_many(prometheus, host, client):
    count = 200
    recorded = 'sum(vsmtprelay_logins_total{result="recorded"})'
    before = prometheus.value(recorded)
    done = Load(client, host.address4, f"--count={count}", "--threads=4", "--protocol=pop3", "--protocol=imap").result()
    assert all(login["ok"] for login in done)
    wait_until(lambda: prometheus.value(recorded) >= before + count)
    assert prometheus.value(recorded) == before + count
