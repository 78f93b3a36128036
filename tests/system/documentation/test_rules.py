# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said of the documentation's blocks without running them."""

from __future__ import annotations

import pytest
from documentation.blocks import Block, all_blocks, blocks_of
from documentation.console import Command, commands
from documentation.rules import NoRule, rule_of
from documentation.substitutions import SUBSTITUTIONS, substituted

BLOCKS = all_blocks()


def test_the_pages_and_the_role_have_blocks():
    assert len({block.page for block in BLOCKS}) > 8


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_rule_runs(block):
    rule_of(block)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("", "make demo\n"),
        ("sh", "make demo\n"),
        ("text", "anything\n"),
        ("yaml", "a: b\n"),
        ("yaml", "- a\n"),
        ("yaml", "{}\n"),
    ],
)
def test_a_block_that_no_rule_runs_is_named(language, text):
    with pytest.raises(NoRule, match=r"docs/new\.md:7"):
        rule_of(Block("docs/new.md", 7, language, text))


def test_a_block_that_is_only_indented_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("documentation.blocks.CHECKOUT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Text\n\n    make demo\n\n- item\n\n  ```console\n  $ true\n  ```\n", encoding="utf-8")
    assert [(block.line, block.language, block.text) for block in blocks_of(page)] == [
        (3, "", "make demo\n"),
        (7, "console", "$ true\n"),
    ]


def test_a_console_block_is_commands_where_they_are_typed_and_what_they_print():
    block = "$ ansible --version\nroot@mail1:~# vsmtprelay \\\n  dump\n# one\ntwo\nroot@mail2:~# true\n"
    assert list(commands(block)) == [
        Command("controller", "ansible --version"),
        Command("mail1", "vsmtprelay \\\n  dump", ["# one", "two"]),
        Command("mail2", "true"),
    ]


@pytest.mark.parametrize("text", ["", "make demo\n"])
def test_a_console_block_without_a_prompt_is_refused(text):
    with pytest.raises(ValueError, match=r"prompt|command"):
        list(commands(text))


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ([], "anything", True),
        (["one"], "one\n", True),
        (["one"], "one\ntwo\n", False),
        (["one", "…"], "one\n", True),
        (["one", "…", "four"], "one\ntwo\nthree\nfour\n", True),
        (["one", "…", "four"], "one\ntwo\n", False),
        (["192.0.2.1 1790000000"], "192.0.2.1 1812345678\n", True),
        (["192.0.2.1 1790000000"], "192.0.2.9 1812345678\n", False),
        (["# timestamp (UTC): Sun Nov 22 12:26:02 2026"], "# timestamp (UTC): Mon Dec  7 01:02:03 2026\n", True),
        (["2026-11-22T12:26:02+0000 mail1"], "2026-12-07T01:02:03+00:00 mail1\n", True),
        (["ok=… changed=0"], "ok=12 changed=0\n", True),
        (["host   12 min  live", "-----  ------  ----"], "host  3 h  live\n---  ---  ---\n", True),
        (["host   12 min  live"], "host  3 h  dead\n", False),
        (["ok=… changed=0"], "ok=12 changed=1\n", False),
    ],
)
def test_what_a_command_prints_is_compared(shown, printed, same):
    assert Command("mail1", "true", shown).prints(printed) is same


def test_every_substitution_has_a_reason_and_is_used_for_whole_commands_only():
    assert all(len(substitution.reason) > 20 for substitution in SUBSTITUTIONS)
    assert substituted("ansible-galaxy collection install vsmtp.relay", tarball="/t.tar.gz", checkout="/c").endswith(
        " /t.tar.gz"
    )
    for source in ("vsmtp-relay-1.20.3.tar.gz", "git+https://github.com/vsmtp/relay.git"):
        done = substituted(f"ansible-galaxy collection install {source}", tarball="/t.tar.gz", checkout="/c")
        assert " --offline " in done
        assert done.endswith((" /t.tar.gz", " git+file:///c"))
    assert substituted("ansible-playbook -i inventory vsmtp.relay.site", tarball="", checkout="") == (
        "ansible-playbook -i inventory vsmtp.relay.site"
    )
