# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file formats of a database. Today that is one: the Berkeley DB hash file.

Face: berkeley_file.HashFile, no_entries.NoEntries, berkeley_pages.fault_of(), berkeley_salvage.salvage(),
berkeley_verify.libdb_finds_sound(), berkeley_binding.binding(), kinds.kind_of(). Imports errors and programs.

A backend opens a copy of the database through a file descriptor, never by its path, and has get, put,
delete, items, pages, delete_where, sync and close. Beside it stand fault_of (the fault of a file, or None),
salvage (the entries of a damaged file that can be trusted) and verify (a check of every page). Another file
format can later stand beside this one with the same functions. kinds names the files of other programs.

Terms:

- binding: the Python module that wraps libdb;
- page, bucket, item: as in libdb: an entry is two items, a key and a value, in a page of its bucket;
- plain item: an item that lies in its page, not in an overflow page.
"""
