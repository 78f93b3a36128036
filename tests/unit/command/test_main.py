# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a whole: beside another one, how it starts, and what it has in common with the modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database

NOW = 1_700_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def test_two_commands_at_once_lose_nothing(relayers_db, child):
    def add(who):
        return [command.main(["--database", relayers_db.path, "add", f"10.0.{who}.{n}", "5"]) for n in range(30)]

    children = [child(lambda who=who: add(who)) for who in range(2)]
    assert [each.result() for each in children] == [[0] * 30] * 2
    assert len(relayers_db.entries()) == 60


def test_what_the_command_needs_at_start_takes_no_slow_imports():
    package = Path(command.__file__).parents[1]
    slow = {"re", "json", "argparse", "dataclasses", "typing", "ipaddress", "logging", "subprocess", "asyncio"}
    program = (
        "import importlib.util, sys, types; package = types.ModuleType('vsmtprelay'); "
        f"package.__path__ = [{str(package)!r}]; package.__version__ = '0'; sys.modules['vsmtprelay'] = package; "
        "import vsmtprelay.command.main; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & slow - {"typing", "re"} == set()


def test_the_lock_timeout_is_that_of_the_database_module_unless_given(run):
    assert f"(default {database.LOCK_SECONDS:g})" in run("--help")[1]


def test_a_command_changes_what_the_modules_see(run, relayers_db):
    run("--database", relayers_db.path, "add", A, 5)
    assert not database.change(relayers_db.path, edits.put({A: 5}), check_only=True)
