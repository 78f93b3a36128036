# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a host that is to become an engine, and every reason why it cannot."""

from __future__ import annotations

import os
import re

from .._vsmtprelay import programs
from .._vsmtprelay.errors import RelayError
from .._vsmtprelay.files import text_file
from .._vsmtprelay.role.engine_preflight import SERVERS, faults_of_engine, package_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

INSTANCE = "vsmtprelay"
# As apt-cache policy prints it, with the messages of LC_ALL=C.
CANDIDATE = re.compile(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)$", re.MULTILINE)
NO_CANDIDATE = "(none)"
# The package of what makes certificates, and looks at those that are given; a small Debian lacks it.
CERTIFIES = "openssl"


def configuration_of(package: str, directory: str = "/etc") -> str:
    """Return the path of the configuration of the instance of ``package``."""
    server = SERVERS[package]
    return os.path.join(directory, server, f"{server}-{INSTANCE}.conf")


def candidates() -> dict[str, bool]:
    """Return by package whether apt can install it."""
    shown = programs.run(["apt-cache", "policy", *SERVERS], programs.SECONDS_TO_REPORT)
    found = dict(CANDIDATE.findall(shown.text))
    return {package: found.get(package, NO_CANDIDATE) != NO_CANDIDATE for package in SERVERS}


def is_installed(package: str) -> bool:
    """Return whether dpkg lists ``package`` as installed."""
    shown = programs.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], programs.SECONDS_TO_REPORT)
    return shown.text.strip() == "installed"


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    is_debian = bool(module.get_bin_path("dpkg-query"))
    package, missing, fresh = "", [], False
    try:
        if is_debian:
            configured = next((each for each in SERVERS if os.path.exists(configuration_of(each))), "")
            package = package_of({} if configured else candidates(), configured)
            missing = [each for each in (package, CERTIFIES) if not is_installed(each)]
            before = text_file.read(f"{parameters['memory']}/packages.before")
            # A run that was interrupted while it installed the package.
            fresh = package in missing or (before is not None and package not in before.decode("utf-8", "replace").split())
        host = {
            "is_root": os.geteuid() == 0,
            "package_manager": "dpkg" if is_debian else "rpm",
            "missing_packages": missing,
        }
        problems = faults_of_engine(parameters["role"], host)
    except RelayError as error:
        module.fail_json(msg=str(error))
    server = SERVERS.get(package, "")
    module.exit_json(
        changed=False,
        **host,
        package=package,
        fresh=fresh,
        server=server,
        service=f"{package}@{INSTANCE}.service",
        configuration=configuration_of(package) if package else "",
        problems=problems,
    )
