# SPDX-License-Identifier: GPL-3.0-or-later
"""The command vsmtprelay-recorder: its options, and what it says when it cannot start."""

from __future__ import annotations

import os
import socket
import sys
import types

import pytest


@pytest.fixture
def main(monkeypatch):
    """Return the command's main(), with a stand-in for systemd's library that hands it no socket."""
    systemd = types.ModuleType("systemd")
    systemd.journal = types.SimpleNamespace(send=lambda _message, **_fields: None)
    systemd.daemon = types.SimpleNamespace(notify=lambda _state: True, listen_fds=list)
    monkeypatch.setitem(sys.modules, "systemd", systemd)
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import main as recorder_main

    for module in (fd_store, recorder_main):
        monkeypatch.setattr(module, "daemon", systemd.daemon)
    return recorder_main.main


def test_a_key_is_created_on_demand(main, tmp_path):
    assert main(["--create-key", str(tmp_path / "key")]) == 0
    assert os.stat(tmp_path / "key").st_mode & 0o777 == 0o600


@pytest.mark.parametrize("table", ["", "a\n", None])
def test_it_does_not_start_without_table_key_or_socket_and_says_why_in_one_line(main, tmp_path, capsys, table):
    main(["--create-key", str(tmp_path / "key")])
    if table is not None:
        (tmp_path / "table").write_text(table)
    with pytest.raises(SystemExit) as end:
        main(["--key-file", str(tmp_path / "key"), "--table", str(tmp_path / "table")])
    assert end.value.code == {"": 64, "a\n": 65, None: 66}[table]
    errors = capsys.readouterr().err
    assert errors.startswith("vsmtprelay-recorder: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("library", "package"), [("Parser", "python3-httptools"), ("daemon", "python3-systemd")])
def test_a_package_that_is_missing_is_told_at_start_in_one_line(main, tmp_path, capsys, monkeypatch, library, package):
    (tmp_path / "table").touch()
    monkeypatch.setitem(main.__globals__, library, None)
    with pytest.raises(SystemExit) as end:
        main(["--table", str(tmp_path / "table")])
    assert end.value.code == 69
    assert capsys.readouterr().err == f"vsmtprelay-recorder: install {package} from the distribution\n"


def test_a_key_is_created_also_where_packages_are_missing(main, tmp_path, monkeypatch):
    monkeypatch.setitem(main.__globals__, "Parser", None)
    assert main(["--create-key", str(tmp_path / "key")]) == 0


@pytest.mark.fault("empty-secret")
def test_without_a_secret_it_does_not_listen_on_tcp(main, tmp_path, capsys, monkeypatch):
    (tmp_path / "table").touch()
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store

    with socket.create_server(("127.0.0.1", 0)) as port:
        monkeypatch.setattr(sys.modules[main.__module__], "sockets_from_systemd", lambda: fd_store.Sockets([port], [], []))
        with pytest.raises(SystemExit) as end:
            main(["--table", str(tmp_path / "table")])
    assert end.value.code == 64
    assert "give --key-file" in capsys.readouterr().err


def test_a_network_that_is_none_is_told_at_start(main, tmp_path, capsys):
    main(["--create-key", str(tmp_path / "key")])
    (tmp_path / "table").touch()
    arguments = ["--key-file", str(tmp_path / "key"), "--table", str(tmp_path / "table"), "--ignore", "webmail"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 65
    assert "'webmail' is not a network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shown", "printed", "status"),
    [
        (
            "ActiveState=active\nActiveEnterTimestamp=Mon 2026-11-23 10:00:00 UTC\nStatusText=recorded 5, delayed 0\n",
            "active since Mon 2026-11-23 10:00:00 UTC: recorded 5, delayed 0\n",
            0,
        ),
        ("ActiveState=inactive\nActiveEnterTimestamp=\nStatusText=\n", "inactive: no reports yet\n", 3),
    ],
)
def test_status_prints_the_counters_and_whether_it_runs(main, monkeypatch, tmp_path, capsys, shown, printed, status):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\ncat <<END\n{shown}END\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert main(["--status"]) == status
    assert capsys.readouterr().out == printed
