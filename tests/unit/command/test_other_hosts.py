# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command has other hosts do where logins are shared, and that it does nothing of it elsewhere."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers import virtual_servers
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
V6, KEY6 = "2001:db8::5", "ipv6:2001:db8:0:0:0:0:0:5"
NOT_ROOT = "vsmtprelay: only root changes other hosts: this is done on this host alone\n"


@pytest.fixture
def share(tmp_path, monkeypatch):
    """Have this host share its logins."""
    path = tmp_path / "share.json"
    path.touch()
    monkeypatch.setattr(virtual_servers, "SHARE", str(path))


@pytest.fixture
def root(monkeypatch):
    """Be root, whoever runs the tests."""
    monkeypatch.setattr(changes, "may_write", lambda: True)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    path = tmp_path / "outbox"
    monkeypatch.setattr(changes, "DIRECTORY", str(path))
    return path


@pytest.fixture
def events(directory):
    """Return what returns the events that were written: all of them, and those of each call apart."""
    return lambda: [changes.read(str(directory), name) for name in changes.names_in(str(directory))]


@pytest.fixture
def table(tmp_path, native_database, monkeypatch):
    """Return the path of a table of two virtual servers; the second is the one of the caller's home."""
    lines = []
    for name in ("alpha", "beta"):
        native_database(f"{name}/etc/relayers.db").fill({A: 5})
        root = tmp_path / name
        lines.append(f"{name}\t{root}\t{root}/etc/relayers.db\t{root}/etc/sendmail.cf\t\t\n")
    path = tmp_path / "virtual_servers"
    path.write_text("".join(lines))
    monkeypatch.setenv("HOME", str(tmp_path / "beta"))
    return path


@pytest.mark.usefixtures("share", "root")
def test_what_is_deleted_is_revoked_everywhere_also_what_is_not_listed_here(run, table, events):
    before = int(time.time() * 1000)
    status, output, errors = run("delete", A, V6, table=table)
    assert (status, output) == (1, "")
    assert is_one_line(errors)
    ((first, second),) = events()
    assert first[:3] == ("beta", A, "revoke")
    assert second[:3] == ("beta", KEY6, "revoke")
    assert before <= first[3] == second[3] <= time.time() * 1000


@pytest.mark.usefixtures("share", "root")
@pytest.mark.parametrize("words", [["--here", A], [A, "--here"]])
def test_with_here_only_this_host_knows(run, table, events, native_database, words):
    assert run("delete", *words, table=table) == (0, "", "")
    assert [event[:3] for (event,) in events()] == [("beta", A, "here")]
    assert native_database("beta/etc/relayers.db").entries() == {}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("words", [["delete", A], ["delete", "--here", A], ["add", B], ["add", B, "5"]])
def test_a_host_that_does_not_share_writes_nothing_and_takes_here(run, table, directory, monkeypatch, tmp_path, words):
    monkeypatch.setattr(virtual_servers, "SHARE", str(tmp_path / "no share.json"))
    assert run(*words, table=table) == (0, "", "")
    assert not directory.exists()


@pytest.mark.usefixtures("share", "root")
def test_a_call_is_one_file_whatever_the_number_of_servers(run, table, events):
    assert run("--all", "delete", A, table=table)[0] == 0
    assert [[event[:3] for event in call] for call in events()] == [[("alpha", A, "revoke"), ("beta", A, "revoke")]]


@pytest.mark.usefixtures("share", "root")
def test_a_revocation_is_on_the_disk_before_the_first_database_is_changed(run, table, events, monkeypatch):
    seen = []
    change = database_module.change
    monkeypatch.setattr(database_module, "change", lambda *words, **more: seen.append(events()) or change(*words, **more))
    run("--all", "delete", A, table=table)
    assert [[event[:3] for event in call] for call in seen[0]] == [[("alpha", A, "revoke"), ("beta", A, "revoke")]]


@pytest.mark.usefixtures("share", "root")
def test_what_this_host_s_own_sharer_removed_first_was_listed(run, table, events, monkeypatch, native_database):
    write = changes.write

    def write_and_remove(written):
        write(written)
        database_module.change(native_database("beta/etc/relayers.db").path, edits.delete([A]))

    monkeypatch.setattr(changes, "write", write_and_remove)
    status, output, errors = run("delete", A, C, table=table)
    assert (status, output) == (1, "")
    assert [line.split()[1] for line in errors.splitlines()] == [C]
    assert len(events()) == 1
    assert native_database("beta/etc/relayers.db").entries() == {}


@pytest.mark.usefixtures("share", "root")
def test_a_login_is_in_the_database_before_others_know(run, table, events, monkeypatch):
    seen = []
    change = database_module.change
    monkeypatch.setattr(database_module, "change", lambda *words, **more: seen.append(events()) or change(*words, **more))
    before = int(time.time() * 1000)
    run("add", V6, table=table)
    assert seen == [[]]
    (((server, key, operation, at),),) = events()
    assert (server, key, operation) == ("beta", KEY6, "login")
    assert before <= at <= time.time() * 1000


@pytest.mark.usefixtures("share", "root")
@pytest.mark.parametrize(("seconds", "known"), [(-3600, True), (0, True), (3600, False)])
def test_what_is_added_with_a_time_in_the_future_is_this_host_s(run, table, events, seconds, known):
    ticks = int(time.time()) + seconds
    assert run("add", A, ticks, table=table) == (0, "", "")
    assert events() == ([[("beta", A, "login", ticks * 1000)]] if known else [])


