# SPDX-License-Identifier: GPL-3.0-or-later
"""How bash completes the words of vsmtprelay: what the program takes is offered, where it takes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import (
    commands,
    import_command,
    import_sources,
    metrics_command,
    usage,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import TABLE, VirtualServers

FILE = Path(__file__).parents[3] / "roles/pop_before_smtp/files/vsmtprelay.bash-completion"
# The package bash-completion has helpers, which have to be neither needed nor in the way.
HELPERS = Path("/usr/share/bash-completion/bash_completion")
PROGRAM = """
source "$1"; table=$2; shift 2
source {file}
_vsmtprelay_table=$table
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_vsmtprelay vsmtprelay "${{@: -1}}" "${{@: -2:1}}" || exit
[ ${{#COMPREPLY[@]}} = 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# All that the program says that it takes.
BEFORE_COMMANDS = usage.MORE.partition("Options, before the command:")[2]
ALL_OPTIONS = {*re.findall(r"--[a-z-]+", BEFORE_COMMANDS), *usage.TEXTS, *command.OPTIONS_WITH_VALUE}
OWN_OPTIONS = {"--expires-after", "--value", "--skip-malformed", commands.AS_JSON}
HELP = set(usage.HELP_OPTIONS)


@pytest.fixture(params=["/dev/null", *([str(HELPERS)] if HELPERS.exists() else [])])
def offered(request, tmp_path):
    """Return what tells the words that are offered in the place of the last one, in a directory with some files."""
    table = tmp_path / "etc" / "virtual_servers"
    table.parent.mkdir()
    servers = [{"name": name, "root": f"/srv/{name}", "domains": [f"{name}.org"]} for name in ("alpha", "alps", "beta")]
    table.write_text(f"# a comment\t\n\n{VirtualServers.from_list(servers).table()}", encoding="utf-8")
    files = tmp_path / "files"
    (files / "old").mkdir(parents=True)
    for name in ("old.db", "other $(touch ran).db", "--value"):
        (files / name).touch()
    program = PROGRAM.format(file=FILE)

    def offered(*words, setting="", table=table):
        bash = [shutil.which("bash"), "--norc", "-c", f"{setting}\n{program}", "bash", request.param, str(table)]
        environment = {"PATH": os.environ["PATH"]}
        done = subprocess.run(
            [*bash, "vsmtprelay", *words], cwd=files, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        assert sorted(os.listdir(files)) == ["--value", "old", "old.db", "other $(touch ran).db"]
        return set(done.stdout.splitlines())

    return offered


def test_every_command_is_offered(offered):
    assert offered("") == set(commands.COMMANDS)
    assert offered("--all", "") == set(commands.COMMANDS)
    assert offered("--", "") == set(commands.COMMANDS)


def test_every_option_is_offered(offered):
    assert {"--all", "--lock-timeout", "--version", "-h"} <= ALL_OPTIONS
    assert offered("-") == ALL_OPTIONS
    assert offered("--lock-timeout", "5", "-") == ALL_OPTIONS


def test_every_option_of_import_is_offered_and_the_standard_input(offered):
    taken = {option for action in import_command.parser()._actions for option in action.option_strings}
    assert taken == OWN_OPTIONS
    assert offered("import", "-") == taken | HELP | {import_sources.STANDARD_INPUT}


@pytest.mark.parametrize("name", sorted(set(commands.COMMANDS) - {"import"}))
def test_each_command_offers_its_help_and_nothing_that_would_take_long_to_find(offered, name):
    own = {"delete": {commands.ONLY_HERE}, "metrics": {metrics_command.OUTPUT}}.get(name, set()) | (
        {commands.AS_JSON} if name in commands.WITH_JSON else set()
    )
    assert offered(name, "-") == HELP | own
    assert offered(name, "--", "-") == set()
    assert offered(name, "") == set()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["ad"], {"add"}),
        (["l"], {"list"}),
        (["re"], {"repair"}),
        (["--all", "st"], {"status"}),
        (["list", "60", "--j"], {"--json"}),
        (["list", "--", "--j"], set()),
        (["add", "--j"], set()),
        (["x"], set()),
        (["--s"], {"--server"}),
        (["--", "--s"], set()),
        # They exclude each other.
        (["--all", "--"], {"--lock-timeout", "--help", "--version"}),
        (["--server=alpha", "--"], {"--lock-timeout", "--help", "--version"}),
        (["--database", "old.db", "--da"], set()),
        # Values: files, names, and numbers that nobody can guess.
        (["--server", ""], {"alpha", "alps", "beta"}),
        (["--server", "al"], {"alpha", "alps"}),
        (["--server", "=", "al"], {"alpha", "alps"}),
        (["--server", "="], {"alpha", "alps", "beta"}),
        (["--server=al"], {"--server=alpha", "--server=alps"}),
        (["--server", "alpha", "du"], {"dump"}),
        (["--server", "=", "alpha", "du"], {"dump"}),
        (["--server", "import", "-"], ALL_OPTIONS - {"--server", "--database", "--all"}),
        (["--database", "ol"], {"old", "old.db"}),
        (["--database", "=", "ol"], {"old", "old.db"}),
        (["--database=ol"], {"--database=old", "--database=old.db"}),
        (["--database", "other\\ $"], {"other $(touch ran).db"}),
        (["--database", "'other "], {"other $(touch ran).db"}),
        (["--database", "x"], set()),
        (["--lock-timeout", ""], set()),
        (["metrics", "--output", "ol"], {"old", "old.db"}),
        (["metrics", "--output", "=", "ol"], {"old", "old.db"}),
        (["import", "o"], {"old", "old.db", "other $(touch ran).db"}),
        (["import", "old.db", "o"], {"old", "old.db", "other $(touch ran).db"}),
        (["import", "--"], OWN_OPTIONS | {"--help"}),
        (["import", "--", "--v"], {"--value"}),
        (["import", "--value", ""], set()),
        (["import", "--value", "=", "old"], set()),
        (["import", "--expires-after", "30", "old."], {"old.db"}),
        (["import", "--database", "=", "x", "--sk"], {"--skip-malformed"}),
        (["import", "--database=o"], set()),
    ],
)
def test_what_fits_is_offered_where_it_may_stand(offered, words, wanted):
    assert offered(*words) == wanted


@pytest.mark.parametrize("setting", ["set -u", "shopt -s nullglob failglob extglob nocasematch", "IFS=-:"])
def test_the_settings_of_the_shell_make_no_difference(offered, setting):
    assert offered("--server", "al", setting=setting) == {"alpha", "alps"}
    assert offered("-", setting=setting) == ALL_OPTIONS
    assert offered("import", "ol", setting=setting) == {"old", "old.db"}


def test_a_table_that_is_not_there_offers_no_names(offered):
    assert offered("--server", "", table="/nowhere") == set()


def test_the_table_is_the_program_s():
    assert f"\n_vsmtprelay_table={TABLE}\n" in FILE.read_text(encoding="utf-8")


def test_it_is_for_vsmtprelay():
    done = subprocess.run(
        ["bash", "--norc", "-c", f"source {FILE} && complete -p vsmtprelay"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "complete -F _vsmtprelay vsmtprelay\n"
