# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site: the pages of docs/, the manual pages, and what antsibull-docs makes of the plugins and the role.

``python -m documentation.site DIRECTORY`` builds it there. A warning is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.places import COLLECTIONS

from .blocks import CHECKOUT

COLLECTION = "vsmtp.relay"
MANUAL_PAGES = CHECKOUT / "roles" / "pop_before_smtp" / "files"
MANUAL_PAGE = """\
# {name}({section})

```{{raw}} html
:file: {file}.html
```
"""


def build(directory: Path) -> None:
    """Build the site. Raises CalledProcessError, after the tool that failed has said why."""
    source = directory.with_name(f"{directory.name}-source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(CHECKOUT / "docs", source)
    shutil.copytree(source / "site", source, dirs_exist_ok=True)
    shutil.rmtree(source / "site")
    (source / "checkout").write_text(str(CHECKOUT), encoding="utf-8")
    for file in MANUAL_PAGES.glob("*.8"):
        _add_manual_page(file, source)
    (source / "collections").mkdir()
    _run(
        "antsibull-docs",
        "collection",
        "--use-current",
        "--fail-on-error",
        "--squash-hierarchy",
        f"--dest-dir={source / 'collections'}",
        COLLECTION,
    )
    _run("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "-d", str(source / ".doctrees"), str(source), str(directory))


def _add_manual_page(file: Path, source: Path) -> None:
    text = _run("mandoc", "-T", "html", "-O", "fragment", str(file))
    # The page has a title already.
    text = re.sub(r'<table class="(?:head|foot)">.*?</table>', "", text, flags=re.DOTALL)
    text = re.sub(r"<(/?)h1\b", r"<\1h2", text)
    (source / f"{file.name}.html").write_text(text, encoding="utf-8")
    page = MANUAL_PAGE.format(name=file.stem, section=file.suffix[1:], file=file.name)
    (source / f"{file.name}.md").write_text(page, encoding="utf-8")


def _run(*command: str) -> str:
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
    done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
    print(f"{sys.argv[1]}/index.html")
