# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of the hosts when a test of logins fails."""

from __future__ import annotations

from support import kept_journals


class Host:
    """Says which options its journal was asked for with."""

    def __init__(self, name):
        self.name = name

    def journal(self, *options):
        return f"{self.name}: {' '.join(options)}"


def test_the_journals_of_dovecot_and_of_the_recorder_are_kept_for_each_host(tmp_path):
    files = kept_journals.keep(
        [Host("one"), Host("two")], "tests/system/recorder/test_x.py::test_y[Dovecot 2.3]", 12.5, tmp_path
    )
    place = tmp_path / "tests-system-recorder-test_x.py-test_y-Dovecot-2.3"
    assert files == [place / "one.log", place / "two.log"]
    text = files[1].read_text()
    assert text.startswith("two: --since=@12.500000 ")
    assert "--unit=dovecot.service --unit=vsmtprelay-recorder.service" in text
    assert "--lines" not in text


def test_without_hosts_nothing_is_written(tmp_path):
    assert kept_journals.keep([], "a test", 0, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
