# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtp.relay.status: the state of the fleet as a table, as JSON, as a page and as a line of a history."""

from __future__ import annotations

import html
import json
import re
import time

import pytest

from support.stopped_recorder import stop_recorder


class Status:
    """One run of status, with what it wrote."""

    def __init__(self, fleet, directory, history, *options):
        files = {"relay_json": directory / "fleet.json", "relay_report": directory / "fleet.html", "relay_history": history}
        words = [word for name, file in files.items() for word in ("-e", f"{name}={file}")]
        self.run = fleet.play("status", *words, *options)
        assert self.run.status == 0, self.run.output
        self.hosts = {host["host"]: host for host in json.loads((directory / "fleet.json").read_text())["hosts"]}
        self.page = (directory / "fleet.html").read_text()
        self.history = [json.loads(line) for line in history.read_text().splitlines()]

    def has_on_page(self, text):
        """Return whether the page has ``text``, whatever stands between its words."""
        words = " ".join(html.unescape(re.sub("<wbr>", "", self.page)).split())
        return text in re.sub("<[^>]*>", "", words)


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return tmp_path_factory.mktemp("history") / "history.jsonl"


@pytest.fixture(scope="module")
def sound(fleet, tmp_path_factory, history):
    """The status of the fleet in which all is well, and the nightly expiry has run once."""
    fleet.hosts["mail2"].run(["vsmtprelay", "add", "10.0.0.1", str(int(time.time()) - 5 * 3600)])
    for guest in fleet.hosts.values():
        guest.run(["vsmtprelay", "--all", "expire", "1440"])
    return Status(fleet, tmp_path_factory.mktemp("sound"), history)


@pytest.fixture(scope="module")
def troubled(fleet, sound, tmp_path_factory, history):
    """The status after something went wrong on some hosts."""
    hosts = fleet.hosts
    hosts["mail1"].run(["ip", "link", "set", "eth0", "down"])
    hosts["mail2"].path("/srv/vs1/etc/relayers.db").write_bytes(b"no database")
    hosts["mail3"].run(["touch", "/etc/mail/sendmail.cf"])
    stop_recorder(hosts["mail4"])
    hosts["mail5"].path("/etc/cron.d/vsmtprelay").write_text("1 1 * * * root true\n")
    # As if nobody had run it for two days.
    hosts["mail7"].run(["touch", "-d", "3 days ago", "/etc/cron.d/vsmtprelay"])
    hosts["mail7"].path("/var/lib/vsmtprelay/expiry").write_text(f"{int(time.time()) - 2 * 86400} 0\n")
    hosts["mail8"].path("/var/lib/vsmtprelay/expiry").write_text(f"{int(time.time())} 66\n")
    status = Status(fleet, tmp_path_factory.mktemp("troubled"), history)
    hosts["mail1"].run(["ip", "link", "set", "eth0", "up"])
    hosts["mail2"].run(["rm", "/srv/vs1/etc/relayers.db"])
    hosts["mail7"].run(["vsmtprelay", "--all", "expire", "1440"])
    hosts["mail8"].run(["vsmtprelay", "--all", "expire", "1440"])
    return status


def test_a_sound_fleet_needs_no_attention(sound, fleet):
    assert "Nothing needs attention." in sound.run.output
    assert all(counts["changed"] == 0 for name, counts in sound.run.counts.items() if name != "mail1"), sound.run.output
    for host in sound.hosts.values():
        assert (host["fault"], host["recorder"], host["drift"]) == ("", "up", [])
        assert host["expiry"]["status"] == 0


def test_entries_are_those_that_makemap_reads(sound, fleet):
    for name, host in sound.hosts.items():
        for server in host["virtual_servers"]:
            entries = fleet.listed(name, server["name"])
            assert server["entries"] == len(entries)
            assert server["pinned"] == sum(int(stamp) > time.time() for stamp in entries.values())
    main = sound.hosts["mail2"]["virtual_servers"][0]
    assert main["oldest"] == main["newest"] == int(fleet.listed("mail2")["10.0.0.1"])
    assert main["ages"].index(1) == 5


def test_the_ruleset_is_live_where_a_daemon_runs_with_it(sound):
    for host in sound.hosts.values():
        main, *others = host["virtual_servers"]
        assert main["ruleset"] == "live"
        assert {server["ruleset"] for server in others} <= {"no daemon"}


