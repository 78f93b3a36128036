# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual servers of a host: their table, their files, and which one a login belongs to."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers import virtual_servers
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import (
    VirtualServer,
    VirtualServers,
)


def servers(*items):
    return VirtualServers.from_list(items)


@pytest.mark.parametrize(
    ("root", "relayers_db", "sendmail_cf"),
    [
        ("/", "/etc/mail/relayers.db", "/etc/mail/sendmail.cf"),
        ("//", "/etc/mail/relayers.db", "/etc/mail/sendmail.cf"),
        ("/srv/a", "/srv/a/etc/relayers.db", "/srv/a/etc/sendmail.cf"),
        ("/srv/a/", "/srv/a/etc/relayers.db", "/srv/a/etc/sendmail.cf"),
        ("//srv/./a/", "/srv/a/etc/relayers.db", "/srv/a/etc/sendmail.cf"),
    ],
)
def test_paths_that_are_not_given_follow_from_the_root(root, relayers_db, sendmail_cf):
    server = VirtualServer("a", root)
    assert (server.relayers_db, server.sendmail_cf) == (relayers_db, sendmail_cf)


def test_paths_that_are_given_are_taken():
    server = VirtualServer("a", "/srv/a", "/x/y.db", "/x/y.cf")
    assert (server.root, server.relayers_db, server.sendmail_cf) == ("/srv/a", "/x/y.db", "/x/y.cf")


@pytest.mark.parametrize("name", ["a", "0", "example.org", "a-b_c.d", "a" * 200])
def test_names_are_of_letters_digits_dots_underscores_and_hyphens(name):
    assert VirtualServer(name).name == name


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "_a", "a b", "a/b", "a\n", "a\t", "ä", "a,b"])
def test_other_names_are_refused(name):
    with pytest.raises(MalformedError, match="virtual server"):
        VirtualServer(name)


@pytest.mark.parametrize("field", ["root", "relayers_db", "sendmail_cf"])
@pytest.mark.parametrize("path", ["etc", "./x", "~/x", "/a\tb", "/a\nb", "/a\0b", "/a\u2028b", "/a\x85b"])
def test_a_path_that_a_line_of_the_table_cannot_hold_is_refused_with_server_and_field(field, path):
    with pytest.raises(MalformedError, match=f"'a': {field}: "):
        VirtualServer("a", **{field: path})


@pytest.mark.parametrize("domain", ["", "-a", "a b", "a,b", "a@b", "a\tb", "*"])
def test_what_is_no_domain_is_refused(domain):
    with pytest.raises(MalformedError, match="is not a domain name"):
        VirtualServer("a", domains=[domain])


def test_a_malformed_address_is_refused_with_server_and_field():
    with pytest.raises(MalformedError, match=r"'a': addresses: '10\.0\.0'"):
        VirtualServer("a", addresses=["10.0.0"])


def test_addresses_are_kept_as_keys_and_domains_in_lower_case():
    server = VirtualServer("a", addresses=["2001:DB8::1", "10.0.0.1"], domains=["Example.ORG"])
    assert server.addresses == ("ipv6:2001:db8:0:0:0:0:0:1", "10.0.0.1")
    assert server.domains == ("example.org",)


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ({"name": "a"}, {"name": "a", "root": "/x"}, "name 'a'"),
        ({"name": "a"}, {"name": "b"}, "database '/etc/mail/relayers.db'"),
        ({"name": "a", "root": "/x"}, {"name": "b", "root": "//./x"}, "database '/x/etc/relayers.db'"),
        (
            {"name": "a", "addresses": ["2001:db8::1"]},
            {"name": "b", "root": "/b", "addresses": ["2001:db8:0::1"]},
            "address 'ipv6:2001:db8:0:0:0:0:0:1'",
        ),
        ({"name": "a", "domains": ["X.org"]}, {"name": "b", "root": "/b", "domains": ["x.ORG"]}, "domain 'x.org'"),
        ({"name": "a", "domains": ["x.org", "x.org"]}, {"name": "b", "root": "/b"}, "domain 'x.org'"),
    ],
)
def test_two_servers_do_not_share_what_tells_them_apart(one, other, what):
    with pytest.raises(MalformedError, match="have the same") as failure:
        servers(one, other)
    assert what in str(failure.value)


@pytest.mark.parametrize("item", [{}, {"name": None}, {"name": ""}, {"name": "a", "adresses": []}])
def test_an_item_without_a_name_or_with_an_unknown_field_is_refused(item):
    with pytest.raises(MalformedError, match="the fields are name, root,"):
        servers(item)


def test_a_field_that_is_null_has_its_default():
    item = {"name": "a", "root": None, "relayers_db": None, "sendmail_cf": None, "addresses": None, "domains": None}
    assert servers(item).servers[0].as_dict() == VirtualServer("a").as_dict()


MANY = (
    {"name": "both", "root": "/srv/both", "addresses": ["192.0.2.1", "2001:db8::1"], "domains": ["both.example"]},
    {"name": "domain", "root": "/srv/do main,x#y", "domains": ["a.example", "b.example"]},
    {"name": "rest"},
)


