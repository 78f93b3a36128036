# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test with every ansible-core that the interpreters of this machine allow."""

from __future__ import annotations

from . import ansible_test, environments, interpreters
from .errors import GateError
from .places import BUILD

# ansible-core, and a Python that it runs on.
CORES = (("2.18", "3.11"), ("2.19", "3.11"), ("2.20", "3.12"), ("2.20", "3.13"), ("2.21", "3.12"), ("2.21", "3.13"))


def run_all() -> None:
    """Run all of them, say which are left out, and raise GateError if one of them failed."""
    failed = []
    for core, version in CORES:
        interpreter = interpreters.find(version)
        if interpreter is None:
            print(f"ansible-core {core} on Python {version}: left out, there is no python{version} here")
            continue
        try:
            packages = [f"ansible-core=={core}.*", "--requirement", environments.REQUIREMENTS]
            directory = BUILD / "matrix" / f"core-{core}-python-{version}"
            ansible_test.run_all(environments.make(directory, interpreter, packages), interpreters.ALL)
        except GateError as error:
            print(error)
            failed.append(f"ansible-core {core} on Python {version}")
    if failed:
        raise GateError(f"failed with {', '.join(failed)}")
