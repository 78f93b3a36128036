# SPDX-License-Identifier: GPL-3.0-or-later
"""The module mail_host_info: what a host has."""

from __future__ import annotations

import os
import types

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._module import mail_host_info


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
