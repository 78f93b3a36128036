# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy does with the tarball when it is uploaded."""

from __future__ import annotations

import re
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
IGNORED = re.compile(r"Ignore files skip ansible-test sanity tests, found ignore-")
# The importer does not install what it imports, and the example in docs/provider imports these playbooks. make lint has them.
NOT_INSTALLED = re.compile(r"Failed to find vsmtp\.relay\.\w+ playbook\.")
EXPECTED = (IGNORED, NOT_INSTALLED)


def import_tarball(tarball: Path) -> None:
    """Raise GateError if Galaxy would refuse ``tarball`` or warn of anything in it."""
    GATES.mkdir(parents=True, exist_ok=True)
    configuration = GATES / "galaxy-importer.cfg"
    configuration.write_text(CONFIGURATION)
    # Without the collections that are installed for the tests: the importer takes the name of this one for its own.
    settings = {**environment_of_a_stranger(), "GALAXY_IMPORTER_CONFIG": str(configuration)}
    output = run("galaxy-importer", [sys.executable, "-m", "galaxy_importer.main", tarball], cwd=GATES, env=settings)
    warnings = [line for line in output.splitlines() if ("WARNING" in line or "ERROR" in line) and not _is_expected(line)]
    if warnings:
        raise GateError("\n".join(["galaxy-importer:", *warnings]))


def _is_expected(line: str) -> bool:
    return any(each.search(line) for each in EXPECTED)
