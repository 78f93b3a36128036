# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of the store: a SQLite database with its tables, and a new one in place of a damaged one."""

from __future__ import annotations

import os
import sqlite3

from ..errors import UnwritableError, remedy_for

NAME = "store.db"
DAMAGED = "damaged"
# Number of the layout below. A store with another one is set aside like a damaged one: all of it can be had again.
LAYOUT = 3
TABLES = """
CREATE TABLE entry (
    server TEXT NOT NULL,
    key TEXT NOT NULL,
    login INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    own_login INTEGER NOT NULL,
    own_revoked INTEGER NOT NULL,
    own_renewed INTEGER NOT NULL,
    seq INTEGER,
    published INTEGER NOT NULL,
    origin TEXT NOT NULL,
    PRIMARY KEY (server, key)
) WITHOUT ROWID;
CREATE INDEX entry_by_seq ON entry (seq) WHERE seq IS NOT NULL;
CREATE TABLE todo (
    server TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    held TEXT NOT NULL,
    PRIMARY KEY (server, key)
) WITHOUT ROWID;
CREATE TABLE ahead (
    server TEXT NOT NULL,
    key TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    PRIMARY KEY (server, key)
) WITHOUT ROWID;
CREATE TABLE cursor (
    engine TEXT NOT NULL,
    origin TEXT NOT NULL,
    id TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (engine, origin)
) WITHOUT ROWID;
CREATE TABLE sent (
    engine TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL DEFAULT 0,
    n INTEGER NOT NULL DEFAULT 0,
    trying_seq INTEGER NOT NULL DEFAULT 0,
    trying_n INTEGER NOT NULL DEFAULT 0,
    offset INTEGER
) WITHOUT ROWID;
CREATE TABLE note (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
"""


def open_file(directory: str) -> tuple[sqlite3.Connection, bool]:
    """Return a connection to the store in ``directory``, for all threads, and whether a damaged one was set aside.

    Raises UnwritableError.
    """
    path = os.path.join(directory, NAME)
    try:
        try:
            return _open(path), False
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            set_aside(directory)
            return _open(path), True
    except OSError as error:
        raise UnwritableError(f"{path}: cannot be opened: {error.strerror}; {remedy_for(error)}") from None
    except sqlite3.Error as error:
        raise UnwritableError(f"{path}: cannot be opened: {error}; check the directory and the disk") from None


def set_aside(directory: str) -> None:
    """Rename the store, in place of an earlier damaged one, so that the next start makes a new one. Raises OSError."""
    path = os.path.join(directory, NAME)
    if os.path.exists(path):
        os.replace(path, f"{path}.{DAMAGED}")
    for suffix in ("-wal", "-shm"):
        # They belong to the file that had the name; SQLite would apply them to a new one.
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)


def _open(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        if layout == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.executescript(f"BEGIN;{TABLES}PRAGMA user_version={LAYOUT};COMMIT;")
        elif layout != LAYOUT or connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("not sound")
    except BaseException:
        connection.close()
        raise
    return connection
