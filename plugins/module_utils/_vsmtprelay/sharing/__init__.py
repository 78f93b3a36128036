# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sharing of logins and revocations with the other hosts of the fleet.

Face: main (the sharer and its command), configuration (share.json), access (users and keys on the engine); for the recorder
and root's programs changes (what these hand to the recorder), outbox and handover (what the recorder hands to the sharer).
Imports errors, entries, files and servers; from outside, redis and systemd.

Terms:

- sharer: the service that carries events from this host to the engines, and from the engines to the recorder;
- engine: a server of the Redis protocol (Redis or Valkey), over which hosts share logins;
- event: a virtual server, a key, an operation and a time, for the sharer;
- outbox: the file of logins that are recorded and that the sharer does not have yet;
- origin: the host that wrote an entry on the engine; each host writes its own keys only;
- stamps: the newest login and the newest revocation of an address, and so its state;
- own: what this host says, and what it publishes; the rest is what other hosts said;
- sequence number: the number of an own change; an engine has all changes up to one of them;
- cursor: how far this host has read the stream of an origin on an engine;
- snapshot of an origin: its two sorted sets, which hold its newest stamps of each address;
- todo: an address whose state is still to be written to the database of its virtual server.

Times are milliseconds. In the store and between sharer and recorder they are of this host's clock, on the engine of the
engine's clock (clock.py).
"""
