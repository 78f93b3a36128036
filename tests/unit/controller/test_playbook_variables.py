# SPDX-License-Identifier: GPL-3.0-or-later
"""What people tell the playbooks: as they mistype it."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.filter.virtual_server_name import socket, virtual_server_name
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.plugin_utils.playbook_variables import (
    CHECKS,
    NEW,
    PLAYBOOKS,
    check,
    check_names,
    listed,
)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a, b  c\n", ["a", "b", "c"]),
        (["a", "b,c"], ["a", "b", "c"]),
        ("", []),
        ([], []),
        (5, ["5"]),
    ],
)
def test_names_come_as_a_list_or_as_text(value, names):
    assert listed(value) == names


GOOD = {
    "relay_address": ["10.0.0.1", "10.0.0.1, 2001:db8::5", ["10.0.0.1", "::1"]],
    "relay_until": ["2099-12-31"],
    "relay_virtual_servers": ["main", "a b", ["a", "b"]],
    "relay_older_than": ["0", "60", 0, 1440],
    "relay_report": ["status.html"],
    "relay_json": ["/tmp/status.json"],
    "relay_history": ["history.jsonl", "/tmp/history.jsonl"],
    "relay_directory": ["relayers", "~/relayers"],
    "relay_drift": [True, "false", "no", "0"],
    "relay_exactly": [False, "yes"],
    "relay_strict": ["true", 1],
}
BAD = {
    "relay_address": ["", [], "mail.example.org", "10.0.0.1, x", "10.0.0.0/8", "10.0.0.256"],
    "relay_until": ["tomorrow", "", "2020-01-01", "2099-13-01"],
    "relay_virtual_servers": ["", [], "A", "*", "a/b"],
    "relay_older_than": ["2h", "abc", "1d", "", "-1", "1.5", 1.5, True, None, [], "1e3", "٣"],
    "relay_report": ["", "/", "/nonexistent/status.html"],
    "relay_json": ["", "/tmp"],
    "relay_history": ["", "/tmp", "/nonexistent/history.jsonl", "/etc/passwd", "/dev/null", "/proc/self/mem"],
    "relay_directory": ["", " "],
    "relay_drift": ["maybe", "", None],
    "relay_exactly": ["exactly", ""],
    "relay_strict": ["2", ""],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_what_makes_sense_is_taken(name, value):
    check(name, value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_what_does_not_is_refused_in_a_line_that_begins_with_the_name(name, value):
    with pytest.raises(MalformedError) as error:
        check(name, value)
    assert str(error.value).startswith(f"{name}: ")
    assert "\n" not in str(error.value)


def test_every_variable_of_every_playbook_is_judged():
    assert {name for names, _required in PLAYBOOKS.values() for name in names} == set(CHECKS) == set(GOOD) == set(BAD)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_name_of_before_is_told_unless_the_new_one_is_there(playbook):
    names, required = PLAYBOOKS[playbook]
    for name in set(names) - NEW:
        old = name.removeprefix("relay_")
        with pytest.raises(MalformedError, match=f"{old} is not read any more: write -e {name}="):
            check_names(
                playbook,
                {**dict.fromkeys(required, "x"), **{other: "x" for other in required if other != name}, old: "x"}
                if name not in required
                else {old: "x"},
            )
        check_names(playbook, {**dict.fromkeys(required, "x"), name: "x", old: "x"})


def test_a_variable_of_the_inventory_with_the_name_of_a_new_one_is_none_of_ours():
    check_names("status", {"history": "of this host"})


@pytest.mark.parametrize(("playbook", "missing"), [("permit", "relay_address"), ("backup", "relay_directory")])
def test_what_is_missing_is_told_with_what_to_write(playbook, missing):
    with pytest.raises(MalformedError, match=f"{missing} is missing: give it with -e {missing}="):
        check_names(playbook, {})


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mail1.example.org", "mail1"),
        ("Mail1", "mail1"),
        ("192.0.2.10", "192.0.2.10"),
        ("2001:db8::5", "2001-db8--5"),
        ("_odd name", "odd-name"),
        ("日本", "main"),
        ("localhost", "controller"),
        ("127.0.0.1", "controller"),
    ],
)
def test_a_virtual_server_is_called_after_its_host_and_never_localhost(monkeypatch, host, name):
    monkeypatch.setattr(socket, "gethostname", lambda: "Controller.example.org")
    assert virtual_server_name(host) == name
