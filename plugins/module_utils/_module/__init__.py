# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Code that the modules and action plugins share. Private to the collection.

It imports Ansible and ``_vsmtprelay``; the command and the recorder do not import it. The
face is every module: databases, files, undoable_files, results, role_variables, rulesets, units.

Terms:

- ensure: bring a file to its wanted content, owner and mode, and return whether it changed; idempotent;
- check mode: return the same result, and change nothing;
- failure: the message of one item that failed, while the other items are still done;
- undo: give files their previous content, owner and mode after a later step failed.
"""
