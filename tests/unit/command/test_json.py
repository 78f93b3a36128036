# SPDX-License-Identifier: GPL-3.0-or-later
"""The option --json: one document with a version, whose members have the names that the modules return."""

from __future__ import annotations

import json
import os

import pytest
import yaml

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import __version__
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import commands, json_document
from ansible_collections.vsmtp.relay.plugins.modules import relayers_expire, relayers_info, relayers_restore

NOW = 1_700_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
IPV6 = "ipv6:2001:db8:0:0:0:0:0:5"
SERVERS = ("alpha", "beta")
WORK = ["list", "dump", "expire", "verify", "repair"]


@pytest.fixture
def table(tmp_path, native_database):
    """Return the path of a table of two virtual servers; the first one has an entry, the second one two."""
    lines = []
    for number, name in enumerate(SERVERS):
        root = tmp_path / name
        native_database(f"{name}/etc/relayers.db").fill(dict(list({A: 5, B: NOW + 9}.items())[: number + 1]))
        lines.append(f"{name}\t{root}\t{root}/etc/relayers.db\t{root}/etc/sendmail.cf\t192.0.2.{number}\t\n")
    path = tmp_path / "virtual_servers"
    path.write_text("".join(lines))
    return path


@pytest.fixture
def document(run, at):
    """Return what runs a command and returns its document, after it succeeded and said nothing else."""

    def document(*words, **options):
        status, output, errors = run(*words, **options)
        assert (status, errors) == (0, "")
        return json.loads(output)

    return document


def head(command, **members):
    return {"schema": 1, "version": __version__, "command": command, "made": NOW, **members}


def test_list_prints_what_is_old_and_dump_everything(document, relayers_db):
    relayers_db.fill({A: NOW - 600, IPV6: NOW - 30, C: NOW + 60, "word": "RELAY"})
    path = relayers_db.path
    entries = [
        {"address": A, "key": A, "timestamp": NOW - 600, "age": 600},
        {"address": C, "key": C, "timestamp": NOW + 60, "age": -60},
        {"address": "2001:db8::5", "key": IPV6, "timestamp": NOW - 30, "age": 30},
        {"address": "word", "key": "word", "timestamp": None, "age": None},
    ]

    def shown(*words):
        found = document("--database", path, *words)
        (database,) = found.pop("databases")
        relayers = sorted(database.pop("relayers"), key=lambda relayer: relayer["key"])
        assert database == {"path": path, "exists": True, "fault": ""}
        return found, relayers

    assert shown("dump", "--json") == (head("dump"), entries)
    assert shown("list", "--json") == (head("list", older_than=0), [entries[0], entries[2]])
    for words in (["list", "--json", 5], ["list", 5, "--json"], ["list", "--json", 5, "--json"]):
        assert shown(*words) == (head("list", older_than=5), [entries[0]])


def test_expire_prints_the_keys_that_it_removed(document, relayers_db):
    relayers_db.fill({A: NOW - 600, IPV6: NOW - 601, B: NOW - 599, C: NOW + 60, "word": "RELAY"})
    found = document("--database", relayers_db.path, "expire", "10", "--json")
    (database,) = found.pop("databases")
    assert found == head("expire", older_than=10)
    assert sorted(database.pop("expired")) == [A, IPV6]
    assert database == {"path": relayers_db.path, "fault": ""}
    assert set(relayers_db.entries()) == {B, C, "word"}
    assert document("--database", relayers_db.path, "expire", "10", "--json")["databases"][0]["expired"] == []


def test_verify_prints_that_a_database_is_sound(document, relayers_db):
    relayers_db.fill({A: 5, B: 6})
    expected = {"path": relayers_db.path, "sound": True, "entries": 2, "fault": ""}
    assert document("--database", relayers_db.path, "verify", "--json") == head("verify", databases=[expected])


