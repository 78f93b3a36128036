# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files: read and atomic replace, and the symbolic links that root follows to them.

Face: text_file, symlinks. Imports errors only.

Terms:

- atomic replace: a temporary file beside the old one is written, fsynced and renamed over it;
- attributes: numeric owner, group and mode of a file.
"""
