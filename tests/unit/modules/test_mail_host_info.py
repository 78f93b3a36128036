# SPDX-License-Identifier: GPL-3.0-or-later
"""The module mail_host_info: what a host has."""

from __future__ import annotations

import os
import types

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._module import mail_host_info
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import RunVariables


def test_mail_host_info_tells_what_is_missing(run):
    result = run("mail_host_info", packages=["dpkg", "no-such-package-at-all"])
    assert result["missing_packages"] == ["no-such-package-at-all"]
    assert result["is_root"] == (os.geteuid() == 0)
    assert set(result["sendmail"]) == {"version", "hash_maps"}


PAM_FILES = {
    "account": ("auth required pam_unix.so\naccount required pam_unix.so\n", True),
    "optional-module": ("-account required pam_ldap.so\n", True),
    "capitals": ("Account required pam_unix.so\n", True),
    "indented": ("\taccount\trequired pam_unix.so\n", True),
    "included": ("@include {directory}/account\n", True),
    "included-twice": ("@include {directory}/auth\n@include {directory}/included\n", True),
    "auth": ("auth required pam_unix.so\n", False),
    "includes-auth": ("@include {directory}/auth\n", False),
    "includes-itself": ("@include {directory}/includes-itself\n", False),
    "includes-nothing": ("@include\n@include {directory}/missing\n", False),
    "comment": ("# account required pam_unix.so\n#account\n", False),
    "empty": ("", False),
}


@pytest.mark.parametrize("name", PAM_FILES)
def test_mail_host_info_tells_which_of_pam_s_files_decide_about_accounts(run, tmp_path, name):
    for each, (text, _decides) in PAM_FILES.items():
        (tmp_path / each).write_text(text.format(directory=tmp_path))
    path = str(tmp_path / name)
    expected = [] if PAM_FILES[name][1] else [path]
    assert run("mail_host_info", pam_files=[path])["pam"] == {"missing": [], "without_account": expected, "reporting": []}


def test_mail_host_info_tells_which_of_pam_s_files_are_missing(run, tmp_path):
    (tmp_path / "directory").mkdir()
    paths = [str(tmp_path / name) for name in ("missing", "directory")]
    assert run("mail_host_info", pam_files=paths)["pam"] == {"missing": paths, "without_account": [], "reporting": []}


def test_mail_host_info_finds_the_files_that_it_is_to_look_for(run, tmp_path):
    (tmp_path / "there").symlink_to("nowhere")
    paths = [str(tmp_path / name) for name in ("there", "missing")]
    assert run("mail_host_info", files=paths)["files"] == paths[:1]


OLD = "base_dir = {base}\nauth_policy_server_url = {url}\n"
NEW = "base_dir = {base}\nauth_policy {{\n  server_url = {url}\n}}\n"
OLD_USERDB = "userdb {{\n  args = \n  auth_verbose = default\n  driver = {0}\n  name = \n}}\n"


@pytest.mark.parametrize(
    ("version", "settings", "userdbs", "has_userdb"),
    [
        ("2.3.19.1", OLD, OLD_USERDB.format("passwd"), True),
        ("2.3.19.1", OLD, OLD_USERDB.format("prefetch"), False),
        ("2.3.19.1", OLD, OLD_USERDB.format("prefetch") + OLD_USERDB.format("passwd-file"), True),
        ("2.4.1-4", NEW, "userdb passwd {\n}\n", True),
        ("2.4.1-4", NEW, "userdb prefetch {\n}\n", False),
        ("2.4.1-4", NEW, "userdb first {\n  driver = prefetch\n}\nuserdb passwd-file {\n  passwd_file_path = /x\n}\n", True),
        ("2.4.1-4", NEW, "userdb first {\n  fields {\n    a = b\n  }\n  driver = prefetch\n}\n", False),
        ("2.3.19.1", OLD, "", True),
    ],
)
def test_the_settings_of_dovecot_are_read_as_its_version_prints_them(monkeypatch, version, settings, userdbs, has_userdb):
    def output_of(*command):
        if command[1] == "--version":
            return f"{version} (abc)\n"
        assert command[2] == ("auth_policy_server_url" if version.startswith("2.3") else "auth_policy/server_url")
        return settings.format(base="/run/dovecot2", url="http://policy.example/") + userdbs

    monkeypatch.setattr(mail_host_info, "output_of", output_of)
    module = types.SimpleNamespace(get_bin_path=lambda name, **_options: f"/usr/bin/{name}")
    assert mail_host_info.dovecot(module) == {
        "version": version,
        "auth_policy_server_url": "http://policy.example/",
        "base_directory": "/run/dovecot2",
        "has_userdb": has_userdb,
        "needs_no_password": False,
    }