def test_repair_prints_what_it_did(document, relayers_db):
    relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": 5 for n in range(3000)})
    nothing = {"path": relayers_db.path, "repaired": None, "fault": ""}
    assert document("--database", relayers_db.path, "repair", "--json") == head("repair", databases=[nothing])
    content = bytearray(relayers_db.content)
    content[8192:8704] = b"\xa5" * 512
    with open(relayers_db.path, "wb") as file:
        file.write(content)
    (database,) = document("--database", relayers_db.path, "repair", "--json")["databases"]
    assert database["repaired"].keys() == {"damaged_file", "entries"}
    assert database["repaired"]["entries"] == len(relayers_db.entries())
    assert os.path.exists(database["repaired"]["damaged_file"])


def test_import_prints_the_keys_that_it_changed(document, relayers_db, tmp_path):
    relayers_db.fill({B: 5, C: 9})
    (tmp_path / "other").write_text(f"{A} 7\n{B} 7\n{C} 7\n")
    for words in (["--json", tmp_path / "other"], ["--skip-malformed", "--json", "--", tmp_path / "other"]):
        found = document("--database", relayers_db.path, "import", *words)
        added, updated = ([A], [B]) if words[0] == "--json" else ([], [])
        changes = {"created": False, "added": added, "updated": updated, "removed": [], "fault": ""}
        assert found == head("import", databases=[{"path": relayers_db.path, **changes}])


@pytest.mark.parametrize("command", WORK)
def test_many_databases_are_one_document_with_the_names_of_the_virtual_servers(document, table, tmp_path, command):
    databases = document("--all", command, "--json", table=table)["databases"]
    assert [(each["virtual_server"], each["path"]) for each in databases] == [
        (name, f"{tmp_path}/{name}/etc/relayers.db") for name in SERVERS
    ]
    assert document("--server", "beta", command, "--json", table=table)["databases"][0]["virtual_server"] == "beta"


@pytest.mark.parametrize("command", WORK)
def test_a_database_that_failed_has_a_fault_and_the_same_message_and_exit_status(run, table, native_database, command):
    path = native_database("alpha/etc/relayers.db").path
    if command == "repair":
        os.unlink(path)
    else:
        os.truncate(path, 0)
    status, output, errors = run("--all", command, "--json", table=table)
    assert status == 66
    assert is_one_line(errors)
    failed, sound = json.loads(output)["databases"]
    assert errors == f"vsmtprelay: {failed['fault']}\n"
    assert sound["fault"] == ""
    assert set(failed) == set(sound)


@pytest.mark.parametrize("command", WORK)
def test_a_damaged_database_leaves_the_document_whole(run, relayers_db, command):
    relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": 5 for n in range(3000)}).damage()
    status, output, errors = run("--database", relayers_db.path, command, "--json")
    (database,) = json.loads(output)["databases"]
    if command == "repair":
        assert (status, errors, database["fault"]) == (0, "", "")
    else:
        assert (status, errors) == (66, f"vsmtprelay: {database['fault']}\n")
        assert database.get("sound", False) is False
        assert database.get("relayers", []) == database.get("expired", []) == []


def test_a_locked_database_is_neither_sound_nor_damaged(run, relayers_db, holder):
    relayers_db.fill({A: 5})
    with holder(lambda: open(relayers_db.path, "r+b")):
        status, output, errors = run("--lock-timeout", "0.05", "--database", relayers_db.path, "verify", "--json")
    (database,) = json.loads(output)["databases"]
    assert (status, database["sound"], database["entries"]) == (75, None, None)
    assert is_one_line(errors)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["add", A, "--json"], 65),
        (["add", "--json"], 65),
        (["delete", "--json"], 65),
        (["list", "--", "--json"], 64),
        (["list", "--json", "--"], 65),
        (["list", "x", "--json"], 65),
        (["dump", "--json", "all"], 64),
        (["dump", "--json=yes"], 64),
        (["import", "--json=yes"], 64),
        (["import", "--value", "--json"], 64),
        (["import", "--json", "/nowhere"], 66),
        (["status", "all", "--json"], 64),
        (["--json", "dump"], 64),
    ],
)
def test_words_that_are_not_understood_print_no_document(run, relayers_db, words, status):
    before = file_state(relayers_db.fill({A: 5}).path)
    seen, output, errors = run("--database", relayers_db.path, *words)
    assert (seen, output) == (status, "")
    assert is_one_line(errors)
    assert file_state(relayers_db.path) == before


