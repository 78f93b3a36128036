# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a host and its virtual servers, for reports.

Face: host (of_host(): the state), attention (what of it needs attention), table and words (the state as text), metrics (the
state for Prometheus), last_expiry.
Imports all packages but command.

Terms:

- pinned: an entry with a timestamp in the future;
- live: the running daemon has read a sendmail.cf with the ruleset;
- finding: a thing that needs attention, with its severity;
- broken: logins do not open the relay, here or on other hosts, or nobody knows whether they do;
- late: the nightly expiry missed its last time.
"""
