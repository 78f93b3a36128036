# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity and ansible-test units with the ansible-core of an environment."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

from . import copy_of_collection, interpreters
from .errors import GateError
from .places import GATES
from .runner import environment_of_a_stranger, run

# A home of its own: ansible-test keeps its environments there, and the script below.
HOME = GATES / "home"

# ansible-test fetches a script of this name from its makers' host and runs it in each environment that it makes for itself,
# to get pip there. This one does the same with the pip that Python brings along, and with the package index.
BOOTSTRAP = """\
import subprocess
import sys

packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
subprocess.run([sys.executable, "-m", "pip", "install", *packages], check=True)
"""

# Prints which versions of pip ansible-test asks for.
VERSIONS_OF_PIP = """
import json, types
from ansible_test._internal.constants import SUPPORTED_PYTHON_VERSIONS
from ansible_test._internal.python_requirements import get_venv_packages
print(json.dumps(sorted({get_venv_packages(types.SimpleNamespace(version=each))["pip"] for each in SUPPORTED_PYTHON_VERSIONS})))
"""


# What these test is the part of the collection that Ansible runs.
OF_ANSIBLE = ("tests/unit/controller/", "tests/unit/modules/")


def run_all(environment: Path, pythons: tuple[str, ...], quick: bool = False) -> None:
    """Run sanity and units with the ansible-core that is installed in ``environment``; raises GateError.

    The sanity tests compile and import what runs on targets with those of ``pythons`` that there are. If ``quick``, pylint is
    left out, whose rules Ruff has, and all unit tests are imported, but only those OF_ANSIBLE are run: the others have run
    without ansible-test.
    """
    copy = copy_of_collection.make(GATES / environment.name)
    settings = _settings(environment, pythons)
    _provide_bootstrap(environment, settings)
    name = _name(environment, settings)
    sanity = ["ansible-test", "sanity", "--color", "no", *(["--skip-test", "pylint"] if quick else [])]
    run(f"ansible-test sanity, {name}", sanity, cwd=copy, env=settings)
    # On the environment's own Python alone: it has what the tests need.
    python = _ask(environment, settings, "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    units = ["ansible-test", "units", "--color", "no", "--python", python]
    if quick:
        run(f"ansible-test units --collect-only, {name}", [*units, "--collect-only"], cwd=copy, env=settings)
        units += OF_ANSIBLE
    run(f"ansible-test units, {name}", units, cwd=copy, env=settings)
    _refuse_skipped(copy / "tests" / "output" / "junit")


def _settings(environment: Path, pythons: tuple[str, ...]) -> dict[str, str]:
    HOME.mkdir(parents=True, exist_ok=True)
    # What pip was told about package indexes counts here as well.
    for each in (".config", ".pip"):
        own = Path("~").expanduser() / each
        if own.exists() and not (HOME / each).exists():
            (HOME / each).symlink_to(own)
    path = f"{environment / 'bin'}{os.pathsep}{interpreters.path_with(pythons)}"
    return {**environment_of_a_stranger(), "HOME": str(HOME), "PATH": path, "VIRTUAL_ENV": str(environment)}


def _provide_bootstrap(environment: Path, settings: dict[str, str]) -> None:
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in json.loads(_ask(environment, settings, VERSIONS_OF_PIP)):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP)


def _name(environment: Path, settings: dict[str, str]) -> str:
    wanted = (
        "import platform, ansible.release as r; print(f'ansible-core {r.__version__} on Python {platform.python_version()}')"
    )
    return _ask(environment, settings, wanted).strip()


def _ask(environment: Path, settings: dict[str, str], program: str) -> str:
    command = [environment / "bin" / "python", "-c", program]
    return subprocess.run(command, env=settings, cwd=GATES, stdout=subprocess.PIPE, check=True, text=True).stdout


def _refuse_skipped(reports: Path) -> None:
    """Raise GateError where tests were skipped: all that they need is at hand, so there is no reason for that."""
    cases = [case for report in reports.glob("*-units.xml") for case in ET.parse(report).iter("testcase")]
    skipped = [f"{case.get('classname')}.{case.get('name')}" for case in cases if case.find("skipped") is not None]
    if not cases or skipped:
        raise GateError(
            f"ansible-test units ran {len(cases) - len(skipped)} tests, and skipped: {', '.join(skipped) or 'none'}"
        )
