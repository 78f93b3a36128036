# SPDX-License-Identifier: GPL-3.0-or-later
"""The command vsmtprelay: its words, its output, its exit statuses, and which database it works on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import __version__
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import commands
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database

USAGE = """\
vsmtprelay VERSION usage (optional items in []):
    % vsmtprelay command [arg] [...]
where "command [arg] [...]" can be one of the following:

    "add ip [ticks]"   insert address with current timestamp (or ticks)
    "delete ip [...]"  remove specified address(es)
    "expire [n]"       expire all old (or older than n minutes) entries
    "list [n]"         list all old (or older than n minutes) entries
    "dump"             list every entry, including the future timestamped

IP addresses are expressed as ASCII "dotted quads", e.g. "10.11.12.13".
All timestamps are stored as ASCII strings representing a count of seconds
elapsed since 0 hours, 0 minutes, 0 seconds, January 1, 1970, Coordinated
Universal Time (the common UNIX epoch).
""".replace("VERSION", __version__)

NOW = 1_700_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PROGRAM = (
    "import sys; sys.path[:] = {!r}; "
    "from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command; "
    "sys.exit(command.main(sys.argv[2:], sys.argv[1]))"
)


@pytest.fixture
def shell(tmp_path):
    """Return what runs the command in a process of its own, from a shell line in which it is "$@"."""

    def shell(line, *arguments):
        program = [sys.executable, "-c", PROGRAM.format(sys.path), str(tmp_path / "no table"), *map(str, arguments)]
        return subprocess.run(["bash", "-c", line, "bash", *program], capture_output=True, text=True, check=False, timeout=30)

    return shell


@pytest.fixture
def at(monkeypatch):
    """Stop the clock at NOW."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))


def one_line(text):
    return text.startswith("vsmtprelay: ") and text.count("\n") == 1


def test_without_a_command_the_usage_goes_to_the_error_output(run):
    assert run() == (64, "", USAGE)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_the_usage_and_the_options_on_the_output(run, option):
    status, output, errors = run(option)
    assert (status, errors) == (0, "")
    assert output.startswith(USAGE)
    for word in ("--database PATH", "--server NAME", "--all", "--help", "--version"):
        assert word in output


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("name", commands.COMMANDS)
def test_each_command_has_its_own_help_on_the_output(run, option, name):
    status, output, errors = run(name, option)
    assert (status, errors) == (0, "")
    assert output.startswith(f"usage: vsmtprelay [option ...] {name}")
    assert output.count("\n") >= 5
    assert max(map(len, output.splitlines())) <= 80
    # How often an address or a number may be given is told as it is in the usage.
    called = re.search(rf'"{name}(.*)"', USAGE)
    assert called is None or output.splitlines()[0].endswith(f" {name}{called[1]}")


@pytest.mark.parametrize(
    "words", [["add", A, "--help"], ["add", A, "5", "6", "-h"], ["dump", "1", "--help"], ["delete", "x", "-h"]]
)
@pytest.mark.parametrize("options", [[], ["--server", "nobody's"], ["--all"], ["--database", "/nowhere"]])
def test_help_is_shown_whatever_else_is_said(run, words, options):
    status, output, errors = run(*options, *words)
    assert (status, output.split()[0], errors) == (0, "usage:", "")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--", "add", "--help"], 65),
        (["--", "import", "-h"], 64),
        (["--", "--help"], 64),
        (["add", "--", "--help"], 65),
        (["delete", A, "--", "-h"], 65),
        (["import", "--", "--help"], 66),
        (["import", "--value", "--help"], 64),
        (["import", "--expires-after", "-h"], 64),
        (["import", "--value=--help", "/nowhere"], 66),
        (["--database", "--help", "dump"], 66),
        (["--server", "-h", "dump"], 66),
        (["--lock-timeout", "--help", "dump"], 65),
        (["frobnicate", "--help"], 64),
    ],
)
def test_what_is_no_option_is_no_call_for_help(run, words, status):
    seen, output, errors = run(*words)
    assert (seen, output) == (status, "")
    assert one_line(errors)


def test_version_is_our_own(run):
    assert run("--version") == (0, f"vsmtprelay {__version__}\n", "")


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["ADD", A],
        [""],
        ["add"],
        ["add", A, "5", "6"],
        ["delete"],
        ["expire", "1", "2"],
        ["list", "1", "2"],
        ["dump", "1"],
        ["--frobnicate", "dump"],
        ["-x", "dump"],
        ["--server"],
        ["--server=", "dump"],
        ["--all=yes", "dump"],
        ["--all", "--server", "a", "dump"],
        ["--server", "a", "--database", "/b", "dump"],
    ],
)
def test_words_that_are_not_understood_are_a_usage_error_in_one_line(run, words):
    status, output, errors = run(*words)
    assert (status, output) == (64, "")
    assert one_line(errors)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--all"],
        ["--database", "/nowhere"],
        ["--"],
    ],
)
def test_options_alone_are_no_command(run, options):
    assert run(*options) == (64, "", USAGE)


