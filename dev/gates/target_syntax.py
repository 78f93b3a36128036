# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on targets is written for Python 3.8: a real one says so where there is one, and Python's own parser otherwise."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

from . import interpreters
from .errors import GateError
from .places import CHECKOUT

OLDEST = (3, 8)

# Compiles each file that is named on the standard input, and writes nothing.
COMPILE = """
import sys, warnings
warnings.simplefilter("error")
for path in sys.stdin.read().splitlines():
    with open(path, "rb") as file:
        compile(file.read(), path, "exec")
"""


def check() -> str:
    """Return in one line what was checked; raises GateError with the place of the first fault."""
    paths = files()
    version = ".".join(map(str, OLDEST))
    interpreter = interpreters.find(version)
    if interpreter:
        names = "\n".join(map(str, paths))
        done = subprocess.run([interpreter, "-I", "-c", COMPILE], input=names, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GateError(f"this does not compile with Python {version}:\n{done.stderr}")
        return f"{len(paths)} files for targets compile with {interpreter}"
    for path in paths:
        try:
            ast.parse(path.read_bytes(), str(path), feature_version=OLDEST)
        except SyntaxError as error:
            raise GateError(f"{path}:{error.lineno}: not the syntax of Python {version}: {error.msg}") from error
    return (
        f"{len(paths)} files for targets have the syntax of Python {version} (there is no python{version} here to compile them)"
    )


def files() -> list[Path]:
    """Return the Python files that run on targets."""
    modules = [*(CHECKOUT / "plugins" / "module_utils").rglob("*.py"), *(CHECKOUT / "plugins" / "modules").glob("*.py")]
    scripts = [path for path in (CHECKOUT / "roles").glob("*/files/*") if _is_python(path)]
    return sorted(modules + scripts)


def _is_python(path: Path) -> bool:
    first = path.read_bytes().split(b"\n", 1)[0]
    return path.suffix == ".py" or (first.startswith(b"#!") and b"python" in first)
