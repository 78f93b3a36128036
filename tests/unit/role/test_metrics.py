# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable metrics, and the file that it means."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.places import CHECKOUT
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role import metrics

TEMPLATE = CHECKOUT / "roles/pop_before_smtp/templates/vsmtprelay-metrics.service.j2"


@pytest.mark.parametrize(
    ("value", "directory"),
    [
        (True, metrics.DIRECTORY),
        ("true", metrics.DIRECTORY),
        ("Yes", metrics.DIRECTORY),
        (False, ""),
        ("False", ""),
        ("no", ""),
        ("/srv/textfile", "/srv/textfile"),
        ("/srv//textfile/", "/srv/textfile"),
    ],
)
def test_it_is_on_or_off_or_names_a_directory(value, directory):
    assert metrics.directory_of(value) == directory
    assert metrics.file_in(directory) == (f"{directory}/vsmtprelay.prom" if directory else "")


@pytest.mark.parametrize(
    "value", ["textfile", "", None, 2, ["/srv"], "/srv/a b", "/srv/a\nExecStart=/bin/sh", "/srv/%h", "/srv/$x"]
)
def test_what_systemd_would_take_for_something_else_is_none(value):
    with pytest.raises(MalformedError, match="neither true nor false nor the absolute path"):
        metrics.directory_of(value)


def test_the_file_of_an_installed_unit_is_found():
    text = TEMPLATE.read_text(encoding="utf-8").replace("{{ pop_before_smtp__host.metrics_file }}", "/srv/x/vsmtprelay.prom")
    assert metrics.file_of_unit(text) == "/srv/x/vsmtprelay.prom"
    assert metrics.file_of_unit("[Service]\nExecStart=/bin/true\n") == ""
