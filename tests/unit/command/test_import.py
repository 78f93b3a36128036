# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of other programs' files: what is read of them, what it becomes, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import berkeley_binding
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import (
    import_berkeley_db,
    import_command,
    import_sources,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError

NOW = 1_700_000_000
CHANGED = NOW - 7200  # when the files of other programs were last written
MINUTE = 60
A, B, C = "198.51.100.7", "203.0.113.9", "192.0.2.255"
V6, V6_KEY = "2001:db8::5", "ipv6:2001:db8:0:0:0:0:0:5"
KINDS = ("hash", "btree")


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: float(NOW))


@pytest.fixture
def run(run, relayers_db):
    """Return what runs the import into relayers.db and returns its exit status, output and error output."""
    return lambda *words, options=(): run("--database", relayers_db.path, *options, "import", *words)


@pytest.fixture
def old_database(native_database):
    """Return what writes the database of another program, with db5.3_load, last changed at CHANGED."""

    def write(entries, *options, name="old.db", kind="hash"):
        path = native_database(name).fill(entries, *options, kind=kind).path
        os.utime(path, (CHANGED, CHANGED))
        return path

    return write


@pytest.fixture
def old_text(tmp_path):
    """Return what writes a text for makemap, last changed at CHANGED."""

    def write(text, name="old"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(path, (CHANGED, CHANGED))
        return str(path)

    return write


def written_at(database):
    status = os.stat(database.path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


# Key and value as they are in the file, options of import, and what relayers.db has then.
ENTRIES = [
    # pop-before-smtp: the value is a word, and the time only in the daemon's memory.
    ((A, "ok"), [], {A: CHANGED}),
    ((A, "OK"), [], {A: CHANGED}),
    ((A + "\0", "ok\0"), [], {A: CHANGED}),
    ((A, "RELAY"), [], {A: CHANGED}),
    ((A, "may relay"), ["--value", "may relay"], {A: CHANGED}),
    ((A, "1"), ["--value=1"], {A: CHANGED}),
    # Ours, and others that store the time of the login.
    ((A, NOW - 5), [], {A: NOW - 5}),
    ((A, 4102444800), [], {A: 4102444800}),
    ((A, 0), [], {A: 0}),
    ((f"{A}\0", f"{NOW - 5}\0"), [], {A: NOW - 5}),
    # DRAC: the time at which the entry expires. A login is never in the future, and never before 1970.
    ((A, NOW + 20 * MINUTE), ["--expires-after", "30"], {A: NOW - 10 * MINUTE}),
    ((A + "\0", f"{NOW + 20 * MINUTE}\0"), ["--expires-after=30"], {A: NOW - 10 * MINUTE}),
    ((A, NOW + 50 * MINUTE), ["--expires-after", "30"], {A: NOW}),
    ((A, 60), ["--expires-after", "30"], {A: 0}),
    ((A, "ok"), ["--expires-after", "30"], {A: CHANGED}),
    # Spellings of addresses: as inet_ntop(3) writes them, with sendmail's tag, mapped, networks of one address, popauth's tag.
    ((V6, NOW), [], {V6_KEY: NOW}),
    ((V6 + "\0", f"{NOW}\0"), [], {V6_KEY: NOW}),
    (("IPv6:2001:DB8:0:0:0:0:0:5", NOW), [], {V6_KEY: NOW}),
    ((f"::ffff:{A}", NOW), [], {A: NOW}),
    ((f"{A}/32", NOW), [], {A: NOW}),
    ((f"{V6}/128", NOW), [], {V6_KEY: NOW}),
    ((f"POP:{A}", NOW), [], {A: NOW}),
    ((f"pop:{A}", "OK"), [], {A: CHANGED}),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("entry", "options", "wanted"), ENTRIES)
def test_an_entry_of_a_database_becomes_one_that_sendmail_finds(run, relayers_db, old_database, kind, entry, options, wanted):
    status, output, errors = run(*options, old_database(dict([entry]), kind=kind))
    assert (status, output, errors) == (0, f"{relayers_db.path}: 1 entries imported\n", "")
    assert relayers_db.entries() == {key: str(timestamp) for key, timestamp in wanted.items()}


@pytest.mark.parametrize(("entry", "options", "wanted"), [case for case in ENTRIES if "\0" not in case[0][0]])
def test_an_entry_of_a_text_for_makemap_becomes_the_same(run, relayers_db, old_text, entry, options, wanted):
    assert run(*options, old_text("# a comment\n\n{}\t{}\n".format(*entry)))[0] == 0
    assert relayers_db.entries() == {key: str(timestamp) for key, timestamp in wanted.items()}


def test_a_line_of_vpopmail_is_the_time_of_a_login(run, relayers_db, old_text):
    assert run(old_text(f'{A}:allow,RELAYCLIENT="",RBLSMTPD=""\t{NOW - 5}\n'))[0] == 0
    assert relayers_db.entries() == {A: str(NOW - 5)}


REFUSED = [
    ("10.0.0.0/24", NOW),
    ("10.0.0", "ok"),
    ("10.0.0.", "ok"),
    ("10", "RELAY"),
    ("10.0.0.256", NOW),
    ("010.0.0.1", NOW),
    ("10.0.0.1/31", NOW),
    ("2001:db8::/32", NOW),
    ("2001:db8::5/64", NOW),
    ("fe80::1%eth0", NOW),
    ("ipv6:2001:db8", "RELAY"),
    ("mail.example.org", "ok"),
    ("me@example.org", "ok"),
    ("connect:10.0.0.1", "RELAY"),
    ("spam:10.0.0.1", "ok"),
    ("10.0.0.1:deny", NOW),
    ("10.0.0.1:allow", NOW),
    ("\x01", NOW),
    ("10.0.0.1 ", NOW),
    ("10.0.0.1\0x", NOW),
    (A, "REJECT"),
    (A, "DISCARD"),
    (A, "550 you are a spammer"),
    (A, "ERROR:5.7.1:550 no"),
    (A, "okay"),
    (A, "-5"),
    (A, "1e9"),
    (A, "0123456789"),
    (A, "253402300800"),
    (A, "1700000000000"),
    (A, "ok\0\0"),
    (A, "r" * 500),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", REFUSED)
@pytest.mark.fault("foreign-entries")
def test_what_is_not_certainly_a_permission_for_one_address_is_named_and_nothing_is_written(
    run, relayers_db, old_database, kind, entry
):
    source = old_database(dict([entry, (B, "ok")]), kind=kind)
    before = written_at(relayers_db.fill({C: 5}))
    status, output, errors = run(source)
    assert (status, output) == (65, "")
    first, last = errors.splitlines()
    assert first.startswith(f"vsmtprelay: {source}: ")
    assert str(entry[0] if entry[0] != A else entry[1])[:7].strip("\0\x01 ") in first
    assert len(first) < 400
    assert "--skip-malformed" in last
    assert written_at(relayers_db) == before


@pytest.mark.parametrize("entry", REFUSED)
def test_the_rest_is_imported_if_that_is_asked_for(run, relayers_db, old_database, entry):
    status, output, errors = run("--skip-malformed", old_database(dict([entry, (B, "ok")])))
    assert (status, output) == (0, f"{relayers_db.path}: 1 entries imported\n")
    assert errors.count("\n") == 1
    assert relayers_db.entries() == {B: str(CHANGED)}


def test_every_entry_that_is_refused_has_a_line(run, old_database, relayers_db):
    wrong = {f"host{n}.example.org": "ok" for n in range(300)}
    status, _output, errors = run(old_database({**wrong, A: "ok"}))
    assert status == 65
    lines = errors.splitlines()
    assert len(lines) == 301
    assert all(any(f"'{name}'" in line for line in lines) for name in wrong)
    assert not relayers_db.exists


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, str(NOW - 100)),
        ({A: NOW - 200}, str(NOW - 100)),
        ({A: NOW - 100}, str(NOW - 100)),
        ({A: NOW - 50}, str(NOW - 50)),
        ({A: NOW + 50}, str(NOW + 50)),
        ({A: "RELAY"}, str(NOW - 100)),
    ],
)
def test_an_import_never_shortens_a_permission(run, relayers_db, old_database, before, after):
    relayers_db.fill({**before, C: 5})
    assert run(old_database({A: NOW - 100}))[0] == 0
    assert relayers_db.entries() == {A: after, C: "5"}


