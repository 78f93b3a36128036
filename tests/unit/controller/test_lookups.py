# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups of hosts that share their logins, and of engines."""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.vsmtp.relay.plugins.lookup import engine_ca, engine_hosts, relay_hosts, sharing_hosts
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
GROUP = "pop_before_smtp_engine"


def mail_host(*engines, **others):
    return {
        "pop_before_smtp_engines": [{"host": engine} for engine in engines],
        "pop_before_smtp_virtual_servers": [{"name": "customers"}],
        **others,
    }


FLEET = {
    "mail1": mail_host("engine1", "192.0.2.2", vsmtprelay_secret={"sha256": "1"}, settled={"failed": False}),
    "mail2": mail_host("engine1", vsmtprelay_secret={"sha256": "2"}, settled={"failed": True}),
    "mail3": mail_host("engine1"),
    "mail4": {},
    "engine1": {},
    "engine2": {"ansible_host": "192.0.2.2"},
}
GROUPS = {"all": list(FLEET), GROUP: ["engine1", "engine2"]}


def variables(host="mail1", fleet=None, groups=None, **others):
    fleet = FLEET if fleet is None else fleet
    own = {"inventory_hostname": host, "hostvars": fleet, "groups": groups or GROUPS}
    return {**fleet.get(host, {}), **own, **others}


@pytest.fixture
def look(monkeypatch, tmp_path):
    """Return what calls a lookup with variables, and returns its only value."""
    for module in (sharing_hosts, engine_hosts):
        monkeypatch.setattr(module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def look(module, variables, *terms, **options):
        lookup = module.LookupModule.__new__(module.LookupModule)
        lookup._templar = types.SimpleNamespace(template=lambda value: value)
        lookup.set_options = lambda **_options: None
        lookup.get_option = options.get
        lookup.find_file_in_search_path = lambda _variables, _kind, name, **_options: (
            str(tmp_path / name) if name == "ca" else None
        )
        (value,) = lookup.run(list(terms), variables)
        return value

    return look


def test_a_host_finds_those_that_share_its_servers(look):
    assert look(sharing_hosts, variables()) == {"host": "mail1", "servers": {"customers": ["mail1", "mail2", "mail3"]}}


def test_a_host_without_engines_looks_at_no_other_host(look):
    assert look(sharing_hosts, {"inventory_hostname": "mail4"}) == {"host": "mail4", "servers": {}}


def test_a_variable_that_does_not_fit_is_reported_in_one_line(look):
    wrong = {**FLEET, "mail2": {"pop_before_smtp_engines": ["engine1"]}}
    with pytest.raises(AnsibleLookupError, match="pop_before_smtp_engines of mail2: 'engine1' is not an engine"):
        look(sharing_hosts, variables(fleet=wrong))
    with pytest.raises(AnsibleLookupError, match="pop_before_smtp_engines of mail2"):
        look(engine_hosts, variables(fleet=wrong), "engine1", port=6380)


def test_an_engine_finds_its_hosts_and_the_hashes_that_are_known(look):
    assert look(engine_hosts, variables(), "engine1", port=6380) == {"mail1": "1", "mail2": "2", "mail3": None}
    assert look(engine_hosts, variables(), "engine2", "192.0.2.2", port=6380) == {"mail1": "1"}
    assert look(engine_hosts, variables(), "engine1", port=6381) == {}


def test_a_host_that_does_not_use_its_new_secret_keeps_the_old_one(look):
    assert look(engine_hosts, variables(), "engine1", port=6380, settled="settled") == {
        "mail1": "1",
        "mail2": None,
        "mail3": None,
    }


def test_a_certificate_is_given_as_text_or_as_the_path_of_a_file(look, tmp_path):
    assert look(engine_ca, {}) == ""
    assert look(engine_ca, {"pop_before_smtp_engine_ca": f"\n{PEM}\n"}) == PEM
    with pytest.raises(AnsibleLookupError, match="there is no file nothing on the controller"):
        look(engine_ca, {"pop_before_smtp_engine_ca": "nothing"})
    with pytest.raises(AnsibleLookupError, match="ca cannot be read: No such file"):
        look(engine_ca, {"pop_before_smtp_engine_ca": "ca"})
    (tmp_path / "ca").write_text(PEM)
    assert look(engine_ca, {"pop_before_smtp_engine_ca": "ca"}) == PEM


def test_the_certificates_of_engines_that_were_not_set_up_now_stay(look):
    fleet = {
        "engine1": {"pop_before_smtp_engine__certificate": {"ca": PEM}},
        "engine2": {"pop_before_smtp_engine__certificate": {"skipped": True}},
        "engine3": {},
        "engine4": {"pop_before_smtp_engine__certificate": {"ca": ""}, "pop_before_smtp_engine_ca": PEM},
    }
    found = look(engine_ca, variables(fleet=fleet, groups={GROUP: list(fleet)}), of_engines=True)
    assert found == {"pop_before_smtp_engine_ca": None, "engine1": PEM, "engine2": None, "engine3": None, "engine4": PEM}


def check(**changes):
    fleet = changes.get("fleet", FLEET)
    relay_hosts._check_engines({"groups": changes.get("groups", GROUPS)}, fleet)


def test_every_engine_that_hosts_name_is_in_the_group_under_that_name():
    check()
    check(
        fleet={
            **FLEET,
            "mail3": mail_host("other"),
            "engine2": {"pop_before_smtp_engine_names": ["other"], "ansible_host": "192.0.2.2"},
        }
    )
    with pytest.raises(
        MalformedError, match=r"no host of the group pop_before_smtp_engine has the name and port other 6380: correct it"
    ):
        check(fleet={**FLEET, "mail3": mail_host("other")})
    check(fleet={**FLEET, "mail3": mail_host("other", pop_before_smtp_engine_ca=PEM)})
    with pytest.raises(MalformedError, match=r"engine1 6380"):
        check(fleet={**FLEET, "engine1": {"pop_before_smtp_engine_port": 6381}})


def test_without_engines_or_hosts_that_use_one_there_is_nothing_to_do():
    with pytest.raises(MalformedError, match="the inventory has no group pop_before_smtp_engine"):
        check(groups={"all": list(FLEET)})
    with pytest.raises(MalformedError, match="no host in the inventory has pop_before_smtp_engines"):
        check(fleet={host: {} for host in FLEET})


def test_an_engine_that_nobody_uses_can_be_removed():
    nobody = {host: {} for host in FLEET}
    relay_hosts._check_engines({"groups": GROUPS, "pop_before_smtp_engine_state": "absent"}, nobody)
    check(fleet={**nobody, "engine1": {"pop_before_smtp_engine_state": "absent"}})
    with pytest.raises(MalformedError, match="no host in the inventory has pop_before_smtp_engines"):
        relay_hosts._check_engines({"groups": GROUPS, "pop_before_smtp_engine_state": "present"}, nobody)


def test_an_engine_is_no_mail_host_unless_it_shares_logins():
    lookup = relay_hosts.LookupModule.__new__(relay_hosts.LookupModule)
    assert lookup._mail_hosts(variables()) == "all,!engine1,!engine2"
    assert lookup._mail_hosts(variables(fleet={**FLEET, "engine2": mail_host("engine1")})) == "all,!engine1"
    assert lookup._mail_hosts({"groups": {"all": ["mail1"]}}) == "all"
    assert lookup._mail_hosts({}) == "all"
