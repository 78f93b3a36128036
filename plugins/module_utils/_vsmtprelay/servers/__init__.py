# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual servers of a host, and the permanent permissions for them.

Face: virtual_servers (VirtualServer, VirtualServers, TABLE), permissions, shared (what hosts that share logins agree on).
Imports errors and entries.

Terms:

- virtual server: a mail server of the host, with a name, a root directory, a database and a sendmail.cf;
- table: the file in which the role lists the virtual servers for the command and the recorder;
- default: the server that takes the logins that no address and no domain of another server claims;
- permission: an address that the inventory permits permanently, for some or all virtual servers.
"""
