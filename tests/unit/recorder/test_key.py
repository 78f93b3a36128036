# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret that Dovecot and the recorder share."""

from __future__ import annotations

import os
import re
import stat

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import key as recorder_key

LINE = "auth_policy_server_api_header = X-API-Key:"


def test_a_key_is_a_line_for_dovecot_and_private(tmp_path):
    path = tmp_path / "new" / "key"
    recorder_key.create(str(path))
    assert re.fullmatch(LINE + "[0-9a-f]{64}", path.read_text().splitlines()[-1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["key"]


def test_the_secret_is_read_back_out_of_the_same_line(tmp_path):
    path = tmp_path / "key"
    recorder_key.create(str(path))
    assert recorder_key.load(str(path)) == path.read_text().strip().rpartition(LINE)[2]


def test_the_exporter_has_the_same_secret_as_the_password_of_its_url(tmp_path):
    path = tmp_path / "key"
    recorder_key.create(str(path))
    url = f"http://vsmtprelay:{recorder_key.load(str(path))}@127.0.0.1:785/unreported"
    assert f"  transport_args = {url}\n" in path.read_text()


def test_a_file_that_was_just_created_is_as_it_ought_to_be(tmp_path):
    recorder_key.create(str(tmp_path / "key"))
    assert recorder_key.due_text(str(tmp_path / "key")) is None


def test_a_file_of_an_earlier_version_gets_the_exporter_and_keeps_its_secret(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{LINE}{'a' * 40}\n")
    path.write_bytes(recorder_key.due_text(str(path)))
    assert recorder_key.load(str(path)) == "a" * 40
    assert "event_exporter vsmtprelay {" in path.read_text()
    assert recorder_key.due_text(str(path)) is None


def test_a_secret_of_one_s_own_is_quoted_in_the_url(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(recorder_key.text_with("a/@%" * 10))
    assert f"vsmtprelay:{'a%2F%40%25' * 10}@127.0.0.1" in path.read_text()
    assert recorder_key.load(str(path)) == "a/@%" * 10


def test_a_missing_file_gets_a_new_secret_every_time(tmp_path):
    assert recorder_key.due_text(str(tmp_path / "key")) != recorder_key.due_text(str(tmp_path / "key"))


def test_every_key_is_another(tmp_path):
    path = str(tmp_path / "key")
    recorder_key.create(path)
    first = recorder_key.load(path)
    recorder_key.create(path)
    assert recorder_key.load(path) != first


def test_blanks_around_the_secret_do_not_count(tmp_path):
    (tmp_path / "key").write_text(f"auth_policy_server_api_header = X-API-Key: {'a' * 40} \n\n")
    assert recorder_key.load(str(tmp_path / "key")) == "a" * 40


def test_a_missing_key_is_unreadable_and_the_remedy_is_named(tmp_path):
    with pytest.raises(UnreadableError, match="--create-key"):
        recorder_key.load(str(tmp_path / "key"))


@pytest.mark.parametrize("content", ["", "\n", "auth_policy_server_api_header = X-API-Key:\n", "X-API-Key:short\n"])
def test_a_file_without_a_secret_is_refused(tmp_path, content):
    (tmp_path / "key").write_text(content)
    with pytest.raises(MalformedError, match="holds no secret"):
        recorder_key.load(str(tmp_path / "key"))


def test_a_key_can_be_created_in_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder_key.create("key")
    assert recorder_key.load("key")
