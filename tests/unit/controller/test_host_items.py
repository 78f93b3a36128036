# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files and units of the role a run handles on one host."""

from ansible_collections.vsmtp.relay.plugins.plugin_utils.host_items import chosen, in_order

UNITS = [{"name": name, "template": "x"} for name in ("a.socket", "b.socket", "a.service", "b.service")]
DOVECOT = {"name": "dovecot.service"}
COMMAND = {"path": "/usr/local/bin/vsmtprelay", "part": "install"}
KEY = {"path": "/etc/vsmtprelay/key", "part": "run", "needs": "tcp"}
NOTE = {"path": "/etc/note", "content": "x"}


def test_items_of_other_parts_are_left_out_and_those_of_no_part_stay():
    assert chosen([COMMAND, KEY, NOTE], ["install"], ["tcp"]) == [{"path": COMMAND["path"]}, NOTE]


def test_an_item_that_the_host_does_not_use_is_absent():
    assert chosen([KEY], ["run"], ["recorder"]) == [{"path": KEY["path"], "state": "absent"}]


def test_without_parts_and_uses_every_item_is_there():
    assert chosen([COMMAND, KEY, NOTE], None, None) == [{"path": COMMAND["path"]}, {"path": KEY["path"]}, NOTE]


def test_no_parts_at_all_leave_only_items_of_no_part():
    assert chosen([COMMAND, KEY, NOTE], [], []) == [NOTE]


def test_what_is_no_dictionary_is_left_to_the_module():
    assert chosen(["/etc/note", None], ["run"], []) == ["/etc/note", None]


def test_units_start_in_order_and_go_in_reverse_order():
    units = [{"name": "a.socket"}, {"name": "a.service"}, {"name": "dovecot.service"}]
    assert in_order(units) == units
    going = [{**unit, "state": "absent"} for unit in units[:2]] + units[2:]
    assert [unit["name"] for unit in in_order(going)] == ["dovecot.service", "a.service", "a.socket"]


def test_units_that_go_alone_go_first_and_the_units_of_the_host_stay_last():
    units = [{**unit, **({"state": "absent"} if unit["name"].startswith("b.") else {})} for unit in UNITS]
    names = [unit["name"] for unit in in_order([*units, DOVECOT])]
    assert names == ["b.service", "b.socket", "a.socket", "a.service", "dovecot.service"]
