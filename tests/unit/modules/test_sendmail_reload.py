# SPDX-License-Identifier: GPL-3.0-or-later
"""The module sendmail_reload."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("check", [False, True])
def test_sendmail_reload_leaves_alone_what_does_not_run_and_names_what_is_missing(run, tmp_path, check):
    (tmp_path / "sendmail.cf").write_text(f"O PidFile={tmp_path}/none.pid\n")
    assert run("sendmail_reload", check, paths=[str(tmp_path / "sendmail.cf")]) == {"changed": False, "reloaded": []}
    assert "no such file" in run("sendmail_reload", check, paths=[str(tmp_path / "missing.cf")])["msg"]
