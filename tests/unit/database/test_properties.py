# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any words given to the command, and for any sequence of changes to a database."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import berkeley_pages
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import usage
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database

NOW = 1_700_000_000
KNOWN, OLD = "10.0.0.1", "10.0.0.2"

octet = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["", "00", "01", "256", "1e1", "٣", "-1", " 1", "1\n"]))
group = st.one_of(st.integers(0, 0x1FFFF).map("{:x}".format), st.sampled_from(["", "0", "00000", "G", "FFFF"]))
# Every command has these options, so they are no argument of it.
HELP = ("-h", "--help")
any_text = st.text(st.characters(), max_size=40).filter(lambda text: text not in HELP)
addresses = st.one_of(
    any_text,
    st.lists(octet, min_size=3, max_size=5).map(".".join),
    st.lists(group, min_size=2, max_size=9).map(":".join),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"IPv6:{address.exploded.upper()}"),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    st.tuples(st.ip_addresses().map(str), st.sampled_from([" ", "\n", "\0", "/32", "%eth0", ":25", "\u200b"])).map("".join),
)
numbers = st.one_of(
    any_text,
    st.integers(-5, 10**13).map(str),
    st.integers(0, 10**12).map("{:015}".format),
    st.text("0123456789", max_size=14),
    st.text("0123456789٣²eE.+-_ x", max_size=14),
    st.tuples(st.integers(0, 10**10).map(str), st.sampled_from([" ", "\n", "\0", "\r"])).map("".join),
)