@pytest.mark.parametrize(
    "words",
    [
        ["add", "10.0.0"],
        ["add", "10.0.0.256"],
        ["add", "mail.example.org"],
        ["add", "10.0.0.0/24"],
        ["add", A, "soon"],
        ["add", A, "-5"],
        ["add", A, "1e9"],
        ["add", A, ""],
        ["add", A, "253402300800"],
        ["delete", A, "10.0.0"],
        ["expire", "1h"],
        ["expire", "-1"],
        ["expire", "9" * 13],
        ["list", "9" * 13],
        ["list", "x"],
        ["list", "1.5"],
        ["--lock-timeout", "soon", "dump"],
        ["--lock-timeout=-1", "dump"],
        ["--lock-timeout=nan", "dump"],
        ["--lock-timeout=inf", "dump"],
    ],
)
def test_malformed_data_is_told_in_one_line_and_nothing_is_written(run, relayers_db, words):
    relayers_db.fill({A: 5})
    before = file_state(relayers_db.path)
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (65, "")
    assert one_line(errors)
    assert file_state(relayers_db.path) == before


def test_a_malformed_address_creates_no_database(run, relayers_db):
    assert run("--database", relayers_db.path, "add", "x")[0] == 65
    assert not relayers_db.exists


def test_add_stamps_an_address_with_the_current_time(run, relayers_db):
    before = int(time.time())
    assert run("--database", relayers_db.path, "add", A) == (0, "", "")
    assert before <= int(relayers_db.entries()[A]) <= time.time()


@pytest.mark.parametrize("ticks", [0, 5, NOW, 253402300799])
def test_add_with_ticks_stores_them_whatever_was_there(run, relayers_db, ticks):
    relayers_db.fill({A: 7})
    assert run("--database", relayers_db.path, "add", A, ticks)[0] == 0
    assert relayers_db.entries() == {A: str(ticks)}


@pytest.mark.parametrize("address", ["2001:db8::5", "IPv6:2001:DB8:0:0:0:0:0:5"])
def test_an_ipv6_address_is_stored_under_the_key_that_sendmail_looks_up(run, relayers_db, address):
    run("--database", relayers_db.path, "add", address, 5)
    assert relayers_db.entries() == {"ipv6:2001:db8:0:0:0:0:0:5": "5"}
    assert run("--database", relayers_db.path, "dump")[1].endswith("\nipv6:2001:db8:0:0:0:0:0:5 5\n")
    assert run("--database", relayers_db.path, "delete", "2001:db8:0::5")[0] == 0
    assert relayers_db.entries() == {}


def test_delete_removes_all_the_addresses_that_it_names(run, relayers_db):
    relayers_db.fill({A: 1, B: 2, C: 3})
    assert run("--database", relayers_db.path, "delete", A, C) == (0, "", "")
    assert relayers_db.entries() == {B: "2"}


def test_delete_of_an_address_that_is_not_listed_says_so_and_goes_on(run, relayers_db):
    relayers_db.fill({A: 1, C: 3})
    status, output, errors = run("--database", relayers_db.path, "delete", A, B, C)
    assert (status, output) == (1, "")
    assert one_line(errors)
    assert B in errors
    assert relayers_db.entries() == {}


def test_delete_takes_away_what_list_shows_also_where_makemap_added_a_nul(run, relayers_db):
    relayers_db.fill({A + "\0": "5\0", B: 6})
    assert f"\n{A} 5\n" in run("--database", relayers_db.path, "list")[1]
    assert run("--database", relayers_db.path, "delete", A) == (0, "", "")
    assert relayers_db.entries() == {B: "6"}


@pytest.mark.parametrize("words", [["add", A], ["add", B], ["delete", A], ["delete", B], ["expire"], ["expire", "9"]])
def test_a_database_that_makemap_wrote_with_its_option_n_is_shown_and_not_written(run, relayers_db, words):
    relayers_db.fill({A + "\0": "5\0", C + "\0": "6\0"})
    before, content = file_state(relayers_db.path), relayers_db.content
    for shown in ("list", "dump"):
        status, output, errors = run("--database", relayers_db.path, shown)
        assert (status, listed(output), errors) == (0, {A, C}, "")
        assert f"\n{A} 5\n" in output
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (73, "")
    assert one_line(errors)
    assert "makemap -N" in errors
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)