@pytest.mark.parametrize("value", ["ok", str(NOW - 50)])
@pytest.mark.fault("late-import")
def test_a_second_import_changes_nothing_and_says_so(run, relayers_db, old_database, value, monkeypatch):
    source = old_database({A: value, B: value})
    assert run(source) == (0, f"{relayers_db.path}: 2 entries imported\n", "")
    before = written_at(relayers_db)
    monkeypatch.setattr(time, "time", lambda: NOW + 3600.0)
    assert run(source) == (0, f"{relayers_db.path}: 0 entries imported; 2 were there already, as late or later\n", "")
    assert written_at(relayers_db) == before


def test_several_files_become_one_write_and_of_several_times_the_latest_counts(run, relayers_db, old_database, old_text):
    first, last = old_database({A: NOW - 20}, name="1.db"), old_database({A: NOW - 30}, name="3.db")
    assert run(first, old_text(f"{A} {NOW - 10}\n{B} 5\n"), last)[1] == f"{relayers_db.path}: 2 entries imported\n"
    assert relayers_db.entries() == {A: str(NOW - 10), B: "5"}


def test_one_bad_file_keeps_all_from_being_imported(run, relayers_db, old_database, tmp_path):
    assert run(old_database({A: "ok"}), tmp_path / "missing.db")[0] == 66
    assert not relayers_db.exists


