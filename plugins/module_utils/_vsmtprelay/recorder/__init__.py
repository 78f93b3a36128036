# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder: the service that receives logins from Dovecot or PAM and records them in the databases.

Face: main (the service), pam (the program that PAM runs), key (the secret that Dovecot 2.3 sends), counts (what it counts).
Imports errors, programs, entries, files, servers, database, sharing and role; from outside, httptools (or h11) and systemd.

Terms:

- report: the message about one login, an HTTP request of Dovecot's auth policy or of pam;
- login: the content of a report: user, service, client address, and local address of this host;
- login entry: the record of a login: database, key and timestamp;
- spool: the file of login entries that are not in a database yet; a killed recorder finds them at its next start;
- descriptor store: systemd's store of open connections, which outlive the process that serves them;
- group commit: all login entries that wait for one database go into it with one change;
- session: what a login begins. While it is open, its entry is renewed.
"""
