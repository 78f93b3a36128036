# SPDX-License-Identifier: GPL-3.0-or-later
"""Which databases the command works on: by option, by home directory, all of them."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


SERVERS = ("alpha", "beta", "gamma")


@pytest.fixture
def table(tmp_path, native_database):
    """Return the path of a table of three virtual servers, the last of which takes what nobody else claims."""
    lines = ["# a comment\n", "\n"]
    for number, name in enumerate(SERVERS):
        root = tmp_path / name
        native_database(f"{name}/etc/relayers.db").fill({A: 5})
        address = f"192.0.2.{number}" if name != "gamma" else ""
        lines.append(f"{name}\t{root}\t{root}/etc/relayers.db\t{root}/etc/sendmail.cf\t{address}\t\n")
    path = tmp_path / "virtual_servers"
    path.write_text("".join(lines))
    return path


@pytest.fixture
def changed(native_database):
    """Return what tells the virtual servers whose databases are not as the table fixture made them."""
    return lambda: {name for name in SERVERS if native_database(f"{name}/etc/relayers.db").entries() != {A: "5"}}


@pytest.mark.parametrize(
    ("home", "options", "expected"),
    [
        ("alpha", [], {"alpha"}),
        ("beta", [], {"beta"}),
        ("elsewhere", [], {"gamma"}),
        ("beta", ["--server", "alpha"], {"alpha"}),
        ("beta", ["--server=gamma"], {"gamma"}),
        ("beta", ["--all"], {"alpha", "beta", "gamma"}),
    ],
)
def test_the_virtual_server_is_that_of_the_home_directory_unless_options_say_which(
    run, table, tmp_path, monkeypatch, changed, home, options, expected
):
    monkeypatch.setenv("HOME", str(tmp_path / home))
    assert run(*options, "add", B, table=table) == (0, "", "")
    assert changed() == expected


def test_the_home_directory_may_be_reached_through_a_symbolic_link(run, table, tmp_path, monkeypatch, changed):
    (tmp_path / "home").symlink_to(tmp_path / "beta")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run("add", B, table=table)
    assert changed() == {"beta"}


def test_the_only_virtual_server_of_a_host_is_meant_from_everywhere(run, table, monkeypatch, tmp_path, changed):
    table.write_text(table.read_text().splitlines(keepends=True)[3])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("add", B, table=table)[0] == 0
    assert changed() == {"beta"}


def test_where_no_virtual_server_is_the_default_one_has_to_be_named(run, table, monkeypatch, tmp_path, changed):
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    monkeypatch.setenv("HOME", str(tmp_path))
    status, _output, errors = run("add", B, table=table)
    assert status in (64, 65)
    assert is_one_line(errors)
    assert "--server" in errors
    assert changed() == set()


def test_an_unknown_virtual_server_is_told_with_those_that_there_are(run, table):
    status, _output, errors = run("--server", "delta", "dump", table=table)
    assert status in (64, 65)
    assert is_one_line(errors)
    assert "alpha, beta, gamma" in errors


def test_without_a_table_a_database_has_to_be_named(run):
    status, _output, errors = run("dump")
    assert status == 66
    assert is_one_line(errors)
    assert "--database" in errors


@pytest.mark.parametrize("broken", SERVERS)
@pytest.mark.parametrize("words", [["add", B], ["delete", A], ["expire"]])
def test_one_broken_database_does_not_stop_the_others(run, table, native_database, broken, words):
    native_database(f"{broken}/etc/relayers.db").damage()
    status, _output, errors = run("--all", *words, table=table)
    assert status == 66
    assert is_one_line(errors)
    assert broken in errors
    for name in set(SERVERS) - {broken}:
        assert native_database(f"{name}/etc/relayers.db").entries() != {A: "5"}


def test_dump_of_all_prints_what_can_be_read(run, table, native_database):
    native_database("alpha/etc/relayers.db").damage()
    status, output, _errors = run("--all", "dump", table=table)
    assert status == 66
    assert output.count(f"\n{A} 5\n") == 2


@pytest.mark.parametrize("broken", ["alpha", "gamma"])
def test_a_database_that_failed_weighs_more_than_an_address_that_was_not_listed(run, table, native_database, broken):
    native_database(f"{broken}/etc/relayers.db").damage()
    assert run("--all", "delete", B, table=table)[0] == 66
