# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables for its modules, converted to their types by Ansible."""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._vsmtprelay.errors import MalformedError
from .._vsmtprelay.role.variables import DEFAULTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_TEXTS = {"type": "list", "elements": "str", "default": []}
# The same as in roles/pop_before_smtp/meta/argument_specs.yml, without the prefix; a test compares the two.
VIRTUAL_SERVER = {
    "name": {"type": "str", "required": True},
    "root": {"type": "path", "default": "/"},
    "relayers_db": {"type": "path"},
    "sendmail_cf": {"type": "path"},
    "addresses": _TEXTS,
    "domains": _TEXTS,
}
PERMISSION = {
    "address": {"type": "str", "required": True},
    "owner": {"type": "str"},
    "reason": {"type": "str"},
    "virtual_servers": _TEXTS,
}
ENGINE = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 6380},
}
SPECIFICATION = {
    "state": {"type": "str", "choices": ["present", "absent"]},
    "virtual_servers": {"type": "list", "elements": "dict", "options": VIRTUAL_SERVER},
    "permissions": {"type": "list", "elements": "dict", "options": PERMISSION},
    "window": {"type": "int"},
    "expire": {"type": "int"},
    "renew": {"type": "bool"},
    "cron_hour": {"type": "int"},
    "cron_minute": {"type": "int"},
    "recorder": {"type": "str", "choices": ["dovecot", "pam", "none"]},
    "relay": {"type": "str", "choices": ["sendmail", "none"]},
    "engines": {"type": "list", "elements": "dict", "options": ENGINE},
    "engine_ca": {"type": "str"},
    "metrics": {"type": "raw"},
    "pam_services": {"type": "list", "elements": "str"},
    "ignore": {"type": "list", "elements": "str"},
    "sendmail_source": {"type": "str", "choices": ["auto", "mc", "cf"]},
    "install_packages": {"type": "bool"},
    "remove_databases": {"type": "bool"},
}


def typed(variables: Mapping[str, Any], default_name: str) -> dict[str, Any]:
    """Return the role's variables with their types; missing ones have their defaults.

    ``default_name`` is the default name of the host's only virtual server. Raises MalformedError with all faults.
    """
    default = {"virtual_servers": [{"name": default_name}]}
    result = ArgumentSpecValidator(SPECIFICATION).validate({**DEFAULTS, **default, **variables})
    if result.error_messages:
        raise MalformedError("; ".join(result.error_messages))
    return {name: result.validated_parameters[name] for name in SPECIFICATION}
