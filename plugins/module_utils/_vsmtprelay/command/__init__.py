# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command ``vsmtprelay``.

Face: main. Imports errors, entries, backends, servers, database, sharing and status; start-up: see the ``__init__`` of the
library.

Terms:

- command: a word of the command line such as ``add`` or ``list``, with its operands;
- document: what a command prints with ``--json``;
- import: taking over addresses and timestamps from a file of another program.
"""
