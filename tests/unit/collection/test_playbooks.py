# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks and the role must not do: make numbers of what is none, or look at hosts that may not be there yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[3]
YAML = sorted(file for top in ("roles", "playbooks") for file in (CHECKOUT / top).rglob("*.yml"))
PLAYBOOKS = sorted((CHECKOUT / "playbooks").rglob("*.yml"))
TEMPLATES = sorted((CHECKOUT / "roles").rglob("*.j2"))
# "2h" | int is 0, "maybe" | bool is false: whatever does not fit has to fail, which the types of modules see to.
CONVERSION = re.compile(r"\|\s*(int|float|bool)\b")
OTHER_HOSTS = re.compile(r"hostvars(?!\[inventory_hostname\])|ansible_play_(hosts|batch)|run_once")


def plays():
    """Return all plays that have tasks, by their playbook."""
    return [
        (file.name, play) for file in PLAYBOOKS for play in yaml.safe_load(file.read_text(encoding="utf-8")) if "hosts" in play
    ]


@pytest.mark.parametrize("file", [*YAML, *TEMPLATES], ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_nothing_is_made_a_number_or_a_flag_but_by_the_types_of_modules(file):
    assert CONVERSION.findall(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("name", "play"), plays(), ids=str)
def test_a_play_that_looks_at_other_hosts_has_all_of_them_at_hand_on_every_strategy(name, play):
    if OTHER_HOSTS.search(yaml.safe_dump(play.get("tasks", []))):
        assert play.get("strategy") == "ansible.builtin.linear"


@pytest.mark.parametrize(("name", "play"), plays(), ids=str)
def test_every_play_has_its_hosts_from_where_its_variables_are_judged(name, play):
    assert play["hosts"].startswith("{{ lookup('vsmtp.relay.relay_hosts', ")


def test_the_play_that_looks_at_other_hosts_is_found():
    assert [name for name, play in plays() if OTHER_HOSTS.search(yaml.safe_dump(play.get("tasks", [])))] == ["status.yml"]
