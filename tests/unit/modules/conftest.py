# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as Ansible runs them: arguments in, JSON out, the same in check mode, and nothing written there."""

from __future__ import annotations

import importlib
import json
import os
import time
from unittest import mock

import pytest
from ansible.module_utils import basic

from ansible_collections.vsmtp.relay.dev.support.sample_entries import NOW

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core 2.18

    def patch_module_args(arguments):
        content = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        return mock.patch.object(basic, "_ANSIBLE_ARGS", content)


MODULES = "ansible_collections.vsmtp.relay.plugins.modules"


@pytest.fixture
def run(capfd):
    """Return what runs a module and returns its result."""

    def run(name, check=False, **arguments):
        module = importlib.import_module(f"{MODULES}.{name}")
        parameters = {"_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        with patch_module_args(parameters), pytest.raises(SystemExit) as end:
            module.main()
        result = json.loads(capfd.readouterr().out.splitlines()[-1])
        result.pop("invocation", None)
        assert bool(result.get("failed")) == (end.value.code != 0)
        return result

    return run


@pytest.fixture
def at(monkeypatch):
    """Stop the clock at NOW."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))


@pytest.fixture
def check_then_run(run, tmp_path):
    """Return what runs a module in check mode, for real, and again, and returns the one result of the first two."""

    def files():
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in tmp_path.rglob("*") if path.is_file()}

    def check_then_run(name, **arguments):
        before = files()
        announced = run(name, check=True, **arguments)
        assert files() == before
        done = run(name, **arguments)
        assert done == announced
        after = files()
        again = run(name, **arguments)
        assert not again["changed"]
        assert files() == after
        return done

    return check_then_run


@pytest.fixture
def sendmail_says(tmp_path, monkeypatch):
    """Put a program called sendmail on the PATH that says something and ends with a status."""

    def install(status, message="", text=""):
        directory = tmp_path / "programs"
        directory.mkdir()
        program = directory / "sendmail"
        program.write_text(text or f'#!/bin/sh\necho "${{1#-C}}: {message}" >&2\nexit {status}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
        if any(os.path.exists(path) for path in ("/usr/sbin/sendmail", "/usr/lib/sendmail")):
            pytest.skip("this host has a sendmail, which the module finds first")

    return install
