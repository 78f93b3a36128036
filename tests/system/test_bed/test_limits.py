# SPDX-License-Identifier: GPL-3.0-or-later
"""What the test bed says about the limits of the host."""

from __future__ import annotations

import ctypes
import os

from guests import inotify, memory

LIBC = ctypes.CDLL(None, use_errno=True)


def test_inotify_instances_of_root_are_counted():
    # Others start and end guests meanwhile: those of this process alone are counted.
    before = inotify.in_use_by(os.getpid())
    descriptors = [LIBC.inotify_init() for _ in range(3)]
    try:
        assert inotify.in_use_by(os.getpid()) == before + 3
        assert inotify.in_use() >= before + 3
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_the_host_says_how_many_instances_it_allows():
    assert inotify.limit() > 0


def test_more_guests_than_instances_allow_are_worth_one_line(monkeypatch):
    monkeypatch.setattr(inotify, "limit", lambda: 128)
    monkeypatch.setattr(inotify, "in_use", lambda: 30)
    assert inotify.warning(15) is None
    line = inotify.warning(16)
    assert "16 more guests need about 104 inotify instances, and root has 30 of 128" in line
    assert "sysctl fs.inotify.max_user_instances=512" in line
    assert "\n" not in line


def test_no_line_is_worth_nothing_where_the_host_does_not_say(monkeypatch):
    monkeypatch.setattr(inotify, "limit", lambda: None)
    assert inotify.warning(1000) is None


def test_memory_kills_are_read_from_the_kernels_counters(tmp_path, monkeypatch):
    group = tmp_path / "group"
    group.mkdir()
    monkeypatch.setattr(memory.cgroup, "directories", lambda _: [tmp_path / "another hierarchy", group])
    assert memory.kills_in_group("group") is None
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\noom_group_kill 0\n")
    assert memory.kills_in_group("group") == 2
    assert memory.kills_on_host() >= 0
