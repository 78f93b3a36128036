# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of every plugin is complete, its EXAMPLES run as they stand, and RETURN describes their results."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from documentation.blocks import Plugin, plugins
from documentation.examples import Examples

from support.places import COLLECTIONS

PLUGINS = plugins()
MODULES = [plugin for plugin in PLUGINS if plugin.kind == "modules"]
# What Ansible itself adds to every result, or takes for its own purposes.
ANSIBLE_S_OWN = {"changed", "failed", "diff", "invocation", "warnings", "deprecations", "exception", "ansible_facts"}
KINDS = {"modules": "module", "filter": "filter", "lookup": "lookup"}
# Run with the others, to see that a failure is seen.
BROKEN = Plugin("modules", "broken", {}, [{"name": "Fail", "ansible.builtin.command": "false"}], {})
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent", "platform"}


@pytest.fixture(scope="session")
def examples(bed):
    bed.set_up()
    return Examples(bed, [BROKEN, *PLUGINS])


@pytest.mark.parametrize("plugin", PLUGINS, ids=str)
def test_examples_run_as_they_stand(examples, plugin):
    assert plugin.name not in examples.failures, examples.failures[plugin.name]


def test_an_example_that_fails_is_named_by_its_plugin_and_its_task(examples):
    assert list(examples.failures) == ["broken"]
    assert examples.failures["broken"].startswith("Fail: ")


@pytest.mark.parametrize("plugin", MODULES, ids=str)
def test_the_examples_use_the_module_that_they_are_of(plugin):
    assert any(f"vsmtp.relay.{plugin.name}" in task for task in plugin.examples)
    assert all(task.get("name", "")[:1].isupper() for task in plugin.examples)


@pytest.mark.parametrize("plugin", MODULES, ids=str)
def test_return_describes_what_the_examples_return(examples, plugin):
    results = examples.returned_by(plugin.name)
    assert results
    for result in results:
        compare({key: value for key, value in result.items() if key not in ANSIBLE_S_OWN}, plugin.returned, plugin.name)


@pytest.fixture
def documentation(plugin):
    """What ansible-doc makes of it, with all its fragments."""
    words = ["ansible-doc", "--json", "--type", KINDS[plugin.kind], f"vsmtp.relay.{plugin.name}"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}
    )
    assert done.stderr == ""
    (documented,) = json.loads(done.stdout).values()
    return documented["doc"]


@pytest.mark.parametrize("plugin", PLUGINS, ids=str)
def test_everything_is_documented(documentation, plugin):
    for part in ("short_description", "description", "version_added", "author"):
        assert documentation.get(part), part
    assert plugin.returned
    assert all(
        value.get("description") and value.get("returned" if plugin.kind == "modules" else "type")
        for value in plugin.returned.values()
    )
    check_options(documentation.get("options", {}))
    if plugin.kind == "modules":
        assert set(documentation["attributes"]) == ATTRIBUTES
        assert all(attribute["description"] and attribute["support"] for attribute in documentation["attributes"].values())


def check_options(options):
    """Check that each option has a description and a type, and so on downwards."""
    for name, option in options.items():
        assert option.get("description"), name
        assert option.get("type"), name
        check_options(option.get("suboptions") or option.get("options") or {})


def compare(value, documented, where):
    """Compare a returned dictionary with what RETURN says of its keys, and so on downwards."""
    assert set(value) <= set(documented), f"RETURN of {where} lacks {set(value) - set(documented)}"
    always = {key for key, entry in documented.items() if entry.get("returned") == "always"}
    assert always <= set(value), f"{where} does not always return {always - set(value)}"
    for key, entry in documented.items():
        if entry.get("contains") and value.get(key):
            for part in value[key] if isinstance(value[key], list) else [value[key]]:
                compare(part, entry["contains"], f"{where}: {key}")
