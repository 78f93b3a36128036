# SPDX-License-Identifier: GPL-3.0-or-later
"""What users, clients and inventories write never becomes a part of a shell's command line; secrets are not logged."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[3]
PYTHON = sorted(
    {
        *(CHECKOUT / "plugins").rglob("*.py"),
        *(file for file in (CHECKOUT / "roles").glob("*/files/*") if file.read_bytes().startswith(b"#!/usr/bin/python3")),
    }
)
YAML = sorted(file for top in ("roles", "playbooks") for file in (CHECKOUT / top).rglob("*.yml"))
TEMPLATES = sorted(file for top in ("roles", "plugins") for file in (CHECKOUT / top).rglob("*.j2"))

# Where a shell is run nevertheless, and why it is no danger: file → part of the line, reason.
ALLOWED = {
    "roles/pop_before_smtp/vars/main.yml": (
        "mktemp {{ pop_before_smtp__dovecot_main }}",
        "joins Dovecot's configuration and the new file, whose path comes as $0; the variable is a constant of this very file",
    ),
}

# Functions that give a string to a shell whatever their arguments are.
SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell", "subprocess_shell"}
RUNNERS = {"run", "Popen", "call", "check_call", "check_output", "run_command", "create_subprocess_exec", "execv", "execvp"}
SHELL_NAMES = ("sh", "bash", "dash", "/bin/sh", "/bin/bash")
SHELL_MODULES = {"shell", "raw", "script", "expect"}
SECRET = re.compile(r"secret|password|passwd|token|(^|_)key(_|$)")


def shell_calls(tree):
    """Yield what is wrong with the calls in Python code: a shell, or a command line that is put together as text."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in SHELLS:
            yield call.lineno, f"{name}()"
        for keyword in call.keywords:
            if keyword.arg in ("shell", "use_unsafe_shell") and getattr(keyword.value, "value", True) is not False:
                yield call.lineno, keyword.arg
        if name in RUNNERS and call.args:
            command = call.args[0]
            if is_text(command):
                yield call.lineno, "a command line as text"
            if isinstance(command, ast.List) and command.elts and getattr(command.elts[0], "value", "") in SHELL_NAMES:
                yield call.lineno, "a shell"


def is_text(node):
    if isinstance(node, ast.BinOp):
        return is_text(node.left) or is_text(node.right)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join") and is_text(node.func.value)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def shell_tasks(node):
    """Yield what is wrong in tasks and variables: modules that are a shell, commands that are text, and shells in lists."""
    if isinstance(node, dict):
        for name, value in node.items():
            module = str(name).rpartition(".")[2]
            if module in SHELL_MODULES and not isinstance(value, bool) and ("." in str(name) or isinstance(value, (str, dict))):
                yield f"{name}: {value}"
            if module == "command" and not (isinstance(value, dict) and isinstance(value.get("argv"), list)):
                yield f"{name}: {value}"
            yield from shell_tasks(value)
    elif isinstance(node, list):
        if node and node[0] in SHELL_NAMES:
            yield " ".join(map(str, node))
        for value in node:
            yield from shell_tasks(value)
    elif isinstance(node, str) and re.search(r"(lookup|query|q)\(\s*['\"](ansible\.builtin\.)?(pipe|lines)['\"]", node):
        yield node


