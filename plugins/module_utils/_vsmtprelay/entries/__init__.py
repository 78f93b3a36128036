# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of a database: their keys, their values, and their text.

Face: addresses (key_of(), address_of(), Networks), timestamps, makemap_text, relayers (the
form that modules return). Imports errors only.

Terms:

- address: an IP address as people and mail servers write it;
- key: the spelling of an address that sendmail looks up, the key of an entry;
- value: the bytes stored under a key, normally a timestamp: epoch seconds as decimal digits;
- permanent: an entry with the timestamp PERMANENT, declared in the inventory.
"""
