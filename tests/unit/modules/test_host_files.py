# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_files: files and directories as a whole."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._module import host_files
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.proof import Proof

ME = pwd.getpwuid(os.geteuid()).pw_name
MY_GROUP = grp.getgrgid(os.getegid()).gr_name


def host_file(path, **more):
    return {"path": str(path), "owner": ME, "group": MY_GROUP, **more}


def test_host_files_installs_content_and_mode_and_creates_directories(check_then_run, tmp_path):
    files = [host_file(tmp_path / "a" / "b" / "one", content="1\n"), host_file(tmp_path / "two", content="", mode="0600")]
    result = check_then_run("host_files", files=files)
    assert result["changed_files"] == [str(tmp_path / "a/b/one"), str(tmp_path / "two")]
    assert (tmp_path / "a/b/one").read_text() == "1\n"
    assert (tmp_path / "two").stat().st_mode & 0o7777 == 0o600
    assert result["diff"][0]["after"] == "1\n"


def test_host_files_mends_content_or_mode_alone(check_then_run, tmp_path):
    for name in ("content", "mode", "fine"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600 if name == "mode" else 0o644)
    (tmp_path / "content").write_text("y")
    files = [host_file(tmp_path / name, content="x") for name in ("content", "mode", "fine")]
    result = check_then_run("host_files", files=files)
    assert result["changed_files"] == [str(tmp_path / "content"), str(tmp_path / "mode")]
    assert "mode 0600" in result["diff"][1]["before_header"]


def test_host_files_removes_files_and_directories(check_then_run, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "left over").touch()
    (tmp_path / "one").write_text("1\n")
    (tmp_path / "other").touch()
    result = check_then_run(
        "host_files",
        state="absent",
        files=[host_file(tmp_path / "one"), host_file(tmp_path / "missing")],
        remove_directories=[str(tmp_path / "own"), str(tmp_path / "none")],
    )
    assert result["changed_files"] == [str(tmp_path / "one"), str(tmp_path / "own")]
    assert os.listdir(tmp_path) == ["other"]
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == ("1\n", "")


@needs_root
def test_host_files_removes_what_an_exact_directory_has_too_much_and_directories_that_are_empty_then(check_then_run, tmp_path):
    for name in ("kept", "old"):
        (tmp_path / name).write_text("")
    for name in ("__pycache__", "emptied/below"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "emptied" / "below" / "old").write_text("")
    (tmp_path / "__pycache__" / "kept.pyc").write_text("")
    path = str(tmp_path / "kept")
    files = [{"path": path, "content": "x\n"}, {"path": str(tmp_path / "gone"), "state": "absent"}]
    result = check_then_run("host_files", files=files, exact_directories=[str(tmp_path)])
    assert result["changed_files"] == [path, str(tmp_path / "emptied/below/old"), str(tmp_path / "old")]
    assert sorted(os.listdir(tmp_path)) == ["__pycache__", "kept"]


@pytest.mark.parametrize("bad", [{}, {"content": "x", "owner": "nobody at all"}, {"content": "x", "mode": "u=rw"}])
def test_host_files_goes_on_after_a_file_that_fails(run, tmp_path, bad):
    files = [host_file(tmp_path / "bad", **bad), host_file(tmp_path / "good", content="x")]
    result = run("host_files", files=files)
    assert result["failed"]
    assert result["changed_files"] == [str(tmp_path / "good")]
    assert os.listdir(tmp_path) == ["good"]


def test_host_files_tries_a_login_after_all_is_done_and_returns_what_became_of_it(run, tmp_path, monkeypatch):
    tried = []

    def prove():
        tried.append(os.listdir(tmp_path))
        return Proof([], ["Dovecot does not report logins"], [])

    monkeypatch.setattr(host_files, "prove", prove)
    files = [host_file(tmp_path / "one", content="x")]
    assert "proof" not in run("host_files", files=files)
    assert "proof" not in run("host_files", check=True, files=files, proof=True)
    assert "proof" not in run("host_files", files=[host_file(tmp_path / "bad")], proof=True)
    assert tried == []
    result = run("host_files", files=files, proof=True)
    assert result["proof"] == {"proven": [], "faults": ["Dovecot does not report logins"], "others": []}
    assert not result["changed"]
    assert tried == [["one"]]


def test_host_files_fails_in_order_where_a_directory_is_a_symbolic_link(run, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run("host_files", state="absent", files=[], remove_directories=[str(tmp_path / "link")])
    assert (tmp_path / "real").is_dir()
