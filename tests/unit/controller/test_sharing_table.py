# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts share which virtual servers, read once in a run."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from ansible.errors import AnsibleError

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.plugin_utils.sharing_table import servers_of, table_of, table_of_run

ONE, OTHER = {"host": "engine1"}, {"host": "engine2", "port": "6380"}
CUSTOMERS = [{"name": "customers"}]


def variables(engines=(ONE,), servers=None, **others):
    given = {} if servers is None else {"pop_before_smtp_virtual_servers": servers}
    return {"pop_before_smtp_engines": list(engines), **given, **others}


def table(**hosts):
    return table_of(hosts, hosts, lambda host: f"of-{host}")


def test_hosts_share_the_servers_that_have_the_same_name():
    found = table(a=variables(servers=[*CUSTOMERS, {"name": "staff"}]), b=variables(servers=CUSTOMERS), c=variables())
    assert servers_of(found, "a") == {"customers": ["a", "b"], "staff": ["a"]}
    assert servers_of(found, "b") == {"customers": ["a", "b"]}
    assert servers_of(found, "c") == {"of-c": ["c"]}


@pytest.mark.parametrize(
    "other",
    [
        {"pop_before_smtp_virtual_servers": CUSTOMERS},
        variables([], CUSTOMERS),
        variables(servers=CUSTOMERS, pop_before_smtp_state="absent"),
        variables([OTHER], CUSTOMERS),
        variables([{**ONE, "port": 6381}], CUSTOMERS),
        variables(servers=[{"name": ""}, "customers", {}]),
    ],
)
def test_a_host_without_the_engines_of_another_one_shares_nothing_with_it(other):
    assert servers_of(table(a=variables(servers=CUSTOMERS), b=other), "a") == {"customers": ["a"]}


def test_one_engine_in_common_is_enough_and_the_port_has_a_default():
    found = table(a=variables([ONE, OTHER], CUSTOMERS), b=variables([{"host": "engine2", "port": 6380}], CUSTOMERS))
    assert servers_of(found, "b") == {"customers": ["a", "b"]}


def test_a_host_that_is_not_in_the_table_has_no_servers():
    assert servers_of(table(a=variables(servers=CUSTOMERS)), "b") == {}


class Undefined(dict):
    def __getitem__(self, name):
        raise AnsibleError("'x' is undefined\nin a file")


def test_a_variable_that_cannot_be_evaluated_is_named_with_its_host_in_one_line():
    with pytest.raises(MalformedError, match=r"^pop_before_smtp_engines of b cannot be evaluated: 'x' is undefined"):
        table(a=variables(), b=Undefined(variables()))
    with pytest.raises(MalformedError, match=r"^pop_before_smtp_engines of a: 'engine1' is not an engine"):
        table(a=variables(["engine1"]))


def note(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write("x")
    return {"engines": {}, "servers": {}}


def make_in_turn(directory):
    return table_of_run(directory, "a play", lambda: note(os.path.join(directory, "made")))


def test_processes_at_the_same_time_make_it_once(tmp_path):
    with ProcessPoolExecutor(8) as processes:
        found = list(processes.map(make_in_turn, [str(tmp_path)] * 16))
    assert found == [{"engines": {}, "servers": {}}] * 16
    assert (tmp_path / "made").read_text() == "x"


def test_each_play_has_its_own(tmp_path):
    for name in ("one", "one", "two"):
        table_of_run(str(tmp_path), name, lambda: note(tmp_path / "made"))
    assert (tmp_path / "made").read_text() == "xx"


def test_a_fault_is_found_once_and_reported_to_all(tmp_path):
    made = []

    def make():
        made.append(1)
        raise MalformedError("wrong")

    for _time in range(3):
        with pytest.raises(MalformedError, match=r"^wrong$"):
            table_of_run(str(tmp_path), "a play", make)
    assert made == [1]


def test_without_the_directory_of_the_run_each_process_makes_it(tmp_path):
    assert table_of_run(str(tmp_path / "missing"), "a play", lambda: {"engines": {}}) == {"engines": {}}
