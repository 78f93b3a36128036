# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection tells the tools around it: Galaxy and the continuous integration."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

CHECKOUT = Path(__file__).parents[3]
# ansible-core itself, and what it needs.
COME_WITH_ANSIBLE = {"ansible", "ansible_collections", "jinja2", "markupsafe", "yaml"}


def load(name):
    return yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("field", ["documentation", "homepage", "issues", "repository"])
def test_galaxy_links_to_where_people_find_more(field):
    link = urlsplit(load("galaxy.yml")[field])
    assert (link.scheme, link.query, link.fragment) == ("https", "", "")
    assert link.hostname
    assert link.path.strip("/")


def test_the_documentation_that_is_linked_is_there():
    metadata = load("galaxy.yml")
    below = metadata["documentation"].removeprefix(f"{metadata['repository']}/tree/main/")
    assert (CHECKOUT / below / "quick_start.md").is_file()


def test_the_front_page_installs_the_tarball_of_this_version():
    page = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"vsmtp-relay-([\d.]+)\.tar\.gz", page))
    assert named == {load("galaxy.yml")["version"]}, "galaxy.yml has another version: README.md has to name it, too"


def imported_on_the_controller():
    """Return the packages that the plugins of the controller import and that come with neither Python nor ansible-core."""
    found = set()
    for kind in ("action", "filter", "plugin_utils"):
        for file in (CHECKOUT / "plugins" / kind).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - COME_WITH_ANSIBLE


def test_the_controller_and_an_execution_environment_need_nothing_but_ansible_core():
    assert imported_on_the_controller() == set()
    assert not (CHECKOUT / "meta/execution-environment.yml").exists()


def test_the_workflow_runs_the_whole_suite_on_each_change_as_the_tests_need_it():
    workflow = load(".github/workflows/ci.yml")
    # YAML 1.1 reads the word on as true.
    assert set(workflow[True]) == {"push", "pull_request"}
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"
    assert job["container"] == {"image": "debian:12", "options": "--privileged"}
    assert job["timeout-minutes"] == 90
    assert workflow["permissions"] == {"contents": "read"}


def test_what_is_no_business_of_users_is_not_released():
    ignored = load("galaxy.yml")["build_ignore"]
    assert {".*", ".*/*"} <= set(ignored)
