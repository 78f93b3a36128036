# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of a host on the engine, and its secret."""

from __future__ import annotations

import hashlib
import os

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access


def test_a_secret_is_new_each_time_and_only_its_owner_can_read_it(tmp_path):
    path = str(tmp_path / "new" / "secret")
    access.create_secret(path)
    first = access.load_secret(path)
    access.create_secret(path)
    assert len(first) == 64
    assert access.load_secret(path) != first
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"secret", b"g" * 64, b"a" * 65])
def test_a_file_without_a_secret_is_named(tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(MalformedError, match="holds no secret"):
        access.load_secret(str(tmp_path / "secret"))


def test_a_missing_secret_is_named_with_the_remedy(tmp_path):
    with pytest.raises(UnreadableError, match="--create-secret"):
        access.load_secret(str(tmp_path / "secret"))


def test_the_lines_for_the_engine_hold_the_hash_and_the_least_that_is_needed():
    secret = "ab" * 32
    publisher, subscriber = access.acl_lines("mail1", secret)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert publisher == (
        f"user mail1-pub on #{digest} ~vsmtprelay:1:mail1:* -@all"
        " +ping +time +multi +exec +xadd +xrevrange +zadd +zrem +zremrangebyscore +pexpire +xinfo"
    )
    assert subscriber == f"user mail1-sub on #{digest} ~vsmtprelay:1:* -@all +ping +time +xread +xinfo +zrangebyscore"
