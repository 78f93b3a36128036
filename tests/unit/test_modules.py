# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: arguments in, JSON out, the same in check mode, and nothing written there."""

from __future__ import annotations

import grp
import importlib
import json
import os
import pwd
import time
from pathlib import Path
from unittest import mock

import pytest
from ansible.module_utils import basic

from ansible_collections.vsmtp.relay.tests.support.file_state import file_state

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core 2.18

    def patch_module_args(arguments):
        content = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        return mock.patch.object(basic, "_ANSIBLE_ARGS", content)


MODULES = "ansible_collections.vsmtp.relay.plugins.modules"
NOW = 1_700_000_000
FUTURE = 1_924_991_999
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
ME = pwd.getpwuid(os.geteuid()).pw_name
MY_GROUP = grp.getgrgid(os.getegid()).gr_name
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def run(capfd):
    """Return what runs a module and returns its result."""

    def run(name, check=False, **arguments):
        module = importlib.import_module(f"{MODULES}.{name}")
        parameters = {"_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        with patch_module_args(parameters), pytest.raises(SystemExit) as end:
            module.main()
        result = json.loads(capfd.readouterr().out.splitlines()[-1])
        result.pop("invocation", None)
        assert bool(result.get("failed")) == (end.value.code != 0)
        return result

    return run


@pytest.fixture
def at(monkeypatch):
    """Stop the clock at NOW."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))


@pytest.fixture
def check_then_run(run, tmp_path):
    """Return what runs a module in check mode, for real, and again, and returns the one result of the first two."""

    def files():
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in tmp_path.rglob("*") if path.is_file()}

    def check_then_run(name, **arguments):
        before = files()
        announced = run(name, check=True, **arguments)
        assert files() == before
        done = run(name, **arguments)
        assert done == announced
        after = files()
        again = run(name, **arguments)
        assert not again["changed"]
        assert files() == after
        return done

    return check_then_run


def database_result(path, created=False, added=(), updated=(), removed=()):
    return {"path": path, "created": created, "added": list(added), "updated": list(updated), "removed": list(removed)}


@pytest.mark.usefixtures("at")
def test_relayers_adds_addresses_with_and_without_a_timestamp(check_then_run, relayers_db):
    relayers = [A, {"address": B, "timestamp": FUTURE}, {"address": C}, {"address": "2001:db8::5", "timestamp": str(FUTURE)}]
    result = check_then_run("relayers", path=relayers_db.path, relayers=relayers)
    v6 = "ipv6:2001:db8:0:0:0:0:0:5"
    assert result["changed"]
    assert result["databases"] == [database_result(relayers_db.path, created=True, added=[A, B, C, v6])]
    assert relayers_db.entries() == {A: str(NOW), B: str(FUTURE), C: str(NOW), v6: str(FUTURE)}
    (diff,) = result["diff"]
    assert diff["before"] == ""
    assert f"# timestamp (UTC): Tue Nov 14 22:13:20 2023\n{A} {NOW}\n" in diff["after"]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("refresh", "before", "after"),
    [
        ("never", NOW - 9999, NOW - 9999),
        ("always", NOW - 1, NOW),
        ("always", NOW, NOW),
        ("always", FUTURE, FUTURE),
        ("1", NOW - 60, NOW - 60),
        ("1", NOW - 61, NOW),
        (1, NOW - 61, NOW),
        ("0", NOW - 1, NOW),
        ("1", FUTURE, FUTURE),
    ],
)
def test_relayers_refreshes_an_entry_never_always_or_after_minutes(check_then_run, relayers_db, refresh, before, after):
    relayers_db.fill({A: before})
    result = check_then_run("relayers", path=relayers_db.path, relayers=[A], refresh=refresh)
    assert result["databases"][0]["updated"] == ([A] if before != after else [])
    assert relayers_db.entries() == {A: str(after)}


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("refresh", ["never", "always", "5"])
def test_relayers_gives_an_entry_the_timestamp_that_is_named_whatever_refresh_says(check_then_run, relayers_db, refresh):
    relayers_db.fill({A: FUTURE})
    relayers = [{"address": A, "timestamp": 5}]
    assert check_then_run("relayers", path=relayers_db.path, relayers=relayers, refresh=refresh)["changed"]
    assert relayers_db.entries() == {A: "5"}


@pytest.mark.parametrize("refresh", ["sometimes", "-1", "1.5", ""])
def test_relayers_refuses_another_refresh(run, relayers_db, refresh):
    result = run("relayers", path=relayers_db.path, relayers=[A], refresh=refresh)
    assert result["msg"].startswith("refresh: ")
    assert not relayers_db.exists


def test_relayers_with_purge_leaves_only_what_is_named(check_then_run, relayers_db):
    relayers_db.fill({A: 5, B: FUTURE, "word": "RELAY"})
    result = check_then_run("relayers", path=relayers_db.path, relayers=[A], purge=True)
    assert result["databases"] == [database_result(relayers_db.path, removed=[B, "word"])]
    assert relayers_db.entries() == {A: "5"}
    assert f"{B} {FUTURE}\n" in result["diff"][0]["before"]


def test_relayers_without_purge_leaves_the_others(check_then_run, relayers_db):
    relayers_db.fill({B: 6})
    check_then_run("relayers", path=relayers_db.path, relayers=[{"address": A, "timestamp": 5}])
    assert relayers_db.entries() == {A: "5", B: "6"}


def test_relayers_that_are_to_be_absent_are_removed_whatever_their_timestamp(check_then_run, relayers_db):
    relayers_db.fill({A: 5, B: FUTURE, C: 7})
    result = check_then_run(
        "relayers", path=relayers_db.path, relayers=[A, {"address": B, "timestamp": 1}, "10.9.9.9"], state="absent"
    )
    assert result["databases"] == [database_result(relayers_db.path, removed=[A, B])]
    assert relayers_db.entries() == {C: "7"}


def test_relayers_that_are_to_be_absent_are_removed_also_where_makemap_added_a_nul(run, relayers_db):
    relayers_db.fill({A + "\0": "5\0", B: 6})
    shown = run("relayers_info", path=relayers_db.path)["databases"][0]["relayers"]
    assert {each["address"] for each in shown} == {A, B}
    assert run("relayers", path=relayers_db.path, relayers=[A], state="absent")["changed"]
    assert relayers_db.entries() == {B: "6"}


@pytest.mark.parametrize("state", ["absent", "present"])
def test_relayers_fails_and_writes_nothing_where_makemap_added_a_nul_to_every_key(run, relayers_db, state):
    relayers_db.fill({A + "\0": "5\0"})
    before, content = file_state(relayers_db.path), relayers_db.content
    assert run("relayers_info", path=relayers_db.path)["databases"][0]["relayers"][0]["address"] == A
    result = run("relayers", path=relayers_db.path, relayers=[A], state=state)
    assert result["failed"]
    assert relayers_db.path in result["msg"]
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)


def test_absent_relayers_of_a_missing_database_are_absent(check_then_run, relayers_db):
    assert not check_then_run("relayers", path=relayers_db.path, relayers=[A], state="absent")["changed"]
    assert not relayers_db.exists


def test_relayers_creates_an_empty_database(check_then_run, relayers_db):
    assert check_then_run("relayers", path=relayers_db.path, relayers=[])["databases"][0]["created"]
    assert relayers_db.entries() == {}


def test_relayers_does_many_databases_in_one_go(check_then_run, native_database):
    one, two = native_database("one.db").fill({A: 1}), native_database("two.db").fill({B: 2})
    databases = [{"path": one.path, "relayers": [A]}, {"path": two.path, "relayers": [{"address": C, "timestamp": 3}]}]
    result = check_then_run("relayers", databases=databases)
    assert result["databases"] == [database_result(one.path), database_result(two.path, added=[C])]
    assert (one.entries(), two.entries()) == ({A: "1"}, {B: "2", C: "3"})


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("10.0.0", "'10.0.0'"),
        ({"address": "mail.example.org"}, "'mail.example.org'"),
        ({"address": A, "timestamp": "soon"}, "'soon'"),
        ({"address": A, "timestamp": -1}, "'-1'"),
        ({"address": A, "timestamp": 1.5}, "'1.5'"),
        ({"address": A, "timestamp": True}, "'True'"),
        ({"address": A, "ends": 5}, "ends"),
        ({"address": A, "until": "tomorrow"}, "is not a day"),
        ({"address": A, "until": "2020-01-31"}, "2020-01-31 is over"),
        ({"address": A, "until": "2999-01-31", "timestamp": 5}, "either timestamp or until"),
        ({"timestamp": 5}, "5"),
        ({"address": None}, "None"),
        (5, "5"),
        (["10.0.0.1"], "10.0.0.1"),
    ],
)
def test_a_bad_entry_is_named_with_its_database_and_the_other_databases_are_done(run, native_database, bad, named, check):
    one, two = native_database("one.db").fill({B: 2}), native_database("two.db").fill({})
    databases = [{"path": one.path, "relayers": [C, bad]}, {"path": two.path, "relayers": [C]}]
    result = run("relayers", check, databases=databases)
    assert result["failed"]
    assert result["changed"]
    assert one.path in result["msg"]
    assert two.path not in result["msg"]
    assert named in result["msg"]
    assert [each["path"] for each in result["databases"]] == [two.path]
    assert one.entries() == {B: "2"}
    assert set(two.entries()) == (set() if check else {C})


def test_an_address_that_is_named_twice_with_different_timestamps_is_refused(run, relayers_db):
    relayers = [{"address": "2001:db8::5", "timestamp": 5}, {"address": "2001:db8:0::5", "timestamp": 6}]
    assert "is named twice" in run("relayers", path=relayers_db.path, relayers=relayers)["msg"]
    assert not relayers_db.exists


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("relayers", lambda one, two: {"databases": [{"path": one, "relayers": [A]}, {"path": two, "relayers": [A]}]}),
        ("relayers_expire", lambda one, two: {"paths": [one, two]}),
        ("relayers_info", lambda one, two: {"paths": [one, two]}),
    ],
)
def test_one_damaged_database_does_not_stop_the_others(run, native_database, name, arguments, check):
    one, two = native_database("one.db").fill({}).damage(), native_database("two.db").fill({B: 5})
    before = one.content
    result = run(name, check, **arguments(one.path, two.path))
    assert result["failed"]
    assert one.path in result["msg"]
    assert [each["path"] for each in result["databases"]] == [two.path]
    assert one.content == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"state": "absent", "purge": True},
        {"relayers": [A], "databases": []},
        {"state": "gone"},
        {"lock_timeout": "soon"},
        {"databases": [{"relayers": [A]}]},
        {"frobnicate": 1},
    ],
)
def test_relayers_refuses_arguments_that_do_not_go_together(run, arguments):
    assert run("relayers", **arguments)["failed"]


def test_a_locked_database_fails_after_the_time_that_is_given(run, relayers_db, holder):
    relayers_db.fill({})
    with holder(lambda: open(relayers_db.path, "r+b")):
        result = run("relayers", path=relayers_db.path, relayers=[A], lock_timeout=0.05)
    assert "more than 0.05 seconds" in result["msg"]
    assert not result["changed"]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(("older_than", "expired"), [(0, [A, B]), (1, [A, B]), (2, [A]), (1440, [])])
def test_expire_removes_what_has_the_age_and_names_it(check_then_run, relayers_db, older_than, expired):
    before = {A: NOW - 120, B: NOW - 60, C: NOW + 1, "word": "RELAY"}
    relayers_db.fill(before)
    result = check_then_run("relayers_expire", path=relayers_db.path, older_than=older_than)
    assert result["changed"] == bool(expired)
    assert result["databases"] == [{"path": relayers_db.path, "expired": expired}]
    assert set(relayers_db.entries()) == set(before) - set(expired)
    assert all(f"{key} " in result["diff"][0]["before"] for key in expired)


@pytest.mark.usefixtures("at")
def test_expire_has_a_default_of_a_day(run, relayers_db):
    relayers_db.fill({A: NOW - 86400, B: NOW - 86399})
    assert run("relayers_expire", path=relayers_db.path)["databases"][0]["expired"] == [A]


def test_expire_of_a_missing_database_is_no_change(check_then_run, relayers_db):
    result = check_then_run("relayers_expire", paths=[relayers_db.path])
    assert result["databases"] == [{"path": relayers_db.path, "expired": []}]
    assert not relayers_db.exists


def test_expire_refuses_a_negative_age(run, relayers_db):
    assert "not negative" in run("relayers_expire", path=relayers_db.path, older_than=-1)["msg"]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("check", [False, True])
def test_info_returns_addresses_timestamps_and_ages_in_order(run, native_database, check):
    path = native_database("one.db").fill({B: NOW + 60, A: NOW - 60, "word": "RELAY"}).path
    missing = native_database("missing.db").path
    result = run("relayers_info", check, paths=[path, missing])
    assert not result["changed"]
    assert result["databases"] == [
        {
            "path": path,
            "exists": True,
            "relayers": [
                {"address": A, "timestamp": NOW - 60, "age": 60},
                {"address": B, "timestamp": NOW + 60, "age": -60},
                {"address": "word", "timestamp": None, "age": None},
            ],
        },
        {"path": missing, "exists": False, "relayers": []},
    ]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(("older_than", "listed"), [(0, [A, B]), (1, [A, B]), (2, [A]), (3, [])])
def test_info_returns_on_demand_only_what_has_an_age(run, relayers_db, older_than, listed):
    relayers_db.fill({A: NOW - 120, B: NOW - 60, C: NOW + 1, "word": "RELAY"})
    result = run("relayers_info", path=relayers_db.path, older_than=older_than)
    assert [each["address"] for each in result["databases"][0]["relayers"]] == listed


def host_file(path, **more):
    return {"path": str(path), "owner": ME, "group": MY_GROUP, **more}


def test_host_files_installs_content_and_mode_and_creates_directories(check_then_run, tmp_path):
    files = [host_file(tmp_path / "a" / "b" / "one", content="1\n"), host_file(tmp_path / "two", content="", mode="0600")]
    result = check_then_run("host_files", files=files)
    assert result["changed_files"] == [str(tmp_path / "a/b/one"), str(tmp_path / "two")]
    assert (tmp_path / "a/b/one").read_text() == "1\n"
    assert (tmp_path / "two").stat().st_mode & 0o7777 == 0o600
    assert result["diff"][0]["after"] == "1\n"


def test_host_files_mends_content_or_mode_alone(check_then_run, tmp_path):
    for name in ("content", "mode", "fine"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600 if name == "mode" else 0o644)
    (tmp_path / "content").write_text("y")
    files = [host_file(tmp_path / name, content="x") for name in ("content", "mode", "fine")]
    result = check_then_run("host_files", files=files)
    assert result["changed_files"] == [str(tmp_path / "content"), str(tmp_path / "mode")]
    assert "mode 0600" in result["diff"][1]["before_header"]


def test_host_files_removes_files_and_directories(check_then_run, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "left over").touch()
    (tmp_path / "one").write_text("1\n")
    (tmp_path / "other").touch()
    result = check_then_run(
        "host_files",
        state="absent",
        files=[host_file(tmp_path / "one"), host_file(tmp_path / "missing")],
        remove_directories=[str(tmp_path / "own"), str(tmp_path / "none")],
    )
    assert result["changed_files"] == [str(tmp_path / "one"), str(tmp_path / "own")]
    assert os.listdir(tmp_path) == ["other"]
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == ("1\n", "")


@needs_root
def test_host_files_removes_what_an_exact_directory_has_too_much_and_leaves_directories(check_then_run, tmp_path):
    for name in ("kept", "old"):
        (tmp_path / name).write_text("")
    (tmp_path / "cache").mkdir()
    path = str(tmp_path / "kept")
    files = [{"path": path, "content": "x\n"}, {"path": str(tmp_path / "gone"), "state": "absent"}]
    result = check_then_run("host_files", files=files, exact_directories=[str(tmp_path)])
    assert result["changed_files"] == [path, str(tmp_path / "old")]
    assert sorted(os.listdir(tmp_path)) == ["cache", "kept"]


@pytest.mark.parametrize("bad", [{}, {"content": "x", "owner": "nobody at all"}, {"content": "x", "mode": "u=rw"}])
def test_host_files_goes_on_after_a_file_that_fails(run, tmp_path, bad):
    files = [host_file(tmp_path / "bad", **bad), host_file(tmp_path / "good", content="x")]
    result = run("host_files", files=files)
    assert result["failed"]
    assert result["changed_files"] == [str(tmp_path / "good")]
    assert os.listdir(tmp_path) == ["good"]


def test_host_files_fails_in_order_where_a_directory_is_a_symbolic_link(run, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run("host_files", state="absent", files=[], remove_directories=[str(tmp_path / "link")])
    assert (tmp_path / "real").is_dir()


@needs_root
def test_virtual_servers_writes_the_table_and_returns_all_paths(check_then_run, tmp_path):
    table = tmp_path / "etc" / "virtual_servers"
    items = [{"name": "a", "root": "/srv/a", "addresses": ["2001:db8::1"]}, {"name": "rest"}]
    result = check_then_run("virtual_servers", virtual_servers=items, table=str(table), memory=str(tmp_path / "departing"))
    assert result["virtual_servers"][0] == {
        "name": "a",
        "root": "/srv/a",
        "relayers_db": "/srv/a/etc/relayers.db",
        "sendmail_cf": "/srv/a/etc/sendmail.cf",
        "addresses": ["ipv6:2001:db8:0:0:0:0:0:1"],
        "domains": [],
        "owner": "root",
    }
    assert result["virtual_servers"][1]["relayers_db"] == "/etc/mail/relayers.db"
    assert result["diff"][0]["after"] == table.read_text()
    assert table.stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize("check", [False, True])
def test_virtual_servers_refuses_a_list_that_does_not_fit_and_writes_nothing(run, tmp_path, check):
    items = [{"name": "a"}, {"name": "b"}]
    result = run("virtual_servers", check, virtual_servers=items, table=str(tmp_path / "table"))
    assert "have the same database" in result["msg"]
    assert os.listdir(tmp_path) == []


def test_virtual_servers_names_every_bad_item_of_the_list(run, tmp_path):
    items = [{"name": "Bad"}, {"name": "good"}, {"name": "b", "root": "relative"}, {"name": "c", "addresses": ["x"]}]
    message = run("virtual_servers", virtual_servers=items, table=str(tmp_path / "table"))["msg"]
    assert all(f"virtual server {name!r}" in message for name in ("Bad", "b", "c"))
    assert "good" not in message


@pytest.fixture
def table_of(run, tmp_path):
    """Return what tells the host its virtual servers, and returns the names of all and of those departing."""

    def table_of(*names, **arguments):
        items = [{"name": name, "root": f"/srv/{name}"} for name in names]
        files = {"table": str(tmp_path / "table"), "memory": str(tmp_path / "departing")}
        result = run("virtual_servers", virtual_servers=items, **files, **arguments)
        assert not result.get("failed"), result
        return [[server["name"] for server in result[kind]] for kind in ("virtual_servers", "departing")]

    return table_of


@needs_root
def test_a_virtual_server_that_is_taken_off_the_list_is_departing_until_the_ruleset_left_its_sendmail_cf(table_of, tmp_path):
    assert table_of("a", "b", "c") == [["a", "b", "c"], []]
    assert table_of("b") == [["b"], ["a", "c"]]
    assert table_of("b") == [["b"], ["a", "c"]]
    assert table_of("b", "c") == [["b", "c"], ["a"]]
    assert table_of("b", state="absent") == [[], ["a", "b", "c"]]
    assert os.listdir(tmp_path) == ["departing"]


@needs_root
def test_with_state_absent_all_depart_those_that_are_named_and_those_that_are_known(table_of, tmp_path):
    table_of("a", "b")
    assert table_of("z", state="absent") == [[], ["a", "b", "z"]]
    assert os.listdir(tmp_path) == ["departing"]
    # Their directories are gone, so there is no ruleset left to take out.
    assert table_of("z", state="absent", ruleset={}) == [[], []]
    assert os.listdir(tmp_path) == []


# It refuses everybody, unless the ruleset is the one that holds everybody for listed.
STRICT_SENDMAIL = """\
#!/bin/sh
if grep -A1 '^SVsmtprelay$' "${1#-C}" | grep -q 'RELAY$'; then answer='OK'; else answer='$# error $@ 5 . 7 . 1'; fi
echo "check_rcpt         returns: $answer"
"""


class Trees:
    """Virtual servers with the files that they have, and a sendmail that refuses every stranger, or does not like a file."""

    def __init__(self, run, directory, native_database):
        self._run = run
        self.directory = directory
        self._native_database = native_database

    def make(self, *names):
        for name in names:
            (self.directory / name / "etc").mkdir(parents=True)
            self.sendmail_cf(name).write_text("Scheck_rcpt\nR$*\t$: $1 $| $>Local_check_rcpt $1\nSRcpt_ok\n")

    def sendmail_cf(self, name):
        return self.directory / name / "etc" / "sendmail.cf"

    def relayers_db(self, name):
        return self.directory / name / "etc" / "relayers.db"

    def entries(self, name):
        return self._native_database(self.relayers_db(name)).entries()

    def run(self, *names, check=False, **arguments):
        items = [{"name": name, "root": str(self.directory / name)} for name in names]
        files = {"table": str(self.directory / "table"), "memory": str(self.directory / "departing")}
        return self._run("virtual_servers", check, virtual_servers=items, **files, databases=True, ruleset={}, **arguments)


@pytest.fixture
def trees(run, tmp_path, sendmail_says, native_database):
    sendmail_says(0, text=STRICT_SENDMAIL)
    return Trees(run, tmp_path / "srv", native_database)


@needs_root
def test_virtual_servers_creates_databases_and_puts_the_ruleset_in_and_then_has_nothing_to_do(trees):
    trees.make("a", "b")
    foreseen = trees.run("a", "b", check=True)
    assert not trees.relayers_db("a").exists()
    done = trees.run("a", "b")
    assert foreseen == done
    assert done["databases"] == [str(trees.relayers_db(name)) for name in "ab"]
    assert done["files"] == [str(trees.sendmail_cf(name)) for name in "ab"]
    assert all(trees.relayers_db(name).exists() for name in "ab")
    assert "# BEGIN vsmtp.relay" in trees.sendmail_cf("b").read_text()
    assert not trees.run("a", "b")["changed"]


@needs_root
def test_virtual_servers_names_a_server_whose_files_are_at_fault_and_does_the_others(trees):
    trees.make("a")
    result = trees.run("a", "gone")
    assert result["failed"]
    assert "gone/etc/sendmail.cf: no such file" in result["msg"]
    assert "/gone/etc/relayers.db" in result["msg"]
    assert result["files"] == [str(trees.sendmail_cf("a"))]
    assert [server["name"] for server in result["virtual_servers"]] == ["a", "gone"]


@needs_root
def test_the_ruleset_leaves_a_departing_server_and_its_database_stays_unless_asked_otherwise(trees):
    trees.make("a", "b", "c")
    before = trees.sendmail_cf("a").read_text()
    trees.run("a", "b", "c")
    result = trees.run("b", "c")
    assert result["files"] == [str(trees.sendmail_cf("a"))]
    assert result["departing"] == []
    assert trees.sendmail_cf("a").read_text() == before
    assert trees.relayers_db("a").exists()
    foreseen = trees.run("c", remove_databases=True, check=True)
    assert trees.relayers_db("b").exists()
    assert trees.run("c", remove_databases=True) == foreseen
    assert foreseen["databases"] == [str(trees.relayers_db("b"))]
    assert not trees.relayers_db("b").exists()
    assert trees.relayers_db("c").exists()


@needs_root
def test_a_departing_server_whose_sendmail_cf_is_at_fault_is_tried_again(trees):
    trees.make("a", "b")
    trees.run("a", "b")
    sound = trees.sendmail_cf("a").read_text()
    trees.sendmail_cf("a").write_text(sound.replace("# END vsmtp.relay", "# gone"))
    result = trees.run("b")
    assert [server["name"] for server in result["departing"]] == ["a"]
    assert "do not come as one pair" in result["msg"]
    trees.sendmail_cf("a").write_text(sound)
    assert trees.run("b")["departing"] == []


@needs_root
def test_permanent_permissions_come_and_go_with_the_list(trees):
    trees.make("a", "b")
    printer = {"address": "198.51.100.7", "owner": "accounting", "reason": "mails invoices", "virtual_servers": ["a"]}
    trees.run("a", "b", permissions=[printer])
    assert trees.entries("a") == {"198.51.100.7": "253402214400"}
    assert trees.entries("b") == {}
    assert not trees.run("a", "b", permissions=[printer])["changed"]
    assert trees.run("a", "b", permissions=[])["databases"] == [str(trees.relayers_db("a"))]
    assert trees.entries("a") == {}


@needs_root
def test_virtual_servers_writes_a_table_that_is_damaged_anew(table_of, tmp_path):
    (tmp_path / "table").write_text("no table\n")
    assert table_of("a") == [["a"], []]
    assert table_of("a") == [["a"], []]


@pytest.fixture
def sendmail_says(tmp_path, monkeypatch):
    """Put a program called sendmail on the PATH that says something and ends with a status."""

    def install(status, message="", text=""):
        directory = tmp_path / "programs"
        directory.mkdir()
        program = directory / "sendmail"
        program.write_text(text or f'#!/bin/sh\necho "${{1#-C}}: {message}" >&2\nexit {status}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
        if any(os.path.exists(path) for path in ("/usr/sbin/sendmail", "/usr/lib/sendmail")):
            pytest.skip("this host has a sendmail, which the module finds first")

    return install


@pytest.mark.parametrize("check", [False, True])
def test_a_file_that_sendmail_rejects_stays_and_what_it_says_is_told(run, tmp_path, sendmail_says, check):
    sendmail_says(70, "line 5: invalid rewrite line")
    path = tmp_path / "sendmail.cf"
    path.write_text("V10\n")
    result = run("sendmail_ruleset", check, path=str(path), backup=True)
    assert result["failed"]
    assert not result["changed"]
    assert f"{path}: sendmail rejects it" in result["msg"]
    assert "sendmail.cf: line 5: invalid rewrite line" in result["msg"]
    assert path.read_text() == "V10\n"
    assert sorted(os.listdir(tmp_path)) == ["programs", "sendmail.cf"]


@pytest.mark.parametrize("check", [False, True])
def test_a_file_that_is_not_there_is_named(run, tmp_path, check):
    result = run("sendmail_ruleset", check, path=str(tmp_path / "sendmail.cf"))
    assert f"{tmp_path}/sendmail.cf: no such file" in result["msg"]
    assert os.listdir(tmp_path) == []


def test_the_absence_of_what_is_not_there_needs_no_sendmail_and_no_file(run, tmp_path):
    (tmp_path / "good.cf").write_text("V10\n")
    paths = [str(tmp_path / name) for name in ("missing.cf", "good.cf")]
    result = run("sendmail_ruleset", files=[{"path": path} for path in paths], state="absent")
    assert result["files"] == [{"path": path, "changed": False} for path in paths]


def test_one_file_that_is_missing_stops_no_other(run, tmp_path):
    (tmp_path / "good.cf").write_text("V10\n")
    files = [{"path": str(tmp_path / "missing.cf")}, {"path": str(tmp_path / "good.cf"), "state": "absent"}]
    result = run("sendmail_ruleset", files=files)
    assert result["failed"]
    assert result["files"] == [{"path": str(tmp_path / "good.cf"), "changed": False}]


def test_a_file_that_is_named_twice_is_refused(run, tmp_path):
    path = str(tmp_path / "sendmail.cf")
    assert f"named more than once: {path}" in run("sendmail_ruleset", files=[{"path": path}, {"path": path}])["msg"]


def test_source_mc_demands_a_sendmail_mc(run, tmp_path):
    (tmp_path / "sendmail.cf").write_text("V10\n")
    message = run("sendmail_ruleset", path=str(tmp_path / "sendmail.cf"), source="mc")["msg"]
    assert f"there is no {tmp_path}/sendmail.mc" in message


@pytest.mark.parametrize(
    "arguments", [{"relayers_db": "/etc/x y.db"}, {"relayers_db": "/etc/relayers"}, {"window": -1}, {"window": "soon"}]
)
def test_a_ruleset_that_cannot_be_is_refused_before_the_file_is_touched(run, tmp_path, arguments):
    path = tmp_path / "sendmail.cf"
    path.write_text("V10\n")
    assert run("sendmail_ruleset", path=str(path), **arguments)["failed"]
    assert path.read_text() == "V10\n"


@pytest.mark.parametrize("arguments", [{}, {"path": "/a", "files": []}])
def test_either_path_or_files_is_given(run, arguments):
    assert run("sendmail_ruleset", **arguments)["failed"]


def test_a_file_whose_markers_are_no_pair_is_named(run, tmp_path):
    path = tmp_path / "sendmail.cf"
    path.write_text("# BEGIN vsmtp.relay: POP-before-SMTP, managed by Ansible\n")
    assert str(path) in run("sendmail_ruleset", path=str(path))["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_sendmail_reload_leaves_alone_what_does_not_run_and_names_what_is_missing(run, tmp_path, check):
    (tmp_path / "sendmail.cf").write_text(f"O PidFile={tmp_path}/none.pid\n")
    assert run("sendmail_reload", check, paths=[str(tmp_path / "sendmail.cf")]) == {"changed": False, "reloaded": []}
    assert "no such file" in run("sendmail_reload", check, paths=[str(tmp_path / "missing.cf")])["msg"]


def test_mail_host_info_tells_what_is_missing(run):
    result = run("mail_host_info", packages=["dpkg", "no-such-package-at-all"])
    assert result["missing_packages"] == ["no-such-package-at-all"]
    assert result["is_root"] == (os.geteuid() == 0)
    assert set(result["sendmail"]) == {"version", "hash_maps"}


PAM_FILES = {
    "account": ("auth required pam_unix.so\naccount required pam_unix.so\n", True),
    "optional-module": ("-account required pam_ldap.so\n", True),
    "capitals": ("Account required pam_unix.so\n", True),
    "indented": ("\taccount\trequired pam_unix.so\n", True),
    "included": ("@include {directory}/account\n", True),
    "included-twice": ("@include {directory}/auth\n@include {directory}/included\n", True),
    "auth": ("auth required pam_unix.so\n", False),
    "includes-auth": ("@include {directory}/auth\n", False),
    "includes-itself": ("@include {directory}/includes-itself\n", False),
    "includes-nothing": ("@include\n@include {directory}/missing\n", False),
    "comment": ("# account required pam_unix.so\n#account\n", False),
    "empty": ("", False),
}


@pytest.mark.parametrize("name", PAM_FILES)
def test_mail_host_info_tells_which_of_pam_s_files_decide_about_accounts(run, tmp_path, name):
    for each, (text, _decides) in PAM_FILES.items():
        (tmp_path / each).write_text(text.format(directory=tmp_path))
    path = str(tmp_path / name)
    expected = [] if PAM_FILES[name][1] else [path]
    assert run("mail_host_info", pam_files=[path])["pam"] == {"missing": [], "without_account": expected, "reporting": []}


def test_mail_host_info_tells_which_of_pam_s_files_are_missing(run, tmp_path):
    (tmp_path / "directory").mkdir()
    paths = [str(tmp_path / name) for name in ("missing", "directory")]
    assert run("mail_host_info", pam_files=paths)["pam"] == {"missing": paths, "without_account": [], "reporting": []}


def test_mail_host_info_finds_the_files_that_it_is_to_look_for(run, tmp_path):
    (tmp_path / "there").symlink_to("nowhere")
    paths = [str(tmp_path / name) for name in ("there", "missing")]
    assert run("mail_host_info", files=paths)["files"] == paths[:1]


def test_every_module_is_in_the_action_group():
    meta = (Path(__file__).parents[2] / "meta" / "runtime.yml").read_text()
    for name in ("relayers", "relayers_expire", "relayers_info", "sendmail_ruleset"):
        assert f"- {name}\n" in meta + "\n" or f"vsmtp.relay.{name}" in meta


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("relayers", {"relayers": [A]}), ("relayers", {"relayers": [A], "state": "absent"}), ("relayers_expire", {})],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_damaged_database_is_told_and_neither_repaired_nor_touched(run, relayers_db, name, arguments, check):
    relayers_db.fill({A: 5}).damage()
    before, content = file_state(relayers_db.path), relayers_db.content
    result = run(name, check=check, path=relayers_db.path, **arguments)
    assert result["failed"]
    assert f"{relayers_db.path} repair" in result["msg"]
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)
    assert os.listdir(os.path.dirname(relayers_db.path)) == ["relayers.db"]