def test_every_virtual_server_has_a_row_on_the_terminal_and_on_the_page(sound, fleet):
    lines = sound.run.output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("host "))
    rows = [line.split() for line in lines[first + 2 : lines.index("", first)]]
    assert len(rows) == len(fleet.everywhere())
    # In the order of the inventory.
    assert [row[0] for row in rows if row[0] in fleet.hosts] == list(sound.hosts)
    assert set(sound.hosts) == set(fleet.hosts)
    assert sound.page.count(' data-label="Virtual server"') == len(fleet.everywhere())
    assert sound.page.count('<tbody class="group"') == len(fleet.hosts)


def test_the_window_of_each_virtual_server_and_what_each_recorder_counted_is_known(sound):
    for host in sound.hosts.values():
        assert {server["window"] for server in host["virtual_servers"]} == {1440}
        counts = host["recorder_counts"]
        assert set(counts) == {"since", "recorded", "delayed", "ignored", "refused", "failed"}
        assert time.time() - 7200 < counts["since"] <= time.time()
        assert all(number >= 0 for number in counts.values())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mail1", "mail1: unreachable"),
        ("mail2", "mail2: vs1: /srv/vs1/etc/relayers.db"),
        ("mail2", "mail2: the role would fail there: /srv/vs1/etc/relayers.db"),
        ("mail3", "mail3: main: /etc/mail/sendmail.cf has the ruleset, but the running sendmail has not read it"),
        ("mail3", "mail3: differs from what the role would install: the sendmail that runs with /etc/mail/sendmail.cf"),
        ("mail4", "mail4: the login recorder is down"),
        ("mail5", "mail5: differs from what the role would install: /etc/cron.d/vsmtprelay"),
        ("mail7", "mail7: last night's expiry did not run"),
        ("mail8", "mail8: the last expiry ended with status 66"),
    ],
)
def test_what_is_wrong_is_a_sentence_on_the_terminal_and_on_the_page(troubled, name, sentence):
    assert any(line.startswith(f"- {sentence}") for line in troubled.run.output.splitlines()), troubled.run.output
    assert troubled.has_on_page(sentence.removeprefix(f"{name}: "))


def test_what_is_wrong_with_one_does_not_hide_the_others(troubled, fleet):
    assert set(troubled.hosts) == set(fleet.hosts)
    assert troubled.hosts["mail6"]["fault"] == ""
    assert not any(line.startswith("- mail6") for line in troubled.run.output.splitlines())


def test_each_report_is_a_line_of_the_history_and_the_page_has_the_trends(sound, troubled, fleet):
    (first,) = sound.history
    before, last = troubled.history
    assert before == {name: value for name, value in first.items() if name != "counted"}
    assert [line["attention"] for line in troubled.history] == [0, 7]
    assert set(first["counted"]) == set(fleet.hosts)
    assert "The history begins with this report" in sound.page
    assert "The last 2 reports" in troubled.page
    assert first["failed"] is None
    assert all(last[kind] >= 0 for kind in ("recorded", "delayed", "ignored", "refused", "failed"))


def test_a_file_that_is_no_history_stops_the_run_before_a_host_is_looked_at(fleet, tmp_path):
    file = tmp_path / "mine"
    file.write_text("mine\n")
    run = fleet.play("status", "-e", f"relay_history={file}")
    assert run.status != 0
    assert "relay_history: " in run.output
    assert "is no history of vsmtp.relay.status: line 1 is none of this version" in run.output
    assert "PLAY [" not in run.output
    assert file.read_text() == "mine\n"


def test_status_changes_nothing(troubled, fleet):
    assert fleet.hosts["mail5"].read("/etc/cron.d/vsmtprelay") == "1 1 * * * root true\n"
    assert fleet.hosts["mail4"].run(["systemctl", "is-active", "vsmtprelay-recorder.service"], check=False).stdout != "active\n"


def test_the_next_run_of_the_role_mends_what_the_status_told(troubled, fleet, tmp_path):
    assert fleet.play("site").status == 0
    status = Status(fleet, tmp_path, tmp_path / "history.jsonl")
    assert "Nothing needs attention." in status.run.output, status.run.output