def test_list_and_dump_print_a_comment_in_utc_and_a_makemap_line(run, relayers_db, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    relayers_db.fill({"10.11.12.13": 906502527})
    expected = "# timestamp (UTC): Tue Sep 22 22:15:27 1998\n10.11.12.13 906502527\n"
    assert run("--database", relayers_db.path, "list") == (0, expected, "")
    assert run("--database", relayers_db.path, "dump") == (0, expected, "")


def listed(output):
    return set(re.findall(r"^(?!#)(\S+) ", output, re.MULTILINE))


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("arguments", "old"),
    [([], {A, B, "now"}), (["0"], {A, B, "now"}), (["1"], {A, B}), (["2"], {A}), (["3"], set()), (["9" * 12], set())],
)
def test_list_shows_and_expire_removes_what_is_n_minutes_old_or_older_and_never_the_future(run, relayers_db, arguments, old):
    entries = {A: NOW - 120, B: NOW - 60, "now": NOW, C: NOW + 1, "word": "RELAY"}
    relayers_db.fill(entries)
    status, output, errors = run("--database", relayers_db.path, "list", *arguments)
    assert (status, listed(output), errors) == (0, old, "")
    assert run("--database", relayers_db.path, "expire", *arguments) == (0, "", "")
    assert relayers_db.entries() == {key: str(value) for key, value in entries.items() if key not in old}


@pytest.mark.usefixtures("at")
def test_dump_shows_every_entry(run, relayers_db):
    relayers_db.fill({A: 0, B: NOW, C: NOW + 1, "word": "RELAY"})
    assert listed(run("--database", relayers_db.path, "dump")[1]) == {A, B, C, "word"}


def test_the_dump_of_many_entries_is_complete(run, relayers_db):
    entries = {f"10.0.{n >> 8}.{n & 255}": str(n) for n in range(2500)}
    relayers_db.fill(entries)
    lines = run("--database", relayers_db.path, "dump")[1].splitlines()
    assert dict(line.split() for line in lines if not line.startswith("#")) == entries
    assert len(lines) == 5000


def test_an_empty_database_prints_nothing(run, relayers_db):
    relayers_db.fill({})
    assert run("--database", relayers_db.path, "dump") == (0, "", "")


