# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every reason known before the first change why the role cannot set up an engine on a host; one line each.

Each begins with the name of the variable to correct, if there is one.
"""

from __future__ import annotations

import re

from ..errors import BE_ROOT
from .share_config import CERTIFICATE, ENGINE_NAME, LAST_PORT, PRIVATE_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

PREFIX = "pop_before_smtp_engine_"
# By package: the name of its server in units, and of its user, group and directories.
SERVERS = {"valkey-server": "valkey", "redis-server": "redis"}
ADDRESS = re.compile(r"[0-9A-Fa-f:.*-]+")


def faults_of_engine(variables: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    """Return the reasons why ``host`` cannot become an engine as the role's ``variables`` say.

    The variables are those of the module share_engine_info: ``given`` are the paths of a certificate and its key, or empty.
    ``host`` has ``is_root``, ``package_manager``, and ``missing_packages`` as the module share_engine_info returns them.
    """
    if not host["is_root"]:
        return [BE_ROOT]
    if host["package_manager"] != "dpkg":
        return ["this host is not a Debian, so no engine is set up here; name one of yours in pop_before_smtp_engines"]
    if variables["state"] == "absent":
        return []
    faults = [*_of_network(variables), *_of_certificate(variables)]
    if host["missing_packages"] and not variables["install_packages"]:
        faults.append(f"packages are missing ({', '.join(host['missing_packages'])}) and {PREFIX}install_packages is false")
    return faults


def package_of(candidates: Mapping[str, bool], configured: str) -> str:
    """Return the package of the engine: that of an engine that is set up, else Valkey if the release has it, else Redis.

    ``candidates`` says of each package whether it can be installed; ``configured`` is the package of an engine that an earlier
    run set up, or empty.
    """
    return configured or next((package for package in SERVERS if candidates.get(package)), "redis-server")


def _of_network(variables: Mapping[str, Any]) -> Iterator[str]:
    if not 1 <= variables["port"] <= LAST_PORT:
        yield f"{PREFIX}port: {variables['port']} is not a port, from 1 to {LAST_PORT}"
    for name in variables["names"]:
        if not ENGINE_NAME.fullmatch(name):
            yield f"{PREFIX}names: {name!r} is neither a host name nor an address"
    for address in variables["bind"]:
        if not ADDRESS.fullmatch(address):
            yield f"{PREFIX}bind: {address!r} is not an address"


def _of_certificate(variables: Mapping[str, Any]) -> Iterator[str]:
    given = [*variables["given"], variables["ca"]]
    if any(given) and not all(given):
        yield f"{PREFIX}certificate, {PREFIX}key and {PREFIX}ca belong together: give all three, or none to have them made"
        return
    for name, path in zip(("certificate", "key"), variables["given"]):
        if path and not path.startswith("/"):
            yield f"{PREFIX}{name}: {path!r} is not the absolute path of a file on the engine"
    if PRIVATE_KEY in variables["ca"]:
        yield f"{PREFIX}ca: holds a private key, which must not leave its host: give the certificate alone"
    elif variables["ca"] and CERTIFICATE not in variables["ca"]:
        yield f"{PREFIX}ca: holds no certificate in PEM format, which begins with {CERTIFICATE}"