@pytest.mark.usefixtures("share", "root")
def test_only_those_that_could_be_added_here_are_known_to_others(run, table, events, native_database):
    native_database("alpha/etc/relayers.db").damage()
    assert run("--all", "add", B, table=table)[0] == 66
    assert [event[:3] for (event,) in events()] == [("beta", B, "login")]


@pytest.mark.usefixtures("share", "root")
def test_a_locked_database_is_revoked_once_and_fails_as_before(run, table, events, native_database, holder):
    with holder(lambda: open(native_database("alpha/etc/relayers.db").path, "r+b")):
        assert run("--lock-timeout", "0.1", "--all", "delete", A, table=table)[0] == 75
    assert len(events()) == 1


@pytest.mark.usefixtures("share", "root")
def test_after_an_import_all_is_compared(run, table, events, tmp_path):
    (tmp_path / "text").write_text(f"{B} 5\n{C} 6\n")
    assert run("import", tmp_path / "text", table=table)[0] == 0
    assert [event[:3] for (event,) in events()] == [("beta", "", "check")]


@pytest.mark.usefixtures("share", "root")
@pytest.mark.parametrize("words", [["expire"], ["list"], ["dump"], ["verify"], ["repair"], ["delete", "--help"]])
def test_no_other_command_is_known_to_others(run, table, directory, words):
    assert run(*words, table=table)[0] == 0
    assert not directory.exists()


@pytest.mark.usefixtures("share", "root")
@pytest.mark.parametrize("words", [["delete", "x"], ["delete", "--here"], ["delete"], ["add", "x"], ["delete", A, "x"]])
def test_what_is_not_understood_changes_nothing_anywhere(run, table, directory, native_database, words):
    status, output, errors = run(*words, table=table)
    assert (status in (64, 65), output) == (True, "")
    assert is_one_line(errors)
    assert not directory.exists()
    assert native_database("beta/etc/relayers.db").entries() == {A: "5"}


@pytest.mark.usefixtures("share", "root")
@pytest.mark.parametrize("words", [["delete", A], ["add", B]])
def test_a_database_of_no_virtual_server_is_not_shared(run, table, directory, relayers_db, words):
    relayers_db.fill({A: 5})
    assert run("--database", relayers_db.path, *words, table=table) == (0, "", "")
    assert not directory.exists()


@pytest.mark.usefixtures("share", "root")
def test_a_database_of_a_virtual_server_is_shared_by_its_path_too(run, table, events, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "alpha")
    for path in ("alpha/etc/relayers.db", "link/etc/relayers.db"):
        run("--database", tmp_path / path, "delete", A, table=table)
    assert [event[0] for (event,) in events()] == ["alpha", "alpha"]


@pytest.mark.usefixtures("share", "root")
@pytest.mark.parametrize(("words", "left"), [(["delete", A], {}), (["add", B, "7"], {A: "5", B: "7"})])
def test_where_others_cannot_be_reached_this_host_is_changed_and_the_command_fails(
    run, table, native_database, monkeypatch, words, left
):
    def fail(_events):
        raise UnwritableError("/var/lib/vsmtprelay-outbox: cannot be written: Read-only file system")

    monkeypatch.setattr(changes, "write", fail)
    status, output, errors = run(*words, table=table)
    assert (status, output) == (73, "")
    assert is_one_line(errors)
    assert native_database("beta/etc/relayers.db").entries() == left


@pytest.mark.usefixtures("share", "root")
def test_a_named_database_is_changed_where_there_is_no_table_and_the_command_fails(run, relayers_db):
    relayers_db.fill({A: 5})
    status, _output, errors = run("--database", relayers_db.path, "delete", A)
    assert status == 66
    assert is_one_line(errors)
    assert relayers_db.entries() == {}


@pytest.mark.usefixtures("share")
@pytest.mark.parametrize("words", [["delete", A], ["delete", "--here", A], ["add", B, "7"]])
def test_another_user_changes_this_host_and_is_given_to_know_that(run, table, directory, monkeypatch, native_database, words):
    monkeypatch.setattr(changes, "may_write", lambda: False)
    assert run("--all", *words, table=table) == (0, "", NOT_ROOT)
    assert native_database("beta/etc/relayers.db").entries() != {A: "5"}
    assert not directory.exists()


@pytest.mark.usefixtures("share")
def test_a_user_whose_database_is_shared_with_nobody_is_told_nothing(run, table, monkeypatch, relayers_db):
    monkeypatch.setattr(changes, "may_write", lambda: False)
    assert run("--database", relayers_db.path, "add", B, table=table) == (0, "", "")


@pytest.mark.usefixtures("share", "directory")
def test_nobody_really_changes_their_own_tree_and_only_that(public_directory, native_database, as_nobody):
    database = native_database(public_directory / "etc/relayers.db").fill({A: 5})
    table = public_directory / "table"
    table.write_text(f"main\t{public_directory}\t{database.path}\t/etc/mail/sendmail.cf\t\t\n")
    for path in (database.path, os.path.dirname(database.path)):
        os.chown(path, 65534, 65534)
    assert as_nobody(lambda: command.main(["--server", "main", "delete", A], str(table))) == 0
    assert database.entries() == {}
