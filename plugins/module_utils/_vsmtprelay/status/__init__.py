# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a host and its virtual servers, for reports.

Face: state (of_database(), of_ruleset()), last_expiry. Imports errors, entries, files, database and sendmail.

Terms:

- pinned: an entry with a timestamp in the future;
- live: the running daemon has read a sendmail.cf with the ruleset;
- late: the nightly expiry missed its last time.
"""
