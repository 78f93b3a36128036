# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""relayers.db: consistent reads and atomic changes.

Face: relayers_db (read(), change()), edits, in_turn, repair, prepared.PreparedFiles, published.Published. Imports errors,
entries, files and backends.

Terms:

- entry: a key and its value, here an address and a timestamp;
- snapshot: a consistent copy of the database in memory;
- edit: a function that changes the entries of a snapshot and returns the changes; it may run more than once;
- publish: replace the database by a changed snapshot, so that every reader sees the change at once;
- prepared file: a copy that is written and fsynced before the login that needs it;
- writer lock: the temporary file beside the database, which only one process can hold;
- deadline: the moment at which waiting for a lock ends with LockedError.
"""
