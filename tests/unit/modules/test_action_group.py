# SPDX-License-Identifier: GPL-3.0-or-later
"""The group of modules that can be given defaults together (module_defaults, group/vsmtp.relay.relayers)."""

from __future__ import annotations

from pathlib import Path

import yaml

COLLECTION = Path(__file__).parents[3]


def test_all_modules_for_entries_and_the_ruleset_are_in_the_action_group_and_none_that_there_is_not():
    meta = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    modules = {each.stem for each in (COLLECTION / "plugins" / "modules").glob("*.py")}
    members = set(meta["action_groups"]["relayers"])
    assert {name for name in modules if name.startswith("relayers")} | {"sendmail_ruleset"} <= members <= modules
