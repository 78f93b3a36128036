# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider of docs/provider.md: a POP host, an SMTP host and one with customers, two of which are engines as well.

The numbers of the files are their order: they are the page from its beginning to its end.
"""

from __future__ import annotations

import pytest

from .provider import Provider


@pytest.fixture(scope="session")
def new_provider(lab, tmp_path_factory):
    """The hosts before anything of ours was there."""
    provider = Provider(lab, tmp_path_factory.mktemp("person"))
    provider.prepare()
    return provider


class SetUp:
    """What the first sections of the page, and jobs of the CI after them, printed; by command or by the name of the job."""

    def __init__(self, provider):
        self.begun = dict(provider.do("Begin"))
        self.done = dict(provider.do("Set it up"))
        self.jobs = {name: provider.job(name) for name in ("lint", "preview")}


@pytest.fixture(scope="session")
def set_up(new_provider):
    return SetUp(new_provider)


@pytest.fixture(scope="session")
def provider(new_provider, set_up):
    """The hosts after the first sections of the page."""
    return new_provider


@pytest.fixture(scope="session")
def caller(lab):
    """Return what makes the client of a customer, from the last part of its addresses on."""

    def caller(number):
        return lab.client(f"caller{number}", address4=f"192.0.2.{number}", address6=f"2001:db8:99::{number}")

    return caller
