# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy does with the tarball when it is uploaded."""

from __future__ import annotations

import sys
from pathlib import Path

from .errors import GateError
from .places import GATES
from .runner import environment_of_a_stranger, run

# Galaxy itself refuses a collection without one of its tags.
CONFIGURATION = """\
[galaxy-importer]
CHECK_REQUIRED_TAGS = True
"""
# Each exception has its reason beside it, and goes along with the collection so that others' ansible-test knows it too.
EXPECTED = "Ignore files skip ansible-test sanity tests, found ignore-"


def import_tarball(tarball: Path) -> None:
    """Raise GateError if Galaxy would refuse ``tarball`` or warn of anything in it."""
    GATES.mkdir(parents=True, exist_ok=True)
    configuration = GATES / "galaxy-importer.cfg"
    configuration.write_text(CONFIGURATION)
    # Without the collections that are installed for the tests: the importer takes the name of this one for its own.
    settings = {**environment_of_a_stranger(), "GALAXY_IMPORTER_CONFIG": str(configuration)}
    output = run("galaxy-importer", [sys.executable, "-m", "galaxy_importer.main", tarball], cwd=GATES, env=settings)
    warnings = [line for line in output.splitlines() if ("WARNING" in line or "ERROR" in line) and EXPECTED not in line]
    if warnings:
        raise GateError("\n".join(["galaxy-importer:", *warnings]))
