# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POP-before-SMTP with sendmail: the library of the command, the recorder and the Ansible modules.

It is private: use the modules, the role or the command. It imports no Ansible. From outside the standard
library it imports the Berkeley DB binding; in ``recorder``, httptools (or h11) and systemd; in ``sharing``,
redis and systemd; in ``status``, prometheus_client. The role copies these same files to ``/usr/local/lib/vsmtprelay``.

A package may import only from packages on the lines above its own::

    errors
    programs
    entries, files, backends
    database, servers, sendmail
    role, sharing
    recorder
    status
    command

The ``__init__`` of each package defines its terms and names its face, the modules that other packages
import. It re-exports nothing.

Start-up. The command ``vsmtprelay`` runs for a few milliseconds, so what it imports at start decides its
run time. A single module such as ``re``, ``json``, ``argparse``, ``dataclasses``, ``typing`` (with its
Protocol), ``signal`` or ``operator`` takes as long as the rest of a command. Whatever the command imports
at start avoids them: it parses by hand, takes SIGURG from ``_signal``, gt from ``_operator``, and
imports inside the function where only some calls need a module. tests/unit/command/test_main.py holds this.
"""

from __future__ import annotations

__version__ = "0.2.0"
