# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of another kind in the place of a database: it is called by its name, stays as it is, and its remedy works."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.other_kinds import (
    BEGINNINGS,
    COMPLETE,
    ENTRIES,
    MAKERS,
    WITHOUT_ADDRESSES,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import kinds
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, repair
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError, UnwritableError

NAME = "relayers.db"
UNREADABLE = 66
OPERATIONS = {
    "verify": repair.verify,
    "repair": repair.repair,
    "check of repair": lambda path: repair.repair(path, check_only=True),
    "change": lambda path: database.change(path, edits.record_logins({"10.9.9.9": 5})),
    "check of change": lambda path: database.change(path, edits.record_logins({"10.9.9.9": 5}), check_only=True),
    "read": lambda path: list(database.read(path).items()),
}
# How the command of a remedy begins, and what follows it.
FIRST_WORDS = r"mv -T |vsmtprelay |new=\$|gdbmtool |cdb |mdb_dump |sqlite3 "
HINT = r"(?:; (?:the times of DRAC|db5\.3_dump -l|sqlite3) .*)?"


@pytest.fixture(params=MAKERS.values(), ids=MAKERS)
def other(request, relayers_db):
    """Return the maker of another kind, which wrote its file in the place of relayers_db."""
    request.param.make(relayers_db.path)
    return request.param


# As far as it matters here, for hosts without a sendmail; tests/system/breaking has the real one.
MAKEMAP = """\
#!/bin/sh
: > "$2"
grep -v '^#' | tr -s ' \\t' '\\n\\n' | db5.3_load -T -t "$1" "$2"
"""


@pytest.fixture
def typed(tmp_path):
    """Return what runs the command at the end of a message in a shell; ``options`` are put before those of vsmtprelay."""

    def run(message, options=()):
        line = re.search(f": ((?:{FIRST_WORDS}).*?){HINT}$", message).group(1)
        for program in re.findall(r"(?:^|&& |\| )([a-z0-9._]+) ", line):
            if program not in ("vsmtprelay", "makemap") and shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        program = tmp_path / "bin" / "vsmtprelay"
        program.parent.mkdir()
        start = f"import sys; sys.path[:] = {sys.path}; from {command.__name__} import main; sys.exit(main(sys.argv[1:]))"
        program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-c", start, *options])} "$@"\n')
        program.chmod(0o755)
        if shutil.which("makemap") is None:
            (program.parent / "makemap").write_text(MAKEMAP)
            (program.parent / "makemap").chmod(0o755)
        environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "TMPDIR": str(program.parent)}
        done = subprocess.run(["sh", "-c", line], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize("work", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.fault("unreadable-database")
def test_it_is_called_by_its_name_and_stays_as_it_is(relayers_db, other, work):
    before, content = file_state(relayers_db.path), relayers_db.content
    with pytest.raises(UnreadableError, match=re.escape(f"{relayers_db.path}: is {other.kind.name}, not a Berkeley DB hash")):
        work(relayers_db.path)
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)
    assert relayers_db.files_beside == [NAME]


@pytest.mark.parametrize("words", [["verify"], ["repair"], ["dump"], ["add", "10.0.0.1"], ["expire"]], ids=" ".join)
def test_the_command_says_so_in_one_line(run, relayers_db, other, words):
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (UNREADABLE, "")
    assert errors == f"vsmtprelay: {other.kind.refusal(relayers_db.path)}\n"


@pytest.mark.parametrize("directory", ["etc", "it's a directory"])
@pytest.mark.parametrize("maker", COMPLETE.values(), ids=COMPLETE)
def test_the_remedy_imports_its_entries(typed, native_database, maker, directory):
    relayers_db = native_database(f"{directory}/{NAME}")
    os.mkdir(os.path.dirname(relayers_db.path))
    content = maker.make(relayers_db.path)
    with pytest.raises(UnreadableError) as refused:
        repair.verify(relayers_db.path)
    assert typed(str(refused.value)) == (0, "")
    assert relayers_db.entries() == ENTRIES
    assert Path(f"{relayers_db.path}.before").read_bytes() == content


@pytest.mark.parametrize("directory", ["etc", "it's a directory"])
def test_the_remedy_for_keys_that_end_in_nul_rebuilds_the_file_in_place(typed, native_database, directory):
    relayers_db = native_database(f"{directory}/{NAME}").fill({f"{key}\0": f"{value}\0" for key, value in ENTRIES.items()})
    inode, content = os.stat(relayers_db.path).st_ino, relayers_db.content
    assert repair.repair(relayers_db.path) is None
    with pytest.raises(UnwritableError, match="as makemap -N writes them, nothing was changed") as refused:
        database.change(relayers_db.path, edits.put({"10.9.9.9": 5}))
    assert relayers_db.content == content
    status, _warnings = typed(str(refused.value))  # makemap warns of directories that every user may write
    assert status == 0
    assert relayers_db.entries() == ENTRIES
    assert os.stat(relayers_db.path).st_ino == inode


@pytest.mark.parametrize("maker", WITHOUT_ADDRESSES.values(), ids=WITHOUT_ADDRESSES)
def test_what_holds_no_addresses_is_moved_away(typed, relayers_db, maker):
    content = maker.make(relayers_db.path)
    with pytest.raises(UnreadableError, match="creates a new one") as refused:
        repair.repair(relayers_db.path)
    assert typed(str(refused.value)) == (0, "")
    assert relayers_db.files_beside == [f"{NAME}.before"]
    assert Path(f"{relayers_db.path}.before").read_bytes() == content


@pytest.mark.parametrize("maker", COMPLETE.values(), ids=COMPLETE)
def test_an_import_reads_it_or_says_how_to_convert_it(run, typed, relayers_db, tmp_path, maker):
    source = tmp_path / "old one.db"
    content = maker.make(source)
    status, _output, errors = run("--database", relayers_db.path, "import", source)
    if maker.kind in (kinds.BTREE, kinds.TEXT):
        assert (status, errors) == (0, "")
    else:
        assert (status, errors) == (UNREADABLE, f"vsmtprelay: {maker.kind.refusal_of_source(str(source))}\n")
        assert not relayers_db.exists
        assert typed(errors.strip(), ["--database", relayers_db.path]) == (0, "")
    assert relayers_db.entries() == ENTRIES
    assert source.read_bytes() == content


@pytest.mark.parametrize("maker", [*WITHOUT_ADDRESSES.values(), *BEGINNINGS.values()], ids=[*WITHOUT_ADDRESSES, *BEGINNINGS])
def test_an_import_of_what_it_cannot_read_names_its_kind(run, relayers_db, tmp_path, maker):
    source = tmp_path / "old.db"
    maker.make(source)
    done = run("--database", relayers_db.path, "import", source)
    assert done == (UNREADABLE, "", f"vsmtprelay: {maker.kind.refusal_of_source(str(source))}\n")
    assert not relayers_db.exists


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_an_import_takes_only_text_from_the_standard_input(run, relayers_db, tmp_path, monkeypatch, maker):
    maker.make(tmp_path / "old.db")
    with open(tmp_path / "old.db", encoding="utf-8") as source:
        monkeypatch.setattr(sys, "stdin", source)
        status, _output, errors = run("--database", relayers_db.path, "import")
    if maker.kind is kinds.TEXT:
        assert (status, errors) == (0, "")
    else:
        assert status == UNREADABLE
        assert errors.startswith(f"vsmtprelay: standard input: is {maker.kind.name}, ")
        assert errors.count("\n") == 1


def foreign_hash(relayers_db):
    relayers_db.fill({f"host{n}.example.org": "RELAY" for n in range(50)})
    os.truncate(relayers_db.path, len(relayers_db.content) - 1)


def first_page(relayers_db):
    relayers_db.fill({f"10.0.0.{n}": n for n in range(250)})
    os.truncate(relayers_db.path, 4096)


def beginning(relayers_db):
    relayers_db.fill({"10.0.0.1": 5})
    os.truncate(relayers_db.path, 100)


def random_bytes(relayers_db):
    Path(relayers_db.path).write_bytes(random.Random(4).randbytes(16384))


def lost_beginning_of_no_entries(relayers_db):
    relayers_db.fill({}).damage()


@pytest.mark.parametrize("damage", [foreign_hash, first_page, beginning, random_bytes, lost_beginning_of_no_entries])
@pytest.mark.parametrize("check_only", [True, False])
def test_a_repair_that_would_recover_nothing_changes_nothing(typed, relayers_db, damage, check_only):
    damage(relayers_db)
    before, content = file_state(relayers_db.path), relayers_db.content
    with pytest.raises(UnreadableError, match="no entry of it can be recovered, nothing was changed") as refused:
        repair.repair(relayers_db.path, check_only=check_only)
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)
    assert relayers_db.files_beside == [NAME]
    assert typed(str(refused.value)) == (0, "")
    assert relayers_db.files_beside == [f"{NAME}.before"]


