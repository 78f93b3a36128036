# SPDX-License-Identifier: GPL-3.0-or-later
"""The module virtual_servers: the table, and with it all databases and rulesets of a host."""

from __future__ import annotations

import os

import pytest

from ansible_collections.vsmtp.relay.dev.support.fake_sendmail import fake_sendmail
from ansible_collections.vsmtp.relay.dev.support.root import needs_root


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
    sendmail_says(0, text=fake_sendmail())
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


@needs_root
def test_virtual_servers_keeps_databases_where_nothing_relays_and_no_sendmail_cf_is(check_then_run, tmp_path):
    servers = [{"name": "a", "root": str(tmp_path / "a")}]
    paths = {"table": str(tmp_path / "table"), "memory": str(tmp_path / "departing")}
    ruleset = {"source": "auto", "state": "absent"}
    result = check_then_run("virtual_servers", virtual_servers=servers, databases=True, ruleset=ruleset, **paths)
    assert result["databases"] == [str(tmp_path / "a/etc/relayers.db")]
    assert result["files"] == result["reloaded"] == []
    assert sorted(os.listdir(tmp_path / "a/etc")) == ["relayers.db"]
