# SPDX-License-Identifier: GPL-3.0-or-later
"""The file share.json: what it says, and what is said about one that is wrong."""

from __future__ import annotations

import json

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import configuration
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.configuration import Engine

MEMBERS = {
    "host": "mail1",
    "engines": [{"host": "engine1", "port": 6380}, {"host": "2001:db8::1", "port": 6380}, {"host": "engine1", "port": 6380}],
    "ca": "/etc/vsmtprelay/share-ca.pem",
    "servers": {
        "customers": {"hosts": ["mail1", "mail2"], "minutes": 1440},
        "other": {"hosts": ["mail3", "mail1"], "minutes": 5},
    },
    "publishes": True,
    "receives": False,
}


def load(tmp_path, members):
    path = tmp_path / "share.json"
    path.write_text(members if isinstance(members, str) else json.dumps(members))
    return configuration.load(str(path))


def test_it_says_who_shares_what_over_which_engines(tmp_path):
    loaded = load(tmp_path, MEMBERS)
    assert loaded.host == "mail1"
    assert loaded.engines == (Engine("engine1", 6380), Engine("2001:db8::1", 6380))
    assert [engine.name for engine in loaded.engines] == ["engine1:6380", "[2001:db8::1]:6380"]
    assert loaded.origins() == ["mail2", "mail3"]
    assert loaded.windows() == {"customers": 86_400_000, "other": 300_000}
    assert loaded.longest_window() == 86_400_000
    assert (loaded.publishes, loaded.receives) == (True, False)


def test_a_host_publishes_and_receives_unless_it_says_otherwise(tmp_path):
    loaded = load(tmp_path, {name: value for name, value in MEMBERS.items() if name not in ("publishes", "receives")})
    assert (loaded.publishes, loaded.receives) == (True, True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": ""}, "not the name of a host"),
        ({"host": "mail1:x"}, "not the name of a host"),
        ({"host": "mail*"}, "not the name of a host"),
        ({"host": "-"}, "not the name of a host"),
        ({"host": 5}, "not the name of a host"),
        ({"engines": []}, "engines is not a list"),
        ({"engines": {}}, "engines is not a list"),
        ({"engines": ["engine1"]}, "not an object with host and port"),
        ({"engines": [{"host": "engine1", "port": "6380"}]}, "not a port"),
        ({"engines": [{"host": "engine1", "port": True}]}, "not a port"),
        ({"engines": [{"host": "engine1", "port": 65536}]}, "not a port"),
        ({"engines": [{"host": "a\nb", "port": 1}]}, "not a name"),
        ({"ca": None}, "ca is not a path"),
        ({"servers": {}}, "servers is not an object"),
        ({"servers": {"A b": {"hosts": [], "minutes": 1}}}, "not the name of a virtual server"),
        ({"servers": {"a": []}}, "not an object with hosts and minutes"),
        ({"servers": {"a": {"hosts": "mail1", "minutes": 1}}}, "are not a list"),
        ({"servers": {"a": {"hosts": ["*"], "minutes": 1}}}, "not the name of a host"),
        ({"servers": {"a": {"hosts": [], "minutes": 0}}}, "from 1 to 527040"),
        ({"servers": {"a": {"hosts": [], "minutes": 527041}}}, "from 1 to 527040"),
        ({"servers": {"a": {"hosts": [], "minutes": True}}}, "from 1 to 527040"),
        ({"publishes": "yes"}, "are true or false"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_in_one_line_with_the_file(tmp_path, changes, message):
    with pytest.raises(MalformedError, match=message) as error:
        load(tmp_path, {**MEMBERS, **changes})
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\udcff"])
def test_a_file_that_is_no_configuration(tmp_path, text):
    (tmp_path / "share.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MalformedError, match=r"share\.json: is not"):
        configuration.load(str(tmp_path / "share.json"))


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(UnreadableError, match="pop_before_smtp_engines"):
        configuration.load(str(tmp_path / "share.json"))