@pytest.mark.parametrize("words", [["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_database_that_is_not_there_is_no_input(run, relayers_db, words):
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (66, "")
    assert one_line(errors)
    assert relayers_db.path in errors
    assert not relayers_db.exists


@pytest.mark.parametrize("words", [["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_link_to_a_database_that_is_not_there_is_no_input(run, tmp_path, words):
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    assert run("--database", tmp_path / "link.db", *words)[0] == 66


@pytest.mark.parametrize("words", [["add", A], ["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_damaged_database_is_no_input_and_stays_as_it_is(run, relayers_db, words):
    before = relayers_db.fill({A: 5}).damage().content
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (66, "")
    assert one_line(errors)
    assert relayers_db.content == before


def test_a_directory_that_is_not_there_cannot_be_written(run, tmp_path):
    status, _output, errors = run("--database", tmp_path / "missing" / "relayers.db", "add", A)
    assert status == 73
    assert one_line(errors)


@pytest.mark.parametrize("words", [["add", A], ["delete", B], ["expire"]])
def test_a_disk_that_is_full_is_an_input_output_error(run, small_disk, native_database, words):
    relayers_db = native_database(small_disk / "relayers.db")
    relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": n for n in range(2000)})
    status, _output, errors = run("--database", relayers_db.path, *words)
    assert status == 74
    assert one_line(errors)
    assert len(relayers_db.entries()) == 2000


@pytest.mark.parametrize("words", [["add", A], ["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_database_that_others_keep_locked_is_a_temporary_failure(run, relayers_db, holder, words):
    relayers_db.fill({A: 5})
    with holder(lambda: open(relayers_db.path, "r+b")):
        status, output, errors = run("--lock-timeout", "0.05", "--database", relayers_db.path, *words)
    assert (status, output) == (75, "")
    assert one_line(errors)
    assert relayers_db.entries() == {A: "5"}


@pytest.mark.parametrize(("words", "status"), [(["add", B], 73), (["delete", A], 73), (["expire"], 73), (["list"], 0)])
def test_who_may_read_but_not_write_can_list_and_nothing_else(public_directory, native_database, as_nobody, words, status):
    relayers_db = native_database(public_directory / "relayers.db").fill({A: 5})
    os.chmod(relayers_db.path, 0o644)
    assert as_nobody(lambda: command.main(["--database", relayers_db.path, *words])) == status
    assert relayers_db.entries() == {A: "5"}


@pytest.mark.parametrize("words", [["add", B], ["delete", A], ["expire"], ["list"], ["dump"]])
def test_who_may_not_read_gets_no_input(public_directory, native_database, as_nobody, words):
    relayers_db = native_database(public_directory / "relayers.db").fill({A: 5})
    os.chmod(relayers_db.path, 0o600)
    assert as_nobody(lambda: command.main(["--database", relayers_db.path, *words])) == 66


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
    assert one_line(errors)
    assert "--server" in errors
    assert changed() == set()


def test_an_unknown_virtual_server_is_told_with_those_that_there_are(run, table):
    status, _output, errors = run("--server", "delta", "dump", table=table)
    assert status in (64, 65)
    assert one_line(errors)
    assert "alpha, beta, gamma" in errors


def test_without_a_table_a_database_has_to_be_named(run):
    status, _output, errors = run("dump")
    assert status == 66
    assert one_line(errors)
    assert "--database" in errors


@pytest.mark.parametrize("broken", SERVERS)
@pytest.mark.parametrize("words", [["add", B], ["delete", A], ["expire"]])
def test_one_broken_database_does_not_stop_the_others(run, table, native_database, broken, words):
    native_database(f"{broken}/etc/relayers.db").damage()
    status, _output, errors = run("--all", *words, table=table)
    assert status == 66
    assert one_line(errors)
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


def test_a_reader_that_closes_the_pipe_is_no_reason_to_complain(shell, relayers_db):
    relayers_db.fill({f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": n for n in range(20000)})
    done = shell('set -o pipefail; "$@" | head -n 1', "--database", relayers_db.path, "dump")
    assert done.stdout.startswith("# timestamp (UTC): ")
    assert (done.stdout.count("\n"), done.stderr, done.returncode) == (1, "", 141)


@pytest.mark.parametrize("entries", [3, 20000])
def test_output_that_cannot_be_written_is_an_input_output_error(shell, relayers_db, entries):
    relayers_db.fill({f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": n for n in range(entries)})
    done = shell('"$@" > /dev/full', "--database", relayers_db.path, "dump")
    assert done.returncode == 74
    assert one_line(done.stderr)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written_is_an_input_output_error_too(shell, option):
    done = shell('"$@" > /dev/full', option)
    assert done.returncode == 74
    assert one_line(done.stderr)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["add", B, "6"], 0),
        (["expire"], 0),
        (["dump"], 74),
    ],
)
def test_a_closed_output_keeps_no_work_from_being_done(shell, relayers_db, words, status):
    relayers_db.fill({A: 5})
    done = shell('"$@" >&-', "--database", relayers_db.path, *words)
    assert (done.returncode, done.stderr.count("Traceback")) == (status, 0)


def test_a_closed_error_output_keeps_the_exit_status(shell, relayers_db):
    assert shell('"$@" 2>&-', "--database", relayers_db.path, "add", "x").returncode == 65


def test_two_commands_at_once_lose_nothing(relayers_db, child):
    def add(who):
        return [command.main(["--database", relayers_db.path, "add", f"10.0.{who}.{n}", "5"]) for n in range(30)]

    children = [child(lambda who=who: add(who)) for who in range(2)]
    assert [each.result() for each in children] == [[0] * 30] * 2
    assert len(relayers_db.entries()) == 60


def test_what_the_command_needs_at_start_takes_no_slow_imports():
    package = Path(command.__file__).parents[1]
    slow = {"re", "json", "argparse", "dataclasses", "typing", "ipaddress", "logging", "subprocess", "asyncio"}
    program = (
        "import importlib.util, sys, types; package = types.ModuleType('vsmtprelay'); "
        f"package.__path__ = [{str(package)!r}]; package.__version__ = '0'; sys.modules['vsmtprelay'] = package; "
        "import vsmtprelay.command.main; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & slow - {"typing", "re"} == set()


def test_the_lock_timeout_is_that_of_the_database_module_unless_given(run):
    assert f"(default {database.LOCK_SECONDS:g})" in run("--help")[1]


def test_a_command_changes_what_the_modules_see(run, relayers_db):
    run("--database", relayers_db.path, "add", A, 5)
    assert not database.change(relayers_db.path, edits.put({A: 5}), check_only=True)
