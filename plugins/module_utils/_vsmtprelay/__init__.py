# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POP-before-SMTP with sendmail: what the command, the recorder and the Ansible modules share.

The package imports no Ansible and nothing from outside the standard library but the Berkeley DB binding (and, in
``recorder``, aiohttp and systemd). The role copies these same files to ``/usr/local/lib/vsmtprelay``. It is private:
use the modules, the role or the command.

What the command needs at start avoids ``re``, ``json``, ``argparse`` and ``dataclasses``: together they would take
longer to import than all its work.
"""

from __future__ import annotations

__version__ = "0.2.0"
