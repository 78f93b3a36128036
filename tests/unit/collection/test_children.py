# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are run get neither the terminal nor for ever; all of them are run by programs.py."""

from __future__ import annotations

import ast
import os
import pty
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import programs
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    BusyError,
    MalformedError,
    UnreadableError,
)

CHECKOUT = Path(__file__).parents[3]
HELPER = CHECKOUT / "plugins/module_utils/_vsmtprelay/programs.py"
PYTHON = sorted(
    {
        *(CHECKOUT / "plugins").rglob("*.py"),
        *(file for file in (CHECKOUT / "roles").glob("*/files/*") if file.read_bytes().startswith(b"#!/usr/bin/python3")),
    }
    - {HELPER}
)
# It runs no program in its child, which reads one file and ends by alarm().
READER = CHECKOUT / "plugins/module_utils/_vsmtprelay/command/import_berkeley_db.py"
YAML = sorted(file for top in ("roles", "playbooks") for file in (CHECKOUT / top).rglob("*.yml"))

# What starts a program: by the name of the module, or of the function or method.
MODULES = {"subprocess", "pty", "pexpect", "multiprocessing"}
FUNCTIONS = re.compile(r"run_command|popen|system|(posix_)?spawn\w*|exec[lv]p?e?|fork(pty)?|(create_)?subprocess_\w+|startfile")
# Of Ansible, on the target: run whatever the user says, and wait for it.
TASKS = {"command", "shell", "raw", "script", "expect"}


def ways_around(tree):
    """Yield where Python code starts a program without the helper."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, name) for name in named if name.partition(".")[0] in MODULES)
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if FUNCTIONS.fullmatch(name):
                yield node.lineno, f"{name}()"


def tasks_that_run(node):
    """Yield the modules of tasks, and the lookups, that run a program."""
    if isinstance(node, dict):
        for name, value in node.items():
            if str(name).rpartition(".")[2] in TASKS and isinstance(value, (str, dict)):
                yield name
            yield from tasks_that_run(value)
    elif isinstance(node, list):
        for value in node:
            yield from tasks_that_run(value)
    elif isinstance(node, str) and re.search(r"(lookup|query|q)\(\s*['\"](ansible\.builtin\.)?(pipe|lines)['\"]", node):
        yield node


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_code_starts_a_program_but_by_the_helper(file):
    text = file.read_text(encoding="utf-8")
    found = [name for _line, name in ways_around(ast.parse(text))]
    if file == READER:
        assert "alarm(READ_SECONDS)" in text
        found.remove("fork()")
    assert found == []


@pytest.mark.parametrize("file", YAML, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_task_and_no_lookup_starts_a_program(file):
    assert list(tasks_that_run(yaml.safe_load(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "module.run_command(['ls'])",
        "import subprocess",
        "from subprocess import run",
        "os.execvp('ls', [])",
        "os.posix_spawn('ls', [], {})",
        "asyncio.create_subprocess_exec('ls')",
        "loop.subprocess_exec(protocol, 'ls')",
        "os.popen('ls')",
    ],
)
def test_a_way_around_the_helper_would_be_found(code):
    assert list(ways_around(ast.parse(code)))


@pytest.mark.parametrize(
    "task",
    [
        {"ansible.builtin.command": {"argv": ["ls"]}},
        {"command": "ls"},
        {"vars": {"x": "{{ lookup('pipe', 'id -un') }}"}},
    ],
    ids=str,
)
def test_a_task_that_starts_a_program_would_be_found(task):
    assert list(tasks_that_run([{"name": "Do it", **task}]))


def with_a_terminal(work):
    """Do ``work`` in a process whose terminal nobody types at; return what it wrote there, or fail after some seconds."""
    child, terminal = pty.fork()
    if child == 0:
        status = 1
        try:
            status = work()
        finally:
            os._exit(status)
    written, end = b"", time.monotonic() + 20
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, written
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(terminal)
    raise AssertionError("it waits at the terminal")


@pytest.mark.parametrize("script", ["cat", "read line < /dev/tty; test $? -ne 0"])
def test_a_program_that_reads_does_not_wait_at_the_terminal_of_its_parent(script):
    with_a_terminal(lambda: programs.run(["sh", "-c", script], 10).status)


def test_a_program_gets_what_it_is_given_and_nothing_else():
    assert programs.run(["cat"], 10, b"given").output == b"given"
    assert programs.run(["cat"], 10).output == b""


def test_a_program_that_does_not_end_is_killed_with_its_children_and_named(tmp_path):
    noted = tmp_path / "child"
    began = time.monotonic()
    with pytest.raises(BusyError, match=r"did not end within 0\.5 seconds"):
        programs.run(["sh", "-c", f"sleep 300 & echo $! > {noted}; wait"], 0.5)
    assert time.monotonic() - began < 60
    child = int(noted.read_text())
    end = time.monotonic() + 10
    # It is the child of whoever takes up orphans, who may not have looked after it yet.
    while Path(f"/proc/{child}").exists() and "State:\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_limit_for_the_output_changes_nothing_below_it():
    data = bytes(range(256)) * 4096
    ended = programs.run(["sh", "-c", "cat; echo err >&2; exit 3"], 60, data, most=len(data) + 4)
    assert (ended.status, ended.output, ended.errors) == (3, data, b"err\n")
    assert programs.run(["true"], 60, data, most=0).status == 0
    assert programs.run(["cat"], 60, most=0).output == b""


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_program_that_prints_without_end_is_killed_and_named(stream):
    with pytest.raises(MalformedError, match=r"^sh -c yes >&.: printed more than 100000 bytes$"):
        programs.run(["sh", "-c", f"yes >&{stream}"], 60, most=100_000)


@pytest.mark.parametrize("script", ["sleep 300", "exec >&- 2>&-; sleep 300"])
def test_a_limit_for_the_output_leaves_the_deadline(script):
    with pytest.raises(BusyError, match=r"did not end within 0\.5 seconds"):
        programs.run(["sh", "-c", script], 0.5, most=100)


def test_a_program_that_is_not_there_is_named_with_the_remedy():
    for call in (lambda: programs.run(["no-such-program"], 10), lambda: programs.start(["no-such-program"])):
        with pytest.raises(UnreadableError, match=r"no-such-program: cannot be run: .*; install it"):
            call()


def test_a_program_finds_those_for_administrators_whatever_the_path_is(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/home/alice/bin")
    path = programs.run(["sh", "-c", "echo $PATH"], 10).text.strip().split(":")
    assert path[:3] == ["/usr/bin", "/bin", "/home/alice/bin"]
    assert {"/usr/sbin", "/sbin", "/usr/local/sbin"} < set(path)


def test_what_a_program_has_against_something_is_told_even_if_it_says_nothing():
    cases = {"echo out; echo err >&2; exit 3": "err", "echo out; exit 3": "out", "exit 3": "exit status 3"}
    for script, complaint in cases.items():
        assert programs.run(["sh", "-c", script], 10).complaint == complaint


def test_what_is_started_outlives_the_session_of_its_parent(tmp_path):
    noted = tmp_path / "session"
    programs.start([sys.executable, "-c", f"import os; open({str(noted)!r}, 'w').write(str(os.getsid(0) == os.getpid()))"])
    end = time.monotonic() + 20
    while not (noted.exists() and noted.read_text()):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert noted.read_text() == "True"