def test_a_file_that_was_changed_in_the_future_gives_no_time_in_the_future(run, relayers_db, old_database):
    source = old_database({A: "ok"})
    os.utime(source, (NOW + 86400, NOW + 86400))
    assert run(source)[0] == 0
    assert relayers_db.entries() == {A: str(NOW)}


def test_what_perl_stored_is_read(run, relayers_db, tmp_path):
    # As pop-before-smtp does it: a tied DB_File, values "ok".
    script = (
        "use DB_File; use Fcntl; tie my %db, 'DB_File', $ARGV[0], O_CREAT|O_RDWR, 0666, $DB_HASH or die;"
        "$db{\"10.1.$_.2\"} = 'ok' for 0 .. 255; delete $db{'10.1.7.2'}; untie %db"
    )
    source = tmp_path / "popauth.db"
    subprocess.run(["perl", "-e", script, str(source)], check=True)
    os.utime(source, (CHANGED, CHANGED))
    assert run(source)[1] == f"{relayers_db.path}: 255 entries imported\n"
    assert relayers_db.entries() == {f"10.1.{n}.2": str(CHANGED) for n in range(256) if n != 7}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["1234", "4321"])
@pytest.mark.parametrize("page_size", ["512", "65536"])
def test_either_byte_order_and_every_page_size_is_read(run, relayers_db, old_database, kind, order, page_size):
    wanted = {f"10.1.{n >> 8}.{n & 255}": str(NOW - n) for n in range(2000)}
    source = old_database(wanted, "-c", f"db_lorder={order}", "-c", f"db_pagesize={page_size}", kind=kind)
    assert run(source)[1] == f"{relayers_db.path}: 2000 entries imported\n"
    assert relayers_db.entries() == wanted


def test_the_standard_input_is_read_if_no_file_is_named(run, relayers_db, monkeypatch, old_text):
    for words in ([], ["-"]):
        with open(old_text(f"{A} {NOW}\n"), encoding="utf-8") as source:
            monkeypatch.setattr(sys, "stdin", source)
            assert run(*words)[0] == 0
    assert relayers_db.entries() == {A: str(NOW)}


def test_a_word_on_the_standard_input_is_a_login_of_now(run, relayers_db, monkeypatch, old_text):
    with open(old_text(f"{A} ok\n"), encoding="utf-8") as source:
        monkeypatch.setattr(sys, "stdin", source)
        assert run()[0] == 0
    assert relayers_db.entries() == {A: str(NOW)}


