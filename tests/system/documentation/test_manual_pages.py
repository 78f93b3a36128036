# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual pages are well-formed, and describe every option and every command."""

from __future__ import annotations

import re
import subprocess

import pytest
from documentation.blocks import CHECKOUT
from documentation.site import MANUAL_PAGES

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import commands, usage

PAGES = {file.stem: file for file in MANUAL_PAGES.glob("*.8")}
PROGRAMS = {file.name for file in MANUAL_PAGES.iterdir() if not file.suffix}
# Run by PAM alone; its page is that of the recorder, to which it reports.
WITHOUT_A_PAGE = {"vsmtprelay-pam"}
# On hosts that share their logins.
SHARING = {"vsmtprelay-share"}
# What mandoc says of every page that has no date: there is none that would stay right.
ACCEPTED = ("missing date",)


def printed(file):
    """Return a manual page as a person reads it, without what marks bold and underlined letters."""
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=500", str(file)], capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


def test_every_program_has_a_page():
    assert set(PAGES) == PROGRAMS - WITHOUT_A_PAGE


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_against_it(name):
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(PAGES[name])], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stdout.splitlines() if not any(accepted in line for accepted in ACCEPTED)]
    assert complaints == []


def test_vsmtprelay_s_page_has_all_that_its_help_has():
    help_text = usage.TEXTS["--help"]
    words = {*re.findall(r"--[a-z-]+", help_text), *re.findall(r'^ +"([a-z]+)', help_text, re.MULTILINE)}
    assert {"--all", "add", "repair"} <= words
    page = printed(PAGES["vsmtprelay"])
    assert [word for word in words if not re.search(rf"^ +{word}\b|, {word}$", page, re.MULTILINE)] == []


def test_vsmtprelay_s_page_has_every_exit_status():
    errors = (CHECKOUT / "plugins/module_utils/_vsmtprelay/errors.py").read_text(encoding="utf-8")
    # 70 is that of the class from which the others are made.
    statuses = {*re.findall(r"exit_status = (\d+)", errors), str(commands.EXIT_NOT_LISTED)} - {"70"}
    page = printed(PAGES["vsmtprelay"])
    assert [status for status in statuses if not re.search(rf"^ +{status}\b", page, re.MULTILINE)] == []


def test_the_recorder_s_page_has_all_its_options(bed):
    bed.set_up()
    help_text = bed.guests["mail1"].run(["vsmtprelay-recorder", "--help"]).stdout
    options = {*re.findall(r"--[a-z-]+", help_text)} - {"--help"}
    assert "--status" in options
    page = printed(PAGES["vsmtprelay-recorder"])
    assert [option for option in options if not re.search(rf"^ +{option}\b", page, re.MULTILINE)] == []


def test_a_host_shows_them(bed):
    bed.set_up()
    for name in set(PAGES) - SHARING:
        assert bed.guests["mail1"].path(f"/usr/local/share/man/man8/{name}.8").read_bytes() == PAGES[name].read_bytes()