class Commands:
    """A database of its own, and what a call of the command does to it."""

    def __init__(self, path):
        self.path = str(path)
        self.begin()

    def begin(self):
        """Put a database with two entries there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        database.change(self.path, edits.put({KNOWN: NOW, OLD: 5}))

    def state(self):
        status = os.stat(self.path)
        return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, Path(self.path).read_bytes()

    def run(self, *words):
        """Return the exit status, the output (bytes) and the error output of a call."""
        output, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = command.main(["--database", self.path, *words], "/nowhere")
        output.flush()
        return status, output.buffer.getvalue(), errors.getvalue()

    def entries(self):
        """Return bytes → bytes, as db5.3_dump shows them."""
        dump = subprocess.run(["db5.3_dump", "-p", self.path], capture_output=True, check=True).stdout
        lines = dump.partition(b"HEADER=END\n")[2].partition(b"DATA=END")[0].splitlines()
        assert all(line.startswith(b" ") for line in lines)
        return dict(zip((line[1:] for line in lines[::2]), (line[1:] for line in lines[1::2]), strict=True))

    def is_refusal(self, before, answer):
        """Tell whether the call was refused, and make sure that it was in order."""
        status, output, errors = answer
        if status not in (64, 65):
            return False
        assert output == b""
        assert errors.startswith("vsmtprelay: ")
        assert errors.endswith("\n")
        # splitlines() knows more ends of a line than a terminal does.
        assert len(errors.splitlines()) == 1
        assert self.state() == before
        assert os.listdir(os.path.dirname(self.path)) == [os.path.basename(self.path)]
        return True


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    return Commands(tmp_path_factory.mktemp("properties") / "relayers.db")


ORIGINAL = {KNOWN.encode(): b"%d" % NOW, OLD.encode(): b"5"}
few = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(address=addresses, ticks=numbers)
@example(address="10.0.0.3", ticks="0")
@example(address="10.0.0.3", ticks="007")
@example(address="10.0.0.3\0", ticks="7")
@example(address="\ud800", ticks="7")
@example(address="10.0.0.3\x85", ticks="7")
def test_any_address_with_any_ticks_is_stored_as_one_entry_or_refused(commands, address, ticks):
    commands.begin()
    before = commands.state()
    answer = commands.run("add", address, ticks)
    if commands.is_refusal(before, answer):
        return
    assert answer == (0, b"", "")
    (key,) = [key for key, value in commands.entries().items() if ORIGINAL.get(key) != value] or [KNOWN.encode()]
    assert commands.entries() == {**ORIGINAL, key: b"%d" % int(ticks)}
    assert all(33 <= byte < 127 for byte in key)
    # The stored key is itself an address, and means the same one.
    assert commands.run("delete", key.decode()) == (0, b"", "")
    assert key not in commands.entries()


@few
@given(address=addresses)
@example(address=KNOWN)
@example(address="\ud800")
def test_any_address_is_added_now_and_deleted_under_the_same_spelling_or_refused(commands, address):
    commands.begin()
    before = commands.state()
    earliest = int(time.time())
    answer = commands.run("add", address)
    if commands.is_refusal(before, answer):
        assert commands.is_refusal(before, commands.run("delete", address))
        return
    assert answer == (0, b"", "")
    new = {key: value for key, value in commands.entries().items() if ORIGINAL.get(key) != value}
    assert len(new) == 1
    assert earliest <= int(*new.values()) <= time.time()
    assert commands.run("delete", address) == (0, b"", "")
    assert commands.entries() == {key: value for key, value in ORIGINAL.items() if key not in new}
    status, output, errors = commands.run("delete", address)
    assert (status, output, errors.count("\n")) == (1, b"", 1)


@few
@given(minutes=numbers)
@example(minutes="0")
@example(minutes="9" * 12)
@example(minutes="0" * 12)
@example(minutes="-1")
def test_any_minutes_list_and_expire_the_same_entries_or_are_refused(commands, minutes):
    commands.begin()
    before = commands.state()
    answer = commands.run("list", minutes)
    if commands.is_refusal(before, answer):
        assert commands.is_refusal(before, commands.run("expire", minutes))
        return
    limit = int(time.time()) - 60 * int(minutes)
    old = {key: value for key, value in ORIGINAL.items() if int(value) <= limit}
    status, output, errors = answer
    listed = dict(line.split() for line in output.splitlines() if not line.startswith(b"#"))
    assert (status, listed, errors) == (0, old, "")
    assert commands.state() == before
    assert commands.run("expire", minutes) == (0, b"", "")
    assert commands.entries() == {key: value for key, value in ORIGINAL.items() if key not in old}


@few
@given(words=st.lists(st.one_of(any_text, st.sampled_from(["add", "list", "dump", "--all", "--", "-h"])), max_size=4))
def test_any_words_end_with_a_status_of_their_own_and_never_with_a_traceback(commands, words):
    commands.begin()
    answer = commands.run(*words)
    assert answer[0] in (0, 1, 64, 65, 66, 73)
    if answer[0] not in (0, 1):
        assert answer[1] == b""
        assert answer[2].count("\n") == 1 or answer[2] == usage.USAGE


names = st.one_of(
    st.sampled_from([f"10.0.0.{n}" for n in range(6)]), st.integers(0, 400).map(lambda n: f"10.1.{n >> 8}.{n & 255}")
)
times = st.integers(NOW - 600, NOW + 120)
steps = st.one_of(
    st.tuples(st.just("add"), st.dictionaries(names, times, max_size=5)),
    st.tuples(st.just("fill"), st.tuples(st.integers(0, 200), st.integers(0, 400), times)),
    st.tuples(st.just("delete"), st.lists(names, max_size=5)),
    st.tuples(st.just("clear"), st.tuples(st.integers(0, 200), st.integers(0, 400))),
    st.tuples(st.just("expire"), st.integers(0, 11)),
    st.tuples(st.just("record"), st.dictionaries(names, times, max_size=5)),
)


def numbered(first, count):
    return [f"10.1.{n >> 8}.{n & 255}" for n in range(first, first + count)]


def apply(model, step):
    """Do ``step`` to ``model``, a dict, and return the edit that should do the same to a database."""
    name, argument = step
    if name == "fill":
        name, argument = "add", dict.fromkeys(numbered(*argument[:2]), argument[2])
    if name == "clear":
        name, argument = "delete", numbered(*argument)
    if name == "add":
        model.update(argument)
        return edits.put(argument)
    if name == "record":
        model.update({key: max(value, model.get(key, value)) for key, value in argument.items()})
        return edits.record_logins(argument)
    if name == "delete":
        for key in argument:
            model.pop(key, None)
        return edits.delete(argument)
    for key in [key for key, value in model.items() if value <= NOW - 60 * argument]:
        del model[key]
    return edits.expire(argument, NOW)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=1, max_size=8))
def test_any_sequence_of_changes_does_to_a_database_what_it_does_to_a_dict(relayers_db, sequence):
    model = {}
    if relayers_db.exists:
        os.unlink(relayers_db.path)
    for step in sequence:
        before = dict(model)
        edit = apply(model, step)
        existed = relayers_db.exists
        changes = database.change(relayers_db.path, edit)
        assert bool(changes) == (model != before or not existed)
        with database.read(relayers_db.path) as snapshot:
            assert dict(snapshot.items()) == {key.encode(): b"%d" % value for key, value in model.items()}
        content = relayers_db.content
        assert berkeley_pages.fault_of(content, len(content)) is None
        assert not berkeley_pages.has_misplaced_keys(content)
    assert relayers_db.entries() == {key: str(value) for key, value in model.items()}
