# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_files: files and directories as a whole."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._module import host_files
from ansible_collections.vsmtp.relay.plugins.module_utils._module.results import Outcome
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.programs import Ended
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import key as recorder_key
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


def test_host_files_creates_a_secret_once_and_shows_it_to_nobody(check_then_run, run, tmp_path):
    files = [host_file(tmp_path / "key", secret=True, mode="0600")]
    result = check_then_run("host_files", files=files)
    secret = recorder_key.load(str(tmp_path / "key"))
    assert result["changed_files"] == [str(tmp_path / "key")]
    assert (tmp_path / "key").stat().st_mode & 0o7777 == 0o600
    assert secret not in repr(result)
    assert run("host_files", files=files)["changed"] is False
    assert recorder_key.load(str(tmp_path / "key")) == secret


def test_host_files_completes_the_secret_file_of_an_earlier_version(check_then_run, tmp_path):
    path = tmp_path / "key"
    path.write_text(f"auth_policy_server_api_header = X-API-Key:{'a' * 64}\n")
    result = check_then_run("host_files", files=[host_file(path, secret=True, mode="0600")])
    assert result["changed_files"] == [str(path)]
    assert "event_exporter" in path.read_text()
    assert recorder_key.load(str(path)) == "a" * 64
    assert "a" * 64 not in repr(result)


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


def test_host_files_removes_what_units_wrote_after_the_units(check_then_run, tmp_path, monkeypatch):
    written, link = tmp_path / "written", tmp_path / "link"
    written.write_text("1\n")
    link.symlink_to("nowhere")
    seen = []

    def ensure_units(*unused):
        seen.append(written.exists())
        return Outcome()

    monkeypatch.setattr(host_files, "ensure_units", ensure_units)
    paths = [str(written), str(link), str(tmp_path / "none")]
    result = check_then_run("host_files", files=[], units=[{"name": "x.timer", "state": "absent"}], remove_files=paths)
    assert result["changed_files"] == paths[:2]
    assert os.listdir(tmp_path) == []
    # In check mode, for real, and again.
    assert seen == [True, True, False]


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


def test_host_files_creates_a_bare_secret_once_and_shows_it_to_nobody(check_then_run, run, tmp_path):
    path = tmp_path / "secret"
    files = [host_file(path, secret=True, bare=True)]
    result = check_then_run("host_files", files=files)
    secret = path.read_text()
    assert len(secret) == 65
    assert path.stat().st_mode & 0o7777 == 0o600
    assert secret.strip() not in repr(result)
    path.chmod(0o644)
    assert run("host_files", files=files)["changed_files"] == [str(path)]
    assert (path.read_text(), path.stat().st_mode & 0o7777) == (secret, 0o600)
    path.write_text("mine")
    assert "holds no secret" in run("host_files", files=files)["msg"]


def test_host_files_changes_the_named_sections_of_a_file_alone(check_then_run, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("# engine1\n1\n# engine2\n2\n")
    result = check_then_run("host_files", files=[host_file(path, sections={"engine1": None, "engine2": "3", "engine3": ""})])
    assert path.read_text() == "# engine1\n1\n# engine2\n3\n"
    assert result["diff"][0]["after"] == path.read_text()
    missing = host_file(tmp_path / "missing", sections={"a": ""})
    assert check_then_run("host_files", files=[missing])["changed_files"] == []


CHECKED = {
    "fine": (Ended(0, b"2 engines\n", b""), [], []),
    "one of several engines is away": (Ended(1, b"engine1: refused\n", b""), [], ["engine1: refused"]),
    "all engines are away": (
        Ended(2, b"engine1: refused\nengine2: not allowed: xadd\n", b""),
        ["engine1: refused", "engine2: not "],
        [],
    ),
    "it does not run": (
        Ended(1, b"", b"Traceback\nModuleNotFoundError: No module named 'redis'\n"),
        ["/usr/local/sbin/vsmtprelay"],
        [],
    ),
}


@pytest.mark.parametrize("case", CHECKED)
def test_host_files_checks_at_the_end_that_the_host_can_share_its_logins(run, tmp_path, monkeypatch, case):
    ended, faults, others = CHECKED[case]
    called = []
    monkeypatch.setattr(host_files.programs, "run", lambda command, _seconds: called.append(command) or ended)
    files = [host_file(tmp_path / "one", content="x")]
    assert "share_proof" not in run("host_files", files=files)
    assert "share_proof" not in run("host_files", check=True, files=files, share_proof=True)
    result = run("host_files", files=files, share_proof=True)
    assert called == [host_files.SHARE_CHECK]
    for name, expected in (("faults", faults), ("others", others)):
        for line, beginning in zip(result["share_proof"][name], expected, strict=True):
            assert line.startswith(beginning)


def test_a_host_on_which_sharing_cannot_be_checked_has_that_as_its_fault(run, tmp_path, monkeypatch):
    monkeypatch.setattr(host_files, "SHARE_CHECK", (str(tmp_path / "missing"), "--check"))
    (fault,) = run("host_files", files=[], share_proof=True)["share_proof"]["faults"]
    assert "missing: cannot be run" in fault


def test_host_files_removes_a_symbolic_link_to_a_directory_and_not_what_is_in_it(check_then_run, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "kept").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    paths = [str(tmp_path / name) for name in ("link", "dangling")]
    assert check_then_run("host_files", state="absent", files=[], remove_directories=paths)["changed_files"] == paths
    assert [path.name for path in tmp_path.iterdir()] == ["real"]
    assert (tmp_path / "real" / "kept").exists()
