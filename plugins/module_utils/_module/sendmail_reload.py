# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running sendmail daemons, reloaded."""

from __future__ import annotations

from .._vsmtprelay.sendmail.daemon import Daemon
from .._vsmtprelay.sendmail.reload import foresee, reload
from .results import finish, for_each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    daemons = for_each(module.params["paths"], Daemon)
    behind = [daemon for daemon in daemons.results if daemon.is_behind() or (module.params["force"] and daemon.is_claimed())]
    reloaded, unreloaded = foresee(behind) if module.check_mode else reload(behind)
    daemons.failures += unreloaded
    finish(module, bool(reloaded), daemons, reloaded=reloaded)
