# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have other hosts do where logins are shared, in check mode nothing."""

from __future__ import annotations

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.dev.support.sample_entries import NOW, A, B, C
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers import virtual_servers
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes

FUTURE = 1_924_991_999
PERMANENT = 253402214400
V6, KEY6 = "2001:db8::5", "ipv6:2001:db8:0:0:0:0:0:5"


@pytest.fixture(autouse=True)
def share(tmp_path, monkeypatch):
    """Have this host share its logins; return the path of the file that says so."""
    path = tmp_path / "share.json"
    path.touch()
    monkeypatch.setattr(virtual_servers, "SHARE", str(path))
    monkeypatch.setattr(changes, "DIRECTORY", str(tmp_path / "outbox"))
    monkeypatch.setattr(changes, "may_write", lambda: True)
    return path


@pytest.fixture
def events(tmp_path):
    """Return what returns the events that were written."""
    directory = str(tmp_path / "outbox")
    return lambda: [event for name in changes.names_in(directory) for event in changes.read(directory, name)]


@pytest.fixture
def table(tmp_path, native_database):
    """Return the path of a table of two virtual servers."""
    lines = []
    for name in ("alpha", "beta"):
        native_database(f"{name}/etc/relayers.db").fill({A: NOW - 60, B: NOW - 60})
        root = tmp_path / name
        lines.append(f"{name}\t{root}\t{root}/etc/relayers.db\t{root}/etc/sendmail.cf\t\t\n")
    path = tmp_path / "virtual_servers"
    path.write_text("".join(lines))
    return str(path)


@pytest.fixture
def path(native_database):
    return native_database("alpha/etc/relayers.db").path


@pytest.mark.usefixtures("at")
def test_what_is_absent_is_revoked_before_the_first_entry_is_removed(run, table, events, monkeypatch):
    seen = []
    change = database_module.change
    monkeypatch.setattr(database_module, "change", lambda *words, **more: seen.append(events()) or change(*words, **more))
    result = run("relayers", virtual_servers=["*"], table=table, relayers=[A, V6], state="absent")
    assert result["changed"]
    wanted = [(name, key, "revoke", NOW * 1000) for name in ("alpha", "beta") for key in (A, KEY6)]
    assert seen[0] == wanted == events()


@pytest.fixture
def faster(path, monkeypatch):
    """Have this host's own sharer remove A from the first database as soon as that is written for other hosts."""
    write = changes.write

    def write_and_remove(written):
        write(written)
        database_module.change(path, edits.delete([A]))

    monkeypatch.setattr(changes, "write", write_and_remove)


REMOVALS = {
    "absent": {"relayers": [A, C], "state": "absent"},
    "purge": {"relayers": [B], "purge": True},
}


@pytest.mark.usefixtures("at", "faster")
@pytest.mark.parametrize("options", REMOVALS.values(), ids=REMOVALS)
def test_what_this_host_s_own_sharer_removed_first_was_removed(run, table, options, native_database):
    result = run("relayers", virtual_servers=["alpha"], table=table, **options)
    assert result["changed"]
    assert [database["removed"] for database in result["databases"]] == [[A]]
    (difference,) = result["diff"]
    assert A in difference["before"]
    assert A not in difference["after"]
    assert native_database("alpha/etc/relayers.db").entries().keys() == {B}
    assert not run("relayers", virtual_servers=["alpha"], table=table, **options)["changed"]


@needs_root
@pytest.mark.usefixtures("faster")
def test_so_was_a_permission_that_left_the_list(run, tmp_path, native_database):
    native_database("alpha/etc/relayers.db").fill({A: PERMANENT, B: PERMANENT})
    arguments = {
        "virtual_servers": [{"name": "alpha", "root": str(tmp_path / "alpha")}],
        "databases": True,
        "table": str(tmp_path / "table"),
        "memory": str(tmp_path / "departing"),
        "permissions": [{"address": B}],
    }
    run("virtual_servers", **{**arguments, "databases": False})
    result = run("virtual_servers", **arguments)
    assert result["changed"]
    assert any(A in difference["before"] and A not in difference["after"] for difference in result["diff"])
    assert not run("virtual_servers", **arguments)["changed"]


@pytest.mark.usefixtures("at")
def test_what_a_purge_removes_is_revoked_before_and_once(run, table, path, events, monkeypatch):
    seen = []
    publish = database_module.publish
    monkeypatch.setattr(database_module, "publish", lambda *words: seen.append(events()) or publish(*words))
    run("relayers", path=path, table=table, relayers=[A], purge=True)
    assert seen == [[("alpha", B, "revoke", NOW * 1000)]]
    assert events() == seen[0]


def test_a_purge_that_meets_a_lock_revokes_once(run, table, path, events, holder):
    makemap = holder(lambda: open(path, "r+b"))  # noqa: SIM115
    result = run("relayers", path=path, table=table, relayers=[A], purge=True, lock_timeout=0.2)
    assert result["failed"]
    makemap.release()
    run("relayers", path=path, table=table, relayers=[A], purge=True)
    assert [event[:3] for event in events()] == [("alpha", B, "revoke")]


