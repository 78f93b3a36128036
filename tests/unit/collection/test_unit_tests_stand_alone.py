# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit tests run under ansible-test, to which dev/ is no place of packages: no guests, no lab."""

import ast
import sys

import pytest

from ansible_collections.vsmtp.relay.dev.support.places import CHECKOUT

DEV = "ansible_collections.vsmtp.relay.dev."
PACKAGES_OF_DEV = {path.parent.name for path in (CHECKOUT / "dev").glob("*/__init__.py")}


def imported_by(file):
    """Yield the full names of the modules that ``file``, relative to the checkout, imports."""
    package = ".".join(("ansible_collections.vsmtp.relay", *file.parent.parts))
    for node in ast.walk(ast.parse((CHECKOUT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            module = f"{above}{node.module or ''}".rstrip(".")
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def helpers():
    """Return the files below dev/ that the unit tests import, directly or by way of others."""
    found = set()
    waiting = [path.relative_to(CHECKOUT) for path in (CHECKOUT / "tests" / "unit").rglob("*.py")]
    while waiting:
        for name in imported_by(waiting.pop()):
            file = CHECKOUT / "dev" / (name.removeprefix(DEV).replace(".", "/") + ".py")
            if name.startswith(DEV) and file.is_file() and file.relative_to(CHECKOUT) not in found:
                found.add(file.relative_to(CHECKOUT))
                waiting.append(file.relative_to(CHECKOUT))
    return sorted(found)


@pytest.mark.parametrize("helper", helpers(), ids=str)
def test_what_unit_tests_import_imports_no_package_of_dev_by_its_short_name(helper):
    firsts = {name.partition(".")[0] for name in imported_by(helper)}
    assert not firsts & PACKAGES_OF_DEV
    assert PACKAGES_OF_DEV
    assert firsts <= {"ansible_collections", "pytest", "berkeleydb", "yaml", *sys.stdlib_module_names}