def test_a_standard_input_that_is_closed_or_a_database_is_refused(run, relayers_db, monkeypatch, old_database):
    monkeypatch.setattr(sys, "stdin", None)
    assert run()[0] == 66
    with open(old_database({A: "ok"}), encoding="utf-8") as source:
        monkeypatch.setattr(sys, "stdin", source)
        status, _output, errors = run()
    assert status == 66
    assert "named as a file" in errors
    assert not relayers_db.exists


def test_an_import_into_all_databases_reads_the_input_once(capfd, monkeypatch, tmp_path, native_database, old_text):
    databases = [native_database(f"{name}/etc/relayers.db").fill({}) for name in "ab"]
    table = tmp_path / "table"
    table.write_text(
        "".join(
            f"{name}\t{tmp_path}/{name}\t{tmp_path}/{name}/etc/relayers.db\t{tmp_path}/{name}/etc/sendmail.cf\t192.0.2.{n}\t\n"
            for n, name in enumerate("ab", 1)
        )
    )
    with open(old_text(f"{A} {NOW}\n"), encoding="utf-8") as source:
        monkeypatch.setattr(sys, "stdin", source)
        assert command.main(["--all", "import"], str(table)) == 0
    assert capfd.readouterr().out.count("1 entries imported") == 2
    assert [database.entries() for database in databases] == [{A: str(NOW)}] * 2


UNREADABLE = {
    "missing": (None, 66, "no such file"),
    "bytes that are no text": (b"\x7fELF\0\0\0\0" * 100, 66, "neither"),
    "a line without a value": (f"{A}\n", 65, "line 1"),
    "Berkeley DB 1.85, hash": ((0x061561).to_bytes(4, "big") + bytes(508), 66, "1.85"),
    "Berkeley DB 1.85, btree": ((0x053162).to_bytes(4, "little") + bytes(508), 66, "1.85"),
    "the beginning of a hash": (bytes(12) + (0x061561).to_bytes(4, "little") + bytes(100), 66, "damaged"),
}


