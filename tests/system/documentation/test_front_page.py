# SPDX-License-Identifier: GPL-3.0-or-later
"""The front page names what there is."""

from __future__ import annotations

import re

import yaml
from documentation.blocks import CHECKOUT

PAGE = (CHECKOUT / "README.md").read_text(encoding="utf-8")
NEEDS = PAGE.partition("## Needs")[2]
VARIABLES = CHECKOUT / "roles" / "pop_before_smtp" / "vars" / "main.yml"


def table(first_column):
    """Return the first cells of the rows of a table."""
    rows = PAGE.partition(f"\n| {first_column} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [row.split(" | ")[0] for row in rows]


def test_every_playbook_is_there():
    named = [re.search(r"vsmtp\.relay\.(\w+)", cell)[1] for cell in table("playbook")]
    assert sorted(named) == sorted(file.stem for file in (CHECKOUT / "playbooks").glob("*.yml"))


def test_it_says_which_version_it_is_of():
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert f"Version {version}." in PAGE


def test_the_inventory_comes_before_the_first_command_that_uses_it():
    assert PAGE.index("```yaml") < PAGE.index("-i inventory")


def test_all_packages_that_the_role_installs_are_named():
    variables = yaml.safe_load(VARIABLES.read_text(encoding="utf-8"))
    packages = variables["pop_before_smtp__packages"]["dpkg"] + variables["pop_before_smtp__recorder_packages"]["dpkg"]
    assert [package for package in packages if f"`{package}`" not in NEEDS] == []


def test_the_ansible_that_it_needs_is_the_one_that_it_asks_for():
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    needed = re.search(r"ansible-core (\d+\.\d+) or later", NEEDS)[1]
    assert runtime["requires_ansible"] == f">={needed}.0"


def test_cron_runs_what_the_page_says():
    defaults = yaml.safe_load((CHECKOUT / "roles/pop_before_smtp/defaults/main.yml").read_text(encoding="utf-8"))
    minutes, hour, minute = (defaults[f"pop_before_smtp_{name}"] for name in ("expire", "cron_hour", "cron_minute"))
    assert f"`vsmtprelay --all expire {minutes}`, every night at {hour}:{minute}" in PAGE
