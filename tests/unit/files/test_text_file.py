# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files: read, and replaced as a whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    MalformedError,
    UnreadableError,
    UnwritableError,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file

MINE = text_file.Attributes(os.geteuid(), os.getegid(), 0o640)


def test_a_file_is_read_as_bytes_and_a_missing_one_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff\r\n\0")
    assert text_file.read(str(tmp_path / "file")) == b"\xff\r\n\0"
    assert text_file.read(str(tmp_path / "missing")) is None
    assert text_file.attributes_of(str(tmp_path / "missing")) is None


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UnreadableError, match=str(tmp_path)):
        text_file.read(str(tmp_path))


def test_who_may_not_read_is_told_so(public_directory, as_nobody):
    path = public_directory / "file"
    path.touch(mode=0o600)
    with pytest.raises(UnreadableError, match="Permission denied"):
        as_nobody(lambda: text_file.read(str(path)))


def test_a_file_is_replaced_with_its_attributes_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    inode = path.stat().st_ino
    text_file.replace(str(path), b"new", MINE)
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != inode
    assert text_file.attributes_of(str(path)) == MINE
    assert os.listdir(tmp_path) == ["file"]


@needs_root
def test_owner_and_group_are_set(tmp_path):
    wanted = text_file.Attributes(1234, 5678, 0o604)
    text_file.replace(str(tmp_path / "file"), b"", wanted)
    assert text_file.attributes_of(str(tmp_path / "file")) == wanted


def test_a_secret_is_never_readable_by_others_on_its_way(tmp_path):
    seen = []
    path = tmp_path / "file"
    text_file.replace(
        str(path),
        b"secret",
        text_file.Attributes(os.geteuid(), os.getegid(), 0o600),
        lambda temporary: seen.append(stat.S_IMODE(os.stat(temporary).st_mode)),
    )
    assert seen == [0o600]


def test_a_check_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def check(temporary):
        with open(temporary, "rb") as file:
            assert file.read() == b"new"
        raise MalformedError("no good")

    with pytest.raises(MalformedError, match="no good"):
        text_file.replace(str(path), b"new", MINE, check)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_symbolic_links_are_followed(tmp_path):
    (tmp_path / "link").symlink_to("file")
    text_file.replace(str(tmp_path / "link"), b"new", MINE)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_what_a_killed_writer_left_is_gone_with_the_next_write(tmp_path):
    (tmp_path / ".file.vsmtprelay").write_bytes(b"half of it")
    text_file.replace(str(tmp_path / "file"), b"all of it", MINE)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".file.vsmtprelay").symlink_to(tmp_path / "precious")
    text_file.replace(str(tmp_path / "file"), b"new", MINE)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_missing_directory_is_unwritable(tmp_path):
    with pytest.raises(UnwritableError, match="the old file is untouched"):
        text_file.replace(str(tmp_path / "missing" / "file"), b"", MINE)


def test_a_full_disk_keeps_the_old_file(small_disk):
    path = small_disk / "file"
    path.write_bytes(b"old")
    with pytest.raises(UnwritableError, match="No space left"):
        text_file.replace(str(path), b"x" * 200_000, MINE)
    assert path.read_bytes() == b"old"
    assert os.listdir(small_disk) == ["file"]


def test_who_may_not_write_is_told_so(public_directory, as_nobody):
    path = str(public_directory / "file")
    with pytest.raises(UnwritableError, match="Permission denied"):
        as_nobody(lambda: text_file.replace(path, b"", text_file.Attributes(65534, 65534, 0o644)))
    with pytest.raises(UnwritableError, match="Permission denied"):
        as_nobody(lambda: text_file.create_directory(f"{public_directory}/a/b"))


def test_removal_of_what_is_not_there_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    text_file.remove(str(tmp_path / "file"))
    text_file.remove(str(tmp_path / "file"))
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_removed_is_named(tmp_path):
    with pytest.raises(UnwritableError, match=str(tmp_path)):
        text_file.remove(str(tmp_path))


def test_directories_are_created_where_they_are_missing(tmp_path):
    path = str(tmp_path / "a" / "b")
    text_file.create_directory(path)
    text_file.create_directory(path)
    assert os.path.isdir(path)


@pytest.mark.parametrize("mask", [0o077, 0o002])
def test_new_directories_have_mode_0755_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        text_file.create_directory(str(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")]
    assert modes == [0o755, 0o755]


def test_attributes_are_told_by_name():
    assert str(text_file.Attributes.named("root", "daemon", "0640")) == "owner root, group daemon, mode 0640"
    assert str(text_file.Attributes(4_000_000, 4_000_001, 0o4755)) == "owner 4000000, group 4000001, mode 4755"


@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [("nobody at all", "root", "0644"), ("root", "no group", "0644"), ("root", "root", "u=rw"), ("root", "root", "0689")],
)
def test_attributes_that_there_are_not_are_malformed(owner, group, mode):
    with pytest.raises(MalformedError):
        text_file.Attributes.named(owner, group, mode)


@pytest.mark.parametrize("mode", ["-1", "77777", "6_4_4", "0o644", ""])
def test_a_mode_is_made_of_three_or_four_octal_digits(mode):
    with pytest.raises(MalformedError):
        text_file.Attributes.named("root", "root", mode)
