# SPDX-License-Identifier: GPL-3.0-or-later
"""The ACL file of an engine: who may use it, with which hashes."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine import CommandError, EngineError, Lost
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine_users import acl_text, hosts_of

ONE, TWO, ADMIN = "1" * 64, "2" * 64, "a" * 64
BEFORE = acl_text("", {"mail1": ONE, "mail2": ONE}, ADMIN, keep_old=False)


def test_the_default_user_is_off_and_each_host_has_two():
    lines = BEFORE.splitlines()
    # Off, and without a password; with permissions, or Redis 7.0 passes over what was published when it starts again.
    assert lines[0] == "user default off resetpass ~* +@all"
    assert [line.split()[1] for line in lines[1:]] == ["vsmtprelay-admin", "mail1-pub", "mail1-sub", "mail2-pub", "mail2-sub"]
    assert lines[2].startswith(f"user mail1-pub on #{ONE} ~vsmtprelay:1:mail1:* -@all +ping ")
    assert lines[3].startswith(f"user mail1-sub on #{ONE} ~vsmtprelay:1:* -@all +ping ")
    assert "+acl|load" in lines[1]
    assert not any("+acl" in line for line in lines[2:])


def length_of(admin, engine):
    """Return the length of a stream, 0 if there is none, and None as long as the engine reads its files."""
    try:
        with admin(engine) as connection:
            return connection.ask("XINFO", "STREAM", "vsmtprelay:1:mail1:stream")[1]
    except Lost:
        return None
    except CommandError:
        return 0


def test_an_engine_with_this_file_still_has_all_after_a_restart(engine, admin, eventually):
    started = engine()
    text = acl_text("", {"mail1": access.hash_of("secret")}, ADMIN, keep_old=False)
    started.stop()
    started.set_users(text.splitlines())
    started.start()
    with admin(started, "mail1-pub", "secret") as connection:
        connection.transaction(
            [("XADD", "vsmtprelay:1:mail1:stream", "*", "n", 1), ("ZADD", "vsmtprelay:1:mail1:logins", 1, "x")]
        )
    started.kill()
    started.start()
    eventually(lambda: length_of(admin, started) == 1)
    with pytest.raises(Lost), admin(started, "default", "secret"):
        pass
    with admin(started, "", "") as connection, pytest.raises(EngineError, match=r"(?i)auth"):
        connection.ask("PING")


@pytest.mark.parametrize(
    ("wanted", "keep_old", "after"),
    [
        ({"mail1": ONE, "mail2": None}, True, {"mail1": [ONE], "mail2": [ONE]}),
        ({"mail1": TWO, "mail2": ONE}, True, {"mail1": [TWO, ONE], "mail2": [ONE]}),
        ({"mail1": TWO, "mail2": ONE}, False, {"mail1": [TWO], "mail2": [ONE]}),
        ({"mail1": None, "mail3": None}, True, {"mail1": [ONE]}),
        ({"mail3": TWO}, False, {"mail3": [TWO]}),
        ({}, True, {}),
    ],
)
def test_a_host_keeps_its_hash_until_it_uses_the_new_one(wanted, keep_old, after):
    text = acl_text(BEFORE, wanted, ADMIN, keep_old)
    assert hosts_of(text) == {host: "".join(f"#{each} " for each in hashes) for host, hashes in after.items()}
    assert acl_text(text, wanted, ADMIN, keep_old) == text


@pytest.mark.fault("forged-share")
@pytest.mark.parametrize(
    "said",
    ["", "x", TWO[1:], TWO.upper().replace("2", "A"), f"{TWO}\n", f"{TWO} ~* +@all", f"{TWO}\nuser me on nopass ~* +@all"],
)
def test_a_host_cannot_add_anything_but_a_hash(said):
    assert acl_text(BEFORE, {"mail1": said, "mail2": ONE}, ADMIN, keep_old=True) == BEFORE
    assert hosts_of(acl_text("", {"mail1": said, "mail2": TWO}, ADMIN, keep_old=True)) == {"mail2": f"#{TWO} "}


def test_a_host_that_does_not_answer_keeps_both_hashes():
    both = acl_text(BEFORE, {"mail1": TWO, "mail2": ONE}, ADMIN, keep_old=True)
    assert hosts_of(acl_text(both, {"mail1": None}, ADMIN, keep_old=False)) == {"mail1": f"#{TWO} #{ONE} "}
    assert hosts_of(acl_text(both, {"mail1": TWO}, ADMIN, keep_old=False)) == {"mail1": f"#{TWO} "}