@pytest.fixture
def role(run, monkeypatch):
    """Return what runs the module with variables of the role on a host that has all but Dovecot and sendmail."""
    monkeypatch.setattr(mail_host_info, "missing_packages", lambda _manager, packages: list(packages))
    monkeypatch.setattr(mail_host_info, "sendmail", lambda _module: {"version": "", "hash_maps": False})

    def inspect(sharing, **variables):
        packages = {"packages": ["a"], "recorder_packages": ["b"], "share_packages": ["c"], "metrics_packages": ["d"]}
        return run("mail_host_info", role=variables, given=list(variables), default_name="main", sharing=sharing, **packages)

    return inspect


SHARING = {"host": "mail1", "servers": {"main": ["mail1", "mail2"]}, "ca": "-----BEGIN CERTIFICATE-----\n"}
ENGINES = [{"host": "engine1"}]


def test_a_host_that_only_reads_mail_and_shares_needs_no_sendmail_and_gets_the_configuration(role):
    result = role(SHARING, relay="none", recorder="none", engines=ENGINES, engine_ca="x")
    assert [problem for problem in result["problems"] if "sendmail" in problem] == []
    result = role(SHARING, relay="none", recorder="pam", engines=ENGINES, engine_ca="x", pam_services=[])
    assert result["missing_packages"] == ["a", "b", "c"]
    assert '"engine1"' in result["share_config"]
    assert result["share_ca"] == SHARING["ca"]
    assert result["used"] == ["recorder", "share"]


def test_a_host_that_does_not_share_has_no_configuration_for_it(role):
    result = role({}, recorder="none")
    assert (result["missing_packages"], result["share_config"], result["share_ca"], result["used"]) == (["a"], "", "", [])
    assert any(problem.startswith("there is no sendmail") for problem in result["problems"])


def test_a_host_with_metrics_gets_their_package_and_their_file(role, tmp_path, monkeypatch):
    monkeypatch.setattr(mail_host_info, "UNIT_FILE", str(tmp_path / "unit"))
    result = role({}, recorder="none", metrics=str(tmp_path))
    file = str(tmp_path / "vsmtprelay.prom")
    assert (result["missing_packages"], result["used"]) == (["a", "d"], ["metrics"])
    assert (result["metrics_file"], result["metrics_before"]) == (file, [])
    assert not [problem for problem in result["problems"] if "metrics" in problem]


@pytest.mark.parametrize("value", ["textfile", "/no/such/directory"])
def test_a_host_without_the_directory_for_metrics_has_a_problem(role, value):
    problems = role({}, recorder="none", metrics=value)["problems"]
    assert [problem for problem in problems if "pop_before_smtp_metrics" in problem]


def test_the_files_of_metrics_that_earlier_runs_left_elsewhere_are_found(role, tmp_path, monkeypatch):
    by_unit, by_record = tmp_path / "unit.prom", tmp_path / "recorded" / "vsmtprelay.prom"
    by_record.parent.mkdir()
    (tmp_path / "unit").write_text(f"[Service]\nExecStart=/usr/local/bin/vsmtprelay metrics --output {by_unit}\n")
    monkeypatch.setattr(mail_host_info, "UNIT_FILE", str(tmp_path / "unit"))
    monkeypatch.setattr(mail_host_info, "last_run", lambda: RunVariables({"metrics": str(by_record.parent)}, []))
    assert role({}, recorder="none")["metrics_before"] == []
    for path in (by_unit, by_record):
        path.touch()
    assert role({}, recorder="none")["metrics_before"] == sorted([str(by_unit), str(by_record)])
    assert role({}, recorder="none", metrics=str(by_record.parent))["metrics_before"] == [str(by_unit)]


def test_engines_of_a_play_are_refused(run):
    variables = {"engines": ENGINES, "recorder": "none"}
    problems = run("mail_host_info", role=variables, default_name="main", sharing=SHARING)["problems"]
    assert any(problem.startswith("pop_before_smtp_engines: set by a play") for problem in problems)