@pytest.mark.usefixtures("at")
def test_what_was_permanent_and_is_not_named_any_more_is_revoked(run, table, path, events, native_database):
    native_database("alpha/etc/relayers.db").fill({C: PERMANENT, B: PERMANENT})
    run("relayers", path=path, table=table, permanent=[B])
    assert events() == [("alpha", C, "revoke", NOW * 1000)]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("relayers", "options", "wanted"),
    [
        ([C, V6], {}, [(C, NOW), (KEY6, NOW)]),
        ([A], {}, []),
        ([A], {"refresh": "always"}, [(A, NOW)]),
        ([{"address": C, "timestamp": NOW - 5}], {}, [(C, NOW - 5)]),
        ([{"address": C, "timestamp": NOW + 1}], {}, []),
        ([{"address": C, "timestamp": FUTURE}, A], {"refresh": "always"}, [(A, NOW)]),
        ([C], {"last_day": "2099-12-31"}, []),
    ],
)
def test_what_is_stamped_until_now_is_a_login_for_others_and_what_is_in_the_future_is_not(
    run, table, path, events, relayers, options, wanted
):
    run("relayers", path=path, table=table, relayers=relayers, **options)
    assert events() == [("alpha", key, "login", second * 1000) for key, second in wanted]


def test_only_what_could_be_added_here_is_known_to_others(run, table, events, native_database):
    native_database("alpha/etc/relayers.db").damage()
    assert run("relayers", virtual_servers=["*"], table=table, relayers=[C])["failed"]
    assert [event[:3] for event in events()] == [("beta", C, "login")]


def test_a_database_whose_list_is_malformed_is_left_alone_and_the_others_are_revoked(run, table, events, tmp_path):
    databases = [
        {"path": str(tmp_path / "alpha/etc/relayers.db"), "relayers": ["x"]},
        {"path": str(tmp_path / "beta/etc/relayers.db"), "relayers": [A]},
    ]
    assert run("relayers", databases=databases, table=table, state="absent")["failed"]
    assert [event[:3] for event in events()] == [("beta", A, "revoke")]


@pytest.mark.parametrize(
    "arguments",
    [{"relayers": [A], "state": "absent"}, {"relayers": [A], "purge": True}, {"relayers": [C]}, {"permanent": [C]}],
)
def test_check_mode_writes_nothing_for_others(run, table, path, tmp_path, arguments):
    run("relayers", check=True, path=path, table=table, **arguments)
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("arguments", [{"relayers": [A], "state": "absent"}, {"relayers": [C], "purge": True}])
def test_a_host_that_does_not_share_writes_nothing(run, table, path, share, tmp_path, arguments):
    share.unlink()
    assert run("relayers", path=path, table=table, **arguments)["changed"]
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("arguments", [{"relayers": [A], "state": "absent"}, {"relayers": [C], "purge": True}])
def test_a_user_changes_this_host_and_is_warned(run, table, path, tmp_path, monkeypatch, arguments):
    monkeypatch.setattr(changes, "may_write", lambda: False)
    # Ansible shows the same warning once in a process.
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning: warnings.append(warning))
    assert run("relayers", path=path, table=table, **arguments)["changed"]
    assert any("only root changes other hosts" in warning for warning in warnings)
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("arguments", [{"relayers": [A], "state": "absent"}, {"relayers": [C]}])
def test_what_fails_for_others_is_a_failure_and_this_host_is_changed(run, table, path, native_database, monkeypatch, arguments):
    def fail(_events):
        raise UnwritableError("/var/lib/vsmtprelay-outbox: cannot be written")

    monkeypatch.setattr(changes, "write", fail)
    result = run("relayers", path=path, table=table, **arguments)
    assert "/var/lib/vsmtprelay-outbox" in result["msg"]
    assert set(native_database("alpha/etc/relayers.db").entries()) == ({B} if "state" in arguments else {A, B, C})


def test_a_table_that_is_missing_is_a_failure_and_the_named_database_is_changed(run, path, table, tmp_path, native_database):
    result = run("relayers", path=path, table=str(tmp_path / "no table"), relayers=[A], state="absent")
    assert "no table" in result["msg"]
    assert set(native_database("alpha/etc/relayers.db").entries()) == {B}


def test_after_a_restore_all_is_compared_where_something_changed(run, table, events, path, tmp_path, monkeypatch):
    from ansible_collections.vsmtp.relay.plugins.module_utils._module import other_hosts

    monkeypatch.setattr(other_hosts.OtherHosts.__init__, "__defaults__", (None, table))
    texts = [
        {"path": path, "text": f"{C} 5\n"},
        {"path": str(tmp_path / "beta/etc/relayers.db"), "text": f"{A} 5\n"},
    ]
    assert run("relayers_restore", databases=texts, check=True)["changed"]
    assert events() == []
    assert run("relayers_restore", databases=texts)["changed"]
    assert [event[:3] for event in events()] == [("alpha", "", "check")]


@needs_root
def test_a_permission_that_leaves_the_list_is_revoked_before_its_entry_is_removed(
    run, tmp_path, events, native_database, monkeypatch
):
    items = [{"name": name, "root": str(tmp_path / name)} for name in ("alpha", "beta")]
    for name in ("alpha", "beta"):
        native_database(f"{name}/etc/relayers.db").fill({A: PERMANENT, B: PERMANENT, C: NOW})
    arguments = {
        "virtual_servers": items,
        "databases": True,
        "table": str(tmp_path / "table"),
        "memory": str(tmp_path / "departing"),
        "permissions": [{"address": A}, {"address": B, "virtual_servers": ["beta"]}],
    }
    assert run("virtual_servers", check=True, **arguments)["changed"]
    assert events() == []
    seen = []
    publish = database_module.publish
    monkeypatch.setattr(database_module, "publish", lambda *words: seen.append(events()) or publish(*words))
    assert run("virtual_servers", **arguments)["changed"]
    assert [event[:3] for event in seen[0]] == [("alpha", B, "revoke")]
    assert set(native_database("alpha/etc/relayers.db").entries()) == {A, C}
    assert not run("virtual_servers", **arguments)["changed"]
    assert [event[:3] for event in events()] == [("alpha", B, "revoke")]
