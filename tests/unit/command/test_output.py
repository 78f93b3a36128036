# SPDX-License-Identifier: GPL-3.0-or-later
"""An output that is closed or full: what is done is done, and the exit status says so."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


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
    assert is_one_line(done.stderr)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written_is_an_input_output_error_too(shell, option):
    done = shell('"$@" > /dev/full', option)
    assert done.returncode == 74
    assert is_one_line(done.stderr)


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
