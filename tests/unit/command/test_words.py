# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the command: what is understood, its help, and what is refused in one line."""

from __future__ import annotations

import re

import pytest

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import __version__
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import commands

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

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


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
    assert is_one_line(errors)


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
def test_words_that_are_not_understood_are_a_usage_error_in_is_one_line(run, words):
    status, output, errors = run(*words)
    assert (status, output) == (64, "")
    assert is_one_line(errors)


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
    assert is_one_line(errors)
    assert file_state(relayers_db.path) == before


def test_a_malformed_address_creates_no_database(run, relayers_db):
    assert run("--database", relayers_db.path, "add", "x")[0] == 65
    assert not relayers_db.exists
