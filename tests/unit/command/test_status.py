# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtprelay status: one screen, a document, and the exit status of a monitoring plug-in."""

from __future__ import annotations

import json
import os

import pytest
import yaml

from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, engine, server, sharing
from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import __version__
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import status_command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServer, table_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import host as host_state
from ansible_collections.vsmtp.relay.plugins.modules import relay_status_info

DOWN = "the login recorder is down; look into journalctl --unit=vsmtprelay-recorder"


class Host:
    """A made-up state of this host; ``asked`` are the virtual servers that it was asked for, and how long it may wait."""

    def __init__(self):
        self.asked = None
        self.state = {
            "recorder": "up",
            "recorder_faults": [],
            "recorder_restarts": 0,
            "recorder_proven": True,
            "recorder_counts": {"since": MADE - 60, "recorded": 5, "delayed": 0, "ignored": 1, "refused": 0, "failed": 0},
            "expiry": {"last": MADE - 5 * 3600, "status": 0, "late": False},
            "sharing": None,
            "virtual_servers": [server("one")],
            "unknown": [],
        }

    def of_host(self, servers, now, lock_seconds):
        assert now == MADE
        self.asked = [each.name for each in servers], lock_seconds
        if "error" in self.state:
            raise self.state["error"]
        return self.state


@pytest.fixture
def host(monkeypatch):
    host = Host()
    monkeypatch.setattr(host_state, "of_host", host.of_host)
    monkeypatch.setattr("time.time", lambda: float(MADE))
    return host


@pytest.fixture
def table(tmp_path):
    """Return the path of a table of two virtual servers."""
    path = tmp_path / "virtual_servers"
    servers = [VirtualServer(name, f"{tmp_path}/{name}", domains=[f"{name}.org"]) for name in ("alpha", "beta")]
    path.write_text(table_of(servers))
    return path


def words(line):
    return " ".join(line.split())


def test_a_host_on_which_all_is_well_is_one_screen(run, host, table):
    status, output, errors = run("status", table=table)
    assert (status, errors) == (0, "")
    lines = [words(line) for line in output.splitlines()]
    assert lines[0] == "fine: 1 virtual server, 30 entries, 2 of them in the future"
    assert lines[1:4] == [
        "",
        "virtual server entries oldest newest future ruleset",
        "-------------- ------- ------ ------ ------ -------",
    ]
    assert lines[4:] == ["one 30 30 h 1 min 2 live", "", "recorder: up", "expiry: 5 h ago"]


def test_the_first_line_says_the_worst_and_the_last_ones_everything(run, host, table):
    host.state["expiry"]["late"] = True
    status, output, _errors = run("status", table=table)
    late = "last night's expiry did not run; look whether cron does"
    assert (status, output.splitlines()[0]) == (1, f"needs attention: {late}")
    host.state["virtual_servers"].append(server("two", fault="x\x1b[31m"))
    host.state["recorder"] = "down"
    status, output, _errors = run("status", table=table)
    lines = output.splitlines()
    assert (status, lines[0]) == (2, f"broken: {DOWN} (and 2 more)")
    assert lines[-4:] == ["Needs attention (3):", f"- {DOWN}", f"- {late}", r"- two: x\x1b[31m"]
    assert "expiry: late" in lines
    assert "2 virtual servers, 60 entries, 4 of them in the future" in lines


def test_engines_have_a_table_where_logins_are_shared(run, host, table):
    host.state["sharing"] = sharing(engine(), engine("engine2.example.org:6380", connected=False, error="no route"))
    status, output, _errors = run("status", table=table)
    assert status == 1
    lines = [words(line) for line in output.splitlines()]
    assert "engine connected since lag unsent refused" in lines
    assert "engine2.example.org:6380 no 3 h 12 ms 0 0" in lines


def test_what_only_root_can_know_is_unknown_and_not_wrong(run, host, table):
    hidden = {
        "name": "two",
        "relayers_db": "/srv/two",
        "sendmail_cf": "/srv/cf",
        "fault": "",
        "ruleset": "unknown",
        "window": None,
    }
    host.state.update(recorder="unproven", unknown=["only root can prove it"])
    host.state["virtual_servers"].append(hidden)
    status, output, _errors = run("status", table=table)
    assert status == 0
    lines = [words(line) for line in output.splitlines()]
    assert "two ? unknown" in lines
    assert lines[-2:] == ["Unknown to this user (1):", "- only root can prove it"]
    members = json.loads(run("status", "--json", table=table)[1])
    assert (members["status"], members["attention"], members["unknown"]) == (0, [], ["only root can prove it"])
    nothing = dict.fromkeys(("entries", "pinned", "permanent", "oldest", "newest", "ages"))
    assert members["virtual_servers"][1] == {**hidden, **nothing}


def test_a_thousand_virtual_servers_stay_one_screen(run, host, table):
    host.state["virtual_servers"] = [
        server(f"s{number}", ruleset="missing" if number > 980 else "live") for number in range(1000)
    ]
    status, output, _errors = run("status", table=table)
    lines = output.splitlines()
    assert status == 2
    assert len(lines) <= 40
    assert lines[4].startswith("s981 ")
    assert "and 988 more virtual servers, which --json shows" in lines
    assert lines[-1] == "- and 13 more, which --json shows"
    assert len(json.loads(run("status", "--json", table=table)[1])["virtual_servers"]) == 1000


