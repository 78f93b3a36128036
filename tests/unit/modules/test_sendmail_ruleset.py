# SPDX-License-Identifier: GPL-3.0-or-later
"""The module sendmail_ruleset."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.fake_sendmail import fake_sendmail


@pytest.mark.parametrize("check", [False, True])
def test_a_file_that_sendmail_rejects_stays_and_what_it_says_is_told(run, tmp_path, sendmail_says, check):
    sendmail_says(70, "line 5: invalid rewrite line")
    path = tmp_path / "sendmail.cf"
    path.write_text("V10\n")
    result = run("sendmail_ruleset", check, path=str(path), backup=True)
    assert result["failed"]
    assert not result["changed"]
    assert f"{path}: sendmail rejects it" in result["msg"]
    assert "sendmail.cf: line 5: invalid rewrite line" in result["msg"]
    assert path.read_text() == "V10\n"
    assert sorted(os.listdir(tmp_path)) == ["programs", "sendmail.cf"]


@pytest.mark.parametrize("check", [False, True])
def test_a_file_that_is_not_there_is_named(run, tmp_path, check):
    result = run("sendmail_ruleset", check, path=str(tmp_path / "sendmail.cf"))
    assert f"{tmp_path}/sendmail.cf: no such file" in result["msg"]
    assert os.listdir(tmp_path) == []


def test_the_absence_of_what_is_not_there_needs_no_sendmail_and_no_file(run, tmp_path):
    (tmp_path / "good.cf").write_text("V10\n")
    paths = [str(tmp_path / name) for name in ("missing.cf", "good.cf")]
    result = run("sendmail_ruleset", files=[{"path": path} for path in paths], state="absent")
    assert result["files"] == [{"path": path, "changed": False} for path in paths]


def test_one_file_that_is_missing_stops_no_other(run, tmp_path):
    (tmp_path / "good.cf").write_text("V10\n")
    files = [{"path": str(tmp_path / "missing.cf")}, {"path": str(tmp_path / "good.cf"), "state": "absent"}]
    result = run("sendmail_ruleset", files=files)
    assert result["failed"]
    assert result["files"] == [{"path": str(tmp_path / "good.cf"), "changed": False}]


def test_a_file_that_is_named_twice_is_refused(run, tmp_path):
    path = str(tmp_path / "sendmail.cf")
    assert f"named more than once: {path}" in run("sendmail_ruleset", files=[{"path": path}, {"path": path}])["msg"]


def test_source_mc_demands_a_sendmail_mc(run, tmp_path):
    (tmp_path / "sendmail.cf").write_text("V10\n")
    message = run("sendmail_ruleset", path=str(tmp_path / "sendmail.cf"), source="mc")["msg"]
    assert f"there is no {tmp_path}/sendmail.mc" in message


@pytest.mark.parametrize(
    "arguments", [{"relayers_db": "/etc/x y.db"}, {"relayers_db": "/etc/relayers"}, {"window": -1}, {"window": "soon"}]
)
def test_a_ruleset_that_cannot_be_is_refused_before_the_file_is_touched(run, tmp_path, arguments):
    path = tmp_path / "sendmail.cf"
    path.write_text("V10\n")
    assert run("sendmail_ruleset", path=str(path), **arguments)["failed"]
    assert path.read_text() == "V10\n"


@pytest.mark.parametrize("arguments", [{}, {"path": "/a", "files": []}])
def test_either_path_or_files_is_given(run, arguments):
    assert run("sendmail_ruleset", **arguments)["failed"]


def test_a_file_whose_markers_are_no_pair_is_named(run, tmp_path):
    path = tmp_path / "sendmail.cf"
    path.write_text("# BEGIN vsmtp.relay: POP-before-SMTP, managed by Ansible\n")
    assert str(path) in run("sendmail_ruleset", path=str(path))["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_a_backup_holds_what_was_there_before_and_keeps_its_mode(run, tmp_path, sendmail_says, check):
    sendmail_says(0, text=fake_sendmail())
    path = tmp_path / "sendmail.cf"
    before = "Scheck_rcpt\nR$*\t$#error $@ 5.7.1 $: no\n"
    path.write_text(before)
    path.chmod(0o640)
    (result,) = run("sendmail_ruleset", check, path=str(path), backup=True)["files"]
    assert result["changed"]
    backups = [name for name in os.listdir(tmp_path) if name.startswith("sendmail.cf.")]
    if check:
        assert backups == []
        assert path.read_text() == before
        return
    assert [str(tmp_path / name) for name in backups] == [result["backup_file"]]
    backup = Path(result["backup_file"])
    assert re.fullmatch(r"sendmail\.cf\.[0-9]+\.[0-9]{4}-[0-9]{2}-[0-9]{2}@[0-9:]{8}~", backup.name)
    assert backup.read_text() == before
    assert backup.stat().st_mode & 0o7777 == 0o640
    assert "vsmtprelay" in path.read_text()