def as_makemap_does(relayers_db):
    relayers_db.fill({})


def as_we_do(relayers_db):
    database.change(relayers_db.path, edits.put({"10.0.0.1": 5}))
    database.change(relayers_db.path, edits.delete(["10.0.0.1"]))


@pytest.mark.parametrize("make", [as_makemap_does, as_we_do])
def test_a_damaged_file_that_certainly_held_no_entries_becomes_one_without_entries(relayers_db, make):
    make(relayers_db)
    content = bytearray(relayers_db.content)
    content[76:80] = b"\xff" * 4  # a mask of the table of buckets
    Path(relayers_db.path).write_bytes(content)
    done = repair.repair(relayers_db.path)
    assert done.entries == repair.verify(relayers_db.path) == 0
    assert Path(done.copy).read_bytes() == content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=3000), st.sampled_from([0, 512, 4096, 16384]))
@example(b"\x61\x15\x06\x00", 0)
def test_no_bytes_are_repaired_to_a_database_without_entries(relayers_db, content, zeros):
    content += bytes(zeros)
    Path(relayers_db.path).write_bytes(content)
    for work in (repair.verify, repair.repair):
        with pytest.raises(UnreadableError):
            work(relayers_db.path)
    assert relayers_db.content == content
    assert relayers_db.files_beside == [NAME]


@pytest.mark.parametrize("kind", ["btree", "gzip", "zeros"])
def test_the_remedy_writes_through_no_link_that_the_owner_of_the_directory_put_there(typed, relayers_db, tmp_path, kind):
    MAKERS[kind].make(relayers_db.path)
    (tmp_path / "elsewhere").mkdir()
    for name in (".before", ".converted"):
        os.symlink(tmp_path / "elsewhere", relayers_db.path + name)
    with pytest.raises(UnreadableError) as refused:
        repair.repair(relayers_db.path)
    assert typed(str(refused.value)) == (0, "")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert not os.path.islink(f"{relayers_db.path}.before")
