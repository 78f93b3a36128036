# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the role, and the record of its variables on a host.

Face: preflight, variables, plan, metrics. Imports errors, entries, files, servers and sendmail.

Terms:

- preflight: the checks that the role makes before it changes anything;
- fault: one line of a preflight: a variable or a property of the host that the role cannot work with;
- kept: a variable that an earlier play set and that the record on the host supplies now.
"""
