# SPDX-License-Identifier: GPL-3.0-or-later
"""One line for what was done on a host."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.plugin_utils import run_words


def database(name="main", window=1440, **changes):
    changes = {"added": [], "updated": [], "removed": [], **changes}
    return {"virtual_server": name, "path": f"/srv/{name}/etc/relayers.db", "window": window, **changes}


def done(*databases, **more):
    return {"databases": list(databases), **more}


NOWHERE = "this host has none of the virtual servers that were named"
PERMITTED = [
    (done(database(added=["10.0.0.1"])), ["10.0.0.1"], "", "10.0.0.1 may relay through main for 1440 minutes"),
    (done(database()), ["10.0.0.1"], "", "10.0.0.1 may relay through main for 1440 minutes, as before"),
    (
        done(database("a", 60, updated=["x"]), database("b", 30)),
        ["10.0.0.1", "::1"],
        "",
        "10.0.0.1, ::1 may relay through a, b for 60, 30 minutes",
    ),
    (done(database(added=["x"])), ["10.0.0.1"], "2099-12-31", "10.0.0.1 may relay through main to the end of 2099-12-31 (UTC)"),
    (done(), ["10.0.0.1"], "", NOWHERE),
]
REVOKED = [
    (done(database(removed=["10.0.0.1"])), ["10.0.0.1"], "10.0.0.1 is off main"),
    (
        done(database("a", removed=["ipv6:0:0:0:0:0:0:0:1"]), database("b")),
        ["::1", "10.0.0.1"],
        "::1 is off a; 10.0.0.1 was not listed in a, b",
    ),
    (done(database(), declared=["10.0.0.1"]), ["10.0.0.1"], "10.0.0.1 was not listed in main; 10.0.0.1 is declared in"),
    (done(), ["10.0.0.1"], NOWHERE),
]
EXPIRED = [
    ({"databases": [{"virtual_server": "a", "expired": ["x"]}], "older_than": 60}, "1 entry 60 minutes or older expired in a"),
    ({"databases": [{"virtual_server": "a", "expired": ["x", "y"]}], "older_than": 0}, "2 entries of any age expired in a"),
    ({"databases": [{"virtual_server": "a", "expired": []}], "older_than": 60}, "no entry was 60 minutes or older"),
    ({"databases": [], "older_than": 60}, NOWHERE),
]


@pytest.mark.parametrize(("result", "addresses", "until", "line"), PERMITTED)
def test_permit_says_through_what_and_for_how_long(result, addresses, until, line):
    assert run_words.of_permit(result, addresses, until) == line


@pytest.mark.parametrize(("result", "addresses", "line"), REVOKED)
def test_revoke_says_what_was_listed_and_what_was_not(result, addresses, line):
    assert run_words.of_revoke(result, addresses).startswith(line)


@pytest.mark.parametrize(("result", "line"), EXPIRED)
def test_expire_says_how_many(result, line):
    assert run_words.of_expire(result) == line


def test_restore_says_how_many():
    restored = done(database(added=["x", "y"], removed=["z"]), database())
    assert run_words.of_restore(restored) == "2 entries added, 1 entry removed in 2 databases"
    assert run_words.of_restore(done(database())) == "every entry was there in 1 database"


def test_the_role_says_all_that_it_did_or_that_there_was_nothing_to_do():
    assert run_words.of_role({}, {}, {}, {}) == "nothing to do"
    assert (
        run_words.of_role({"kept": ["window"]}, {}, {}, {})
        == "nothing to do (pop_before_smtp_window as set by an earlier play)"
    )
    line = run_words.of_role(
        {"missing_packages": ["cron"]},
        {"table_changed": True, "databases": ["/d"], "files": ["/c"] * 8, "reloaded": ["/c"]},
        {"changed_files": ["/x", "/y"], "actions": ["restart u"]},
        {"results": [{"item": "/etc/pam.d/pop3", "changed": True}, {"item": "/etc/pam.d/imap", "changed": False}]},
    )
    assert line == (
        "packages cron, 2 files, the table of virtual servers, database /d, ruleset in /c, /c, /c, /c, /c, /c and 2 more, "
        "sendmail reread /c, restart u, PAM's /etc/pam.d/pop3"
    )


def test_the_role_says_what_the_proof_of_the_logins_leaves_open():
    def line(**proof):
        return run_words.of_role({}, {}, {"proof": {"proven": [], "faults": [], "others": [], **proof}}, {})

    assert line(proven=["/etc/dovecot/dovecot.conf"]) == "nothing to do"
    assert line(faults=["reported as a fault of the host"]) == "nothing to do"
    assert line() == "nothing to do; no Dovecot runs, so nothing proves that logins will be recorded"
    assert line(proven=["a"], others=["b", "c"]) == "nothing to do; attention: b; attention: c"


def test_an_engine_of_several_that_cannot_be_used_needs_attention():
    installed = {"share_proof": {"faults": [], "others": ["engine1: is away"]}}
    assert run_words.of_role({}, {}, installed, {}) == "nothing to do; attention: engine1: is away"
    assert run_words.of_role({}, {}, {"share_proof": {"faults": ["engine1: is away"], "others": []}}, {}) == "nothing to do"


def test_the_removal_says_what_went():
    assert run_words.of_removal({}, {}, {}, {}) == "nothing to remove"
    line = run_words.of_removal({"actions": ["stop u"], "changed_files": ["/x"]}, {"files": ["/c"]}, {}, {"packages": ["p"]})
    assert line == "stop u, ruleset out of /c, 1 file removed, packages p removed"


def test_a_host_as_it_has_to_be_does_not_drift():
    servers = {"table_changed": False, "databases": [], "files": [], "reloaded": []}
    assert run_words.drift({"missing_packages": []}, servers, {"changed_files": [], "actions": []}, {}) == []


def test_everything_that_the_role_would_change_is_drift():
    drift = run_words.drift(
        {"missing_packages": ["cron"]},
        {"table_changed": True, "databases": ["/a/relayers.db"], "files": ["/a/sendmail.cf"], "reloaded": ["/b/sendmail.cf"]},
        {"changed_files": ["/etc/cron.d/vsmtprelay"], "actions": ["restart vsmtprelay-recorder.service"]},
        {"results": [{"item": "/etc/pam.d/pop3", "msg": "Block inserted"}, {"item": "/etc/pam.d/imap", "msg": ""}]},
    )
    assert drift == [
        "package cron",
        "/etc/vsmtprelay/virtual_servers",
        "/a/relayers.db",
        "/a/sendmail.cf",
        "the sendmail that runs with /b/sendmail.cf",
        "/etc/cron.d/vsmtprelay",
        "restart vsmtprelay-recorder.service",
        "/etc/pam.d/pop3",
    ]


def test_the_line_about_an_engine_has_what_was_done_and_when_its_certificate_ends():
    host = {"missing_packages": ["valkey-server"]}
    installed = {"changed_files": ["/etc/valkey/x"], "actions": ["restart valkey-server@vsmtprelay.service"]}
    line = run_words.of_engine(host, {"changed": True, "end": "soon"}, {"changed_hosts": ["mail1", "mail2"]}, installed)
    assert line == (
        "package valkey-server, a new certificate, 1 file, users of mail1, mail2, "
        "restart valkey-server@vsmtprelay.service (its certificate ends soon)"
    )
    assert run_words.of_engine({}, {}, {}, {}) == "nothing to do"