@pytest.mark.parametrize(("content", "wanted", "word"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_in_one_line(run, relayers_db, tmp_path, content, wanted, word):
    source = tmp_path / "old.db"
    if content is not None:
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, output, errors = run(source)
    assert (status, output) == (wanted, "")
    assert errors.count("\n") == 1
    assert str(source) in errors
    assert word in errors
    assert not relayers_db.exists


def test_a_directory_and_a_pipe_are_refused(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe"):
        status, _output, errors = run(source)
        assert status == 66
        assert "not a regular file" in errors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.fault("foreign-entries")
def test_a_damaged_database_is_refused_or_gives_nothing_that_was_not_in_it(run, relayers_db, old_database, kind):
    source = Path(old_database({f"10.1.2.{n}": NOW - n for n in range(200)}, kind=kind))
    whole = source.read_bytes()
    outcomes = set()
    for at in range(0, len(whole), len(whole) // 40):
        source.write_bytes(whole[:at] + b"\xa5" * 64 + whole[at + 64 :])
        status, output, errors = run(source)
        assert status in (0, 65, 66)
        assert (output if status == 0 else errors).count("\n") >= 1
        outcomes.add(status)
    assert 66 in outcomes
    if relayers_db.exists:
        assert relayers_db.entries().items() <= {f"10.1.2.{n}": str(NOW - n) for n in range(200)}.items()


@pytest.mark.parametrize("kind", ["recno", "queue"])
def test_a_database_of_numbered_records_is_refused(old_database, kind, tmp_path):
    text = "header\n" if kind == "recno" else ""
    path = tmp_path / "numbered.db"
    options = ["-c", "re_len=8"] if kind == "queue" else []
    subprocess.run(["db5.3_load", *options, "-T", "-t", kind, str(path)], input=text, text=True, check=True)
    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(UnreadableError, match="neither a hash nor a btree"):
        import_berkeley_db.read_items(descriptor, str(path))
    os.close(descriptor)


def test_what_makes_libdb_crash_ends_only_the_process_that_reads_it(monkeypatch, old_database):
    path = old_database({A: "ok"})
    monkeypatch.setattr(import_berkeley_db, "everything_in", lambda descriptor, libdb: os.abort())
    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(UnreadableError, match="gave up"):
        import_berkeley_db.read_items(descriptor, path)
    os.close(descriptor)


@pytest.mark.parametrize("kind", KINDS)
def test_the_process_that_reads_hands_on_all_items(old_database, kind):
    path = old_database({A: "ok", B: "x"}, kind=kind)
    descriptor = os.open(path, os.O_RDONLY)
    items, reason = import_berkeley_db.everything_in(descriptor, berkeley_binding.binding())
    assert (sorted(items), reason) == ([(A.encode(), b"ok"), (B.encode(), b"x")], "")
    os.truncate(path, 100)
    assert import_berkeley_db.everything_in(descriptor, berkeley_binding.binding())[0] is None
    os.close(descriptor)


def test_a_database_that_its_program_still_has_open_is_not_imported(run, relayers_db, old_database, holder):
    source = old_database({A: "ok"})
    with holder(lambda: open(source, "r+b")):
        status, _output, errors = run(source, options=["--lock-timeout", "0.05"])
    assert status == 75
    assert f"fuser -v {source}" in errors
    assert not relayers_db.exists
    assert run(source)[0] == 0


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--frobnicate"], 64),
        (["--value"], 64),
        (["--value=", "x"], 64),
        (["--expires-after"], 64),
        (["--skip-malformed=1"], 64),
        (["--expires-after", "soon", "x"], 65),
        (["--expires-after", "-5", "x"], 65),
    ],
)
def test_options_that_are_not_understood_are_told_in_one_line(run, relayers_db, words, status):
    seen, output, errors = run(*words)
    assert (seen, output) == (status, "")
    assert errors.count("\n") == 1
    assert not relayers_db.exists


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--skip-malformed", "--help"], ["x", "--expires-after", "soon", "-h"]])
def test_help_tells_of_the_sources_and_of_all_options(run, relayers_db, words):
    status, output, errors = run(*words)
    assert (status, errors) == (0, "")
    options = [option for action in import_command.parser()._actions for option in action.option_strings]
    for word in (*options, *import_sources.PERMISSIONS, "pop-before-smtp", "DRAC", "popauth", "vpopmail", "standard input"):
        assert word in output
    assert not relayers_db.exists


def test_what_stands_for_a_value_is_what_the_parser_takes_for_one():
    with_value = {
        action.option_strings[0] for action in import_command.parser()._actions if action.option_strings and action.nargs != 0
    }
    assert with_value == set(import_command.OPTIONS_WITH_VALUE)


def test_a_name_after_two_dashes_is_a_file(run, relayers_db, old_text, monkeypatch, tmp_path):
    old_text(f"{A} ok\n", name="--value")
    monkeypatch.chdir(tmp_path)
    assert run("--", "--value")[0] == 0
    assert relayers_db.entries() == {A: str(CHANGED)}


def test_an_empty_file_is_no_entries(run, relayers_db, old_text):
    assert run(old_text("")) == (0, f"{relayers_db.path}: 0 entries imported\n", "")


def test_a_database_can_be_imported_into_itself(run, relayers_db):
    relayers_db.fill({A: NOW})
    assert run(relayers_db.path)[0] == 0
    assert relayers_db.entries() == {A: str(NOW)}


def test_help_and_the_manual_page_tell_of_it_and_its_options(run, capfd, tmp_path):
    assert command.main(["--help"], str(tmp_path / "no table")) == 0
    page = (Path(__file__).parents[3] / "roles/pop_before_smtp/files/vsmtprelay.8").read_text(encoding="utf-8")
    for text in (capfd.readouterr().out, page.replace("\\-", "-")):
        for word in ("import", "--expires-after", "--value", "--skip-malformed", *import_sources.PERMISSIONS):
            assert word in text.replace("RELAY", "relay")