def test_a_large_dump_is_a_line_for_each_entry(document, run, relayers_db):
    entries = {f"10.0.{n >> 8}.{n & 255}": str(n) for n in range(2500)}
    relayers_db.fill(entries)
    (database,) = document("--database", relayers_db.path, "dump", "--json")["databases"]
    assert {each["key"]: str(each["timestamp"]) for each in database["relayers"]} == entries
    output = run("--database", relayers_db.path, "dump", "--json")[1]
    assert sum(line.startswith('{"address": ') for line in output.splitlines()) == 2500


def test_a_reader_that_closes_the_pipe_is_no_reason_to_complain(shell, relayers_db):
    relayers_db.fill({f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": n for n in range(20000)})
    done = shell('set -o pipefail; "$@" | head -n 1', "--database", relayers_db.path, "dump", "--json")
    assert (done.stdout.count("\n"), done.stderr, done.returncode) == (1, "", 141)


@pytest.mark.parametrize("words", [["dump"], ["list"], ["verify"], ["repair"], ["expire"]])
def test_output_that_cannot_be_written_is_an_input_output_error(shell, relayers_db, words):
    relayers_db.fill({A: 5})
    done = shell('"$@" > /dev/full', "--database", relayers_db.path, *words, "--json")
    assert done.returncode == 74
    assert is_one_line(done.stderr)


@pytest.mark.parametrize("words", [["expire"], ["import", "--value", "x"]])
def test_a_reader_that_is_gone_keeps_no_database_from_being_changed(shell, tmp_path, native_database, words):
    many = {f"10.0.{n >> 8}.{n & 255}": 5 for n in range(20000)}
    paths = [native_database(f"{name}/etc/relayers.db").fill(many).path for name in SERVERS]
    lines = [f"{name}\t/{name}\t{path}\t/{name}/sendmail.cf\t\t{name}.org\n" for name, path in zip(SERVERS, paths, strict=True)]
    (tmp_path / "no table").write_text("".join(lines))
    new = "".join(f"10.9.{n >> 8}.{n & 255} 7\n" for n in range(20000))
    (tmp_path / "new").write_text(new)
    files = [tmp_path / "new"] if words[0] == "import" else []
    done = shell('set -o pipefail; "$@" | head -n 1', "--all", *words, "--json", *files)
    assert (done.returncode, done.stderr) == (141, "")
    for path in paths:
        entries = native_database(path).entries()
        assert len(entries) == (40000 if files else 0)


def members_of(module):
    """Return the names of what a module returns for a database."""
    return set(yaml.safe_load(module.RETURN)["databases"]["contains"])


MEMBERS = {
    "list": (relayers_info, {"text", "sound"}),
    "dump": (relayers_info, {"text", "sound"}),
    "expire": (relayers_expire, set()),
    "import": (relayers_restore, set()),
}


@pytest.mark.parametrize("command", MEMBERS)
def test_the_members_have_the_names_that_the_modules_return(command):
    module, not_printed = MEMBERS[command]
    common = {"path", "virtual_server", "fault"}
    assert common | set(json_document.FAILED[command]) == common | (members_of(module) - not_printed)


def test_verify_has_the_names_of_the_module_that_verifies():
    assert {"sound", "fault"} <= members_of(relayers_info)


def test_every_command_with_a_document_says_what_a_failed_database_has():
    assert set(json_document.FAILED) == commands.WITH_JSON - {"status"}
