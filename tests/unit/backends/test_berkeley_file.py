# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash file: all entries are found and deleted, in whatever way they lie in its pages."""

from __future__ import annotations

import os
import sys

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import berkeley_binding
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends.berkeley_file import HashFile
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends.no_entries import NoEntries
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MissingBindingError, UnreadableError

# The byte 1 stands before each item of a page; \01 is how db5.3_load writes it.
KINDS = {
    "addresses": {f"10.0.{n >> 8}.{n & 255}": str(1000 + n) for n in range(3000)},
    "a key with the byte before an item": {"a\\01b": "5", "10.0.0.1": "6"},
    "items of nothing but that byte": {"\\01": "\\01\\01", "10.0.0.1": "6"},
    "empty items": {"": "5", "a": "", "10.0.0.1": "6"},
    "an item too large for a page": {"10.0.0.1": "9" * 9000, "x" * 9000: "5", "b": "6"},
    "both": {"10.0.0.1": "9" * 9000, "a\\01b": "5"},
    "no entry": {},
}


@pytest.fixture
def opened(relayers_db):
    """Return what opens the database in place, which is a file of the test's own."""
    descriptors = []

    def open_file(**options):
        descriptors.append(os.open(relayers_db.path, os.O_RDWR))
        return HashFile(descriptors[-1], relayers_db.path, **options)

    yield open_file
    for descriptor in descriptors:
        os.close(descriptor)


def as_text(item):
    return "".join(f"\\{byte:02x}" if byte < 32 else chr(byte) for byte in item)


@pytest.mark.parametrize("options", [[], ["-c", "chksum=1"], ["-c", "db_pagesize=512"], ["-c", "db_lorder=4321"]])
@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_is_found_once_and_deleted_when_it_is_chosen(relayers_db, opened, kind, options):
    relayers_db.fill(KINDS[kind], *options)
    with opened() as entries:
        found = [(as_text(key), as_text(value)) for key, value in entries.items()]
    assert sorted(found) == sorted(KINDS[kind].items())
    with opened(writable=True) as entries:
        entries.delete_where(
            lambda keys, values: [
                key for key, value in zip(keys, values, strict=True) if len(value) < 4 or value.endswith(b"1")
            ]
        )
    kept = {key: value for key, value in found if len(value.replace("\\01", "1")) >= 4 and not value.endswith("1")}
    assert relayers_db.entries() == kept


def test_of_a_key_with_several_values_those_are_deleted_that_were_chosen(relayers_db, opened):
    relayers_db.fill({"placeholder": "0"}, "-c", "duplicates=1")
    with opened(writable=True) as entries:
        entries.delete(b"placeholder")
    more = {f"10.0.0.{n}": "1" for n in range(50)}
    for value in ("5", "6", "7"):
        relayers_db.fill({"10.9.9.9": value})
    relayers_db.fill(more)
    with opened() as entries:
        assert len(list(entries.items())) == 53
    with opened(writable=True) as entries:
        entries.delete_where(
            lambda keys, values: [key for key, value in zip(keys, values, strict=True) if value in (b"1", b"6")]
        )
    with opened() as entries:
        assert sorted(entries.items()) == [(b"10.9.9.9", b"5"), (b"10.9.9.9", b"7")]


def test_entries_put_a_moment_ago_are_found(relayers_db, opened):
    relayers_db.fill({"10.0.0.1": "5"})
    with opened(writable=True) as entries:
        for number in range(2000):
            entries.put(b"10.1.%d.%d" % divmod(number, 256), b"6")
        assert len(list(entries.items())) == 2001
        entries.delete_where(lambda keys, values: [key for key, value in zip(keys, values, strict=True) if value == b"6"])
        assert list(entries.items()) == [(b"10.0.0.1", b"5")]


def test_a_key_that_is_not_there_cannot_be_taken_away(relayers_db, opened):
    relayers_db.fill({"10.0.0.1": "5"})
    with opened(writable=True) as entries:
        with pytest.raises(KeyError):
            entries.delete(b"10.0.0.2")
        assert entries.get(b"10.0.0.2") is None
    assert relayers_db.entries() == {"10.0.0.1": "5"}


def test_a_new_value_takes_the_place_of_all_that_a_key_had(relayers_db, opened):
    relayers_db.fill({"10.0.0.1": "5"}, "-c", "duplicates=1")
    relayers_db.fill({"10.0.0.1": "6"})
    with opened(writable=True) as entries:
        entries.put(b"10.0.0.1", b"7")
        entries.put(b"10.0.0.2", b"8")
    assert relayers_db.entries() == {"10.0.0.1": "7", "10.0.0.2": "8"}


def test_a_database_that_is_not_there_holds_nothing_whatever_is_put_there():
    entries = NoEntries()
    entries.put(b"10.0.0.1", b"5")
    entries.delete_where(lambda keys, _values: keys)
    assert entries.get(b"10.0.0.1") is None
    assert list(entries.items()) == []
    with pytest.raises(KeyError):
        entries.delete(b"10.0.0.1")


def test_what_libdb_finds_wrong_in_the_middle_of_the_work_names_the_file_and_the_remedy(relayers_db, opened, monkeypatch):
    relayers_db.fill({"10.0.0.1": "5"})
    with opened(writable=True) as entries:
        failing = Failing(entries._libdb.DBError)
        monkeypatch.setattr(entries, "_db", failing)
        for work in (
            lambda: entries.get(b"10.0.0.1"),
            lambda: entries.put(b"10.0.0.1", b"6"),
            lambda: entries.delete(b"10.0.0.1"),
            lambda: list(entries.items()),
            lambda: entries.delete_where(lambda keys, _values: keys),
        ):
            with pytest.raises(UnreadableError, match=r"relayers\.db: not a sound .*\(page 7: bad\).* repair can save"):
                work()
        monkeypatch.undo()
    assert relayers_db.entries() == {"10.0.0.1": "5"}


class Failing:
    """Stand in for libdb's handle of a file in which every operation finds damage that opening it did not show."""

    def __init__(self, error):
        self._error = error

    def get_flags(self):
        return 0

    def __getattr__(self, _operation):
        def fail(*_arguments, **_options):
            raise self._error(-30973, "page 7: bad")

        return fail


@pytest.fixture
def without_berkeleydb(monkeypatch, tmp_path):
    """Have no binding found but what lies in a directory of the test's; return that directory."""
    monkeypatch.setattr(berkeley_binding, "_BINDING", None)
    for name in ("berkeleydb", "bsddb3", "bsddb3._pybsddb"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "berkeleydb", None)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_without_a_binding_the_package_is_named(without_berkeleydb):
    with pytest.raises(MissingBindingError, match="install the distribution's package python3-bsddb3"):
        berkeley_binding.binding()


def test_of_the_distribution_s_binding_only_the_compiled_part_is_loaded(without_berkeleydb):
    package = without_berkeleydb / "bsddb3"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('loaded')\n")
    (package / "_pybsddb.py").write_text("DB_HASH = 2\n")
    assert berkeley_binding.binding().DB_HASH == 2
    assert "bsddb3" not in sys.modules