def test_the_table_is_read_back_as_it_was_written(tmp_path):
    table = tmp_path / "table"
    table.write_text(servers(*MANY).table())
    assert [each.as_dict() for each in VirtualServers.from_table(str(table)).servers] == [
        each.as_dict() for each in servers(*MANY).servers
    ]
    assert VirtualServers.from_table(str(table)).table() == table.read_text()


def test_no_servers_are_a_table_without_lines(tmp_path):
    table = tmp_path / "table"
    table.write_text(servers().table())
    assert VirtualServers.from_table(str(table)).servers == ()


def test_a_missing_table_is_unreadable_and_the_remedy_is_named(tmp_path):
    with pytest.raises(UnreadableError, match="name a file with --database"):
        VirtualServers.from_table(str(tmp_path / "table"))


@pytest.mark.parametrize("line", ["a", "a\t/", "a /srv/a", "a\t/\t\t\t\t\t", "\t\t\t\t\t", "A\t/\t\t\t\t"])
def test_a_line_that_is_not_ours_is_malformed(tmp_path, line):
    table = tmp_path / "table"
    table.write_text(line + "\n")
    with pytest.raises(MalformedError):
        VirtualServers.from_table(str(table))


def test_a_table_that_is_not_text_is_malformed(tmp_path):
    (tmp_path / "table").write_bytes(b"\xff\xfe\n")
    with pytest.raises((MalformedError, UnreadableError)):
        VirtualServers.from_table(str(tmp_path / "table"))


@pytest.mark.parametrize(
    ("local", "domain", "name"),
    [
        ("192.0.2.1", "", "both"),
        ("ipv6:2001:db8:0:0:0:0:0:1", "", "both"),
        ("192.0.2.1", "a.example", "both"),
        ("192.0.2.9", "both.example", "both"),
        ("192.0.2.9", "A.Example", "domain"),
        (None, "b.example", "domain"),
        ("192.0.2.9", "", "rest"),
        (None, "", "rest"),
        (None, "c.example", "rest"),
        (None, "sub.a.example", "rest"),
    ],
)
def test_a_login_goes_by_its_local_address_then_by_its_domain_then_to_the_one_that_has_neither(local, domain, name):
    assert servers(*MANY).of_login(local, domain).name == name


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"name": "a", "addresses": ["192.0.2.1"]}],
        [{"name": "a", "root": "/a"}, {"name": "b", "root": "/b"}],
    ],
)
def test_a_login_that_no_server_claims_belongs_to_none_unless_just_one_takes_the_rest(items):
    assert servers(*items).of_login("192.0.2.9", "example.org") is None


def test_a_server_is_found_by_its_name():
    assert servers(*MANY).named("domain").root == "/srv/do main,x#y"
    with pytest.raises(MalformedError, match="there are: both, domain, rest"):
        servers(*MANY).named("nobody")


@pytest.mark.parametrize(
    ("home", "name"), [("/srv/both", "both"), ("/srv/both/", "both"), ("/", "rest"), ("/root", "rest"), ("/srv", "rest")]
)
def test_a_server_is_found_by_the_home_directory_that_is_its_root(home, name):
    assert servers(*MANY).of_home(home).name == name


def test_the_only_server_is_that_of_every_home_directory():
    assert servers({"name": "a", "root": "/a", "domains": ["a.example"]}).of_home("/root").name == "a"


@pytest.mark.parametrize("items", [[], [{"name": "a", "root": "/a"}, {"name": "b", "root": "/b"}]])
def test_without_a_default_a_home_directory_elsewhere_has_no_server(items):
    with pytest.raises(MalformedError, match="say which with --server"):
        servers(*items).of_home("/root")


def test_the_server_of_a_database_is_found_by_its_path_in_any_spelling(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name / "etc").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    host = servers(*({"name": name, "root": str(tmp_path / name)} for name in ("a", "b")))
    monkeypatch.chdir(tmp_path / "a")
    for path, name in (
        (tmp_path / "a/etc/relayers.db", "a"),
        ("etc/relayers.db", "a"),
        (f"{tmp_path}/b/../a/etc/relayers.db", "a"),
        (tmp_path / "link/etc/relayers.db", "b"),
        (tmp_path / "a/etc/other.db", None),
        ("relayers.db", None),
    ):
        server = host.of_database(str(path))
        assert (server and server.name) == name


def test_a_database_that_links_to_that_of_another_server_is_still_its_server_s(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "etc").mkdir(parents=True)
    (tmp_path / "b/etc/relayers.db").symlink_to(tmp_path / "a/etc/relayers.db")
    host = servers(*({"name": name, "root": str(tmp_path / name)} for name in ("a", "b")))
    assert host.of_database(str(tmp_path / "b/etc/relayers.db")).name == "b"


def test_a_host_shares_where_the_role_has_configured_it(tmp_path, monkeypatch):
    monkeypatch.setattr(virtual_servers, "SHARE", str(tmp_path / "share.json"))
    assert not virtual_servers.is_shared()
    (tmp_path / "share.json").touch()
    assert virtual_servers.is_shared()