def test_the_document_has_all_that_the_module_returns_and_the_exit_status(run, host, table):
    host.state["recorder"] = "down"
    status, output, errors = run("status", "--json", table=table)
    assert (status, errors) == (2, "")
    members = json.loads(output)
    assert {name: members[name] for name in host.state} == host.state
    assert set(yaml.safe_load(relay_status_info.RETURN)) == set(host.state)
    others = {name: value for name, value in members.items() if name not in host.state}
    assert others == {
        "schema": 1,
        "version": __version__,
        "command": "status",
        "made": MADE,
        "host": os.uname().nodename,
        "status": 2,
        "attention": [DOWN],
    }


def test_a_virtual_server_in_the_document_has_all_members_that_the_module_documents(run, host, table):
    host.state["virtual_servers"] = [{"name": "a", "relayers_db": "/d", "sendmail_cf": "/c", "fault": "damaged"}]
    (found,) = json.loads(run("status", "--json", table=table)[1])["virtual_servers"]
    assert set(found) == set(yaml.safe_load(relay_status_info.RETURN)["virtual_servers"]["contains"])


@pytest.mark.parametrize(
    ("home", "options", "expected"),
    [
        ("elsewhere", [], ["alpha", "beta"]),
        ("beta", [], ["beta"]),
        ("beta", ["--all"], ["alpha", "beta"]),
        ("beta", ["--server", "alpha"], ["alpha"]),
        ("beta", ["--database", "alpha/etc/relayers.db"], ["alpha"]),
    ],
)
def test_it_reports_on_all_virtual_servers_but_to_who_has_one(run, host, table, tmp_path, monkeypatch, home, options, expected):
    monkeypatch.setenv("HOME", str(tmp_path / home))
    monkeypatch.chdir(tmp_path)
    assert run("--lock-timeout", 3, *options, "status", table=table)[0] == 0
    assert host.asked == (expected, 3.0)


def test_a_home_directory_that_is_the_whole_host_is_nobody_s_own(run, host, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/")
    servers = [VirtualServer("main"), VirtualServer("other", "/srv/other", domains=["other.org"])]
    (tmp_path / "table").write_text(table_of(servers))
    run("status", table=tmp_path / "table")
    assert host.asked[0] == ["main", "other"]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize(
    ("options", "status"), [(["--server", "gamma"], 65), (["--database", "/nowhere/relayers.db"], 65), (["--nonsense"], 64)]
)
def test_what_it_cannot_report_on_is_an_error_and_no_severity(run, host, table, options, status, as_json):
    seen, output, errors = run(*options, "status", *as_json, table=table)
    assert (seen, output) == (status, "")
    assert is_one_line(errors)


def test_without_systemd_or_a_table_it_is_an_error(run, host, table, tmp_path):
    host.state["error"] = UnreadableError("systemctl: cannot be run")
    assert run("status", "--json", table=table) == (66, "", "vsmtprelay: systemctl: cannot be run\n")
    status, output, errors = run("status", table=tmp_path / "nothing")
    assert (status, output) == (66, "")
    assert is_one_line(errors)


def test_a_fault_that_a_user_can_see_is_theirs_too(tmp_path, public_directory, as_nobody, monkeypatch, capfd):
    """All but systemd is real: the user nobody looks at a virtual server that is theirs and at one that is not."""
    monkeypatch.setattr(host_state, "recorder", lambda quietly: host_state.Recorder("none"))
    monkeypatch.setattr(host_state, "sharing", lambda now: None)
    monkeypatch.setattr(host_state, "expiry", lambda now: {"last": None, "status": None, "late": False})
    servers = [VirtualServer(name, f"{public_directory}/{name}", domains=[f"{name}.org"]) for name in ("theirs", "root")]
    for each in servers:
        os.makedirs(os.path.dirname(each.relayers_db))
        for path in (each.relayers_db, each.sendmail_cf):
            with open(path, "w") as file:
                file.write("this is neither a database nor a configuration\n")
    os.chmod(servers[1].root, 0o700)
    path = public_directory / "virtual_servers"
    path.write_text(table_of(servers))
    assert as_nobody(lambda: command.main(["--server", "root", "status", "--json"], str(path))) == 0
    members = json.loads(capfd.readouterr().out)
    assert (members["attention"], len(members["unknown"])) == ([], 2)
    assert as_nobody(lambda: command.main(["--all", "status", "--json"], str(path))) == 2
    members = json.loads(capfd.readouterr().out)
    assert [sentence.partition(":")[0] for sentence in members["attention"]] == ["theirs"]
    assert [server["ruleset"] for server in members["virtual_servers"]] == ["missing", "unknown"]


def test_there_is_a_word_for_every_exit_status():
    assert status_command.WORDS == {0: "fine", 1: "needs attention", 2: "broken"}