def allowed(file, found):
    part, _reason = ALLOWED.get(str(file.relative_to(CHECKOUT)), (None, ""))
    return part is not None and part in found


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_python_code_runs_a_shell(file):
    assert list(shell_calls(ast.parse(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("file", YAML, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_task_runs_a_shell(file):
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert [found for found in shell_tasks(content) if not allowed(file, found)] == []


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_no_template_writes_a_line_for_a_shell_with_more_than_numbers_in_it(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"\b(sh|bash)\s+-\w*c\b", text)
    if file.name == "cron.j2":  # cron gives the lines of its tables to a shell
        options = yaml.safe_load((CHECKOUT / "roles/pop_before_smtp/meta/argument_specs.yml").read_text(encoding="utf-8"))
        types = options["argument_specs"]["main"]["options"]
        names = re.findall(r"{{ pop_before_smtp__role[.](\w+) }}", text)
        assert len(names) == text.count("{{") == 3
        assert {types[f"pop_before_smtp_{name}"]["type"] for name in names} == {"int"}


@pytest.mark.parametrize(("name", "part", "reason"), [(name, *rest) for name, rest in ALLOWED.items()])
def test_what_is_allowed_is_there_and_its_reason_holds(name, part, reason):
    content = (CHECKOUT / name).read_text(encoding="utf-8")
    assert part in content
    assert reason
    constants = yaml.safe_load(content)
    for variable in re.findall(r"{{ (\w+)", part):
        assert "{{" not in constants[variable]


BAD_PYTHON = [
    "os.system(name)",
    "subprocess.run(command, shell=True)",
    "subprocess.run(command, shell=wanted)",
    "module.run_command(command, use_unsafe_shell=True)",
    "module.run_command('rm ' + path)",
    "module.run_command(f'rm {path}')",
    "module.run_command('rm {}'.format(path))",
    "module.run_command('rm %s' % path)",
    "module.run_command(' '.join(words))",
    "subprocess.Popen(['sh', '-c', text])",
    "os.popen(text)",
    "asyncio.create_subprocess_shell(text)",
]
BAD_TASKS = [
    {"ansible.builtin.shell": "rm {{ path }}"},
    {"shell": "rm {{ path }}"},
    {"ansible.builtin.raw": "true"},
    {"ansible.builtin.command": "rm {{ path }}"},
    {"ansible.builtin.command": {"cmd": "rm {{ path }}"}},
    {"ansible.builtin.command": {"argv": ["sh", "-c", "rm {{ path }}"]}},
    {"validate": ["sh", "-ec", "cat {{ path }}"]},
    {"vars": {"x": "{{ lookup('ansible.builtin.pipe', 'id ' ~ user) }}"}},
]


@pytest.mark.parametrize("code", BAD_PYTHON)
def test_a_shell_in_python_code_would_be_found(code):
    assert list(shell_calls(ast.parse(code)))


@pytest.mark.parametrize("task", BAD_TASKS, ids=str)
def test_a_shell_in_a_task_would_be_found(task):
    assert list(shell_tasks([{"name": "Do it", **task}]))


def options_of(tree):
    """Yield name and definition (keywords of dict()) of each option that a module declares."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict"):
        for keyword in call.keywords:
            value = keyword.value
            if keyword.arg and isinstance(value, ast.Call) and getattr(value.func, "id", "") == "dict":
                fields = {inner.arg: getattr(inner.value, "value", None) for inner in value.keywords}
                if "type" in fields:
                    yield keyword.arg, fields


@pytest.mark.parametrize("file", sorted((CHECKOUT / "plugins/modules").glob("*.py")), ids=lambda file: file.stem)
def test_an_option_that_could_be_a_secret_says_whether_it_is_logged(file):
    for name, fields in options_of(ast.parse(file.read_text(encoding="utf-8"))):
        if SECRET.search(name):
            assert "no_log" in fields, name
            # A flag is no secret, whatever its name is.
            assert fields["no_log"] is True or fields["type"] == "bool", name


def test_options_are_found():
    modules = [ast.parse(file.read_text(encoding="utf-8")) for file in (CHECKOUT / "plugins/modules").glob("*.py")]
    assert {"secret", "path", "window"} <= {name for module in modules for name, _fields in options_of(module)}


def test_no_variable_of_the_role_is_a_secret():
    # The recorder's secret is made on the host and stays there; nobody has to put one into an inventory.
    options = yaml.safe_load((CHECKOUT / "roles/pop_before_smtp/meta/argument_specs.yml").read_text(encoding="utf-8"))
    assert not [name for name in options["argument_specs"]["main"]["options"] if SECRET.search(name)]
