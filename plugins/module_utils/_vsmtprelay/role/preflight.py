# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preflight: every reason known before the first change why the role cannot set up a host as its variables say.

Each fault is one line. It begins with the name of the variable to correct, if there is one.
"""

from __future__ import annotations

import re

from ..entries.addresses import Networks
from ..errors import BE_ROOT, MalformedError
from ..sendmail.ruleset import Ruleset
from ..servers.permissions import read_permissions
from ..servers.virtual_servers import VirtualServers, read_list
from .metrics import directory_of
from .passdbs import ANY_PASSWORD
from .variables import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

SUPPORTED_DOVECOT = re.compile(r"2[.][34][.]")
# As Backlog= in the socket unit. It is also the kernel's own default since Linux 5.4.
BACKLOG = 4096
READS_MAIL = re.compile("pop|imap")
# From crontab(5): cron ignores a whole table with any other number.
RANGES = {"window": (0, None), "expire": (0, None), "cron_hour": (0, 23), "cron_minute": (0, 59)}


def faults_of_variables(variables: Mapping[str, Any]) -> list[str]:
    """Return the faults of the role's variables that do not depend on a host; the names are those of role_variables.py."""
    faults = [*_out_of_range(variables), *_no_networks(variables["ignore"])]
    try:
        directory_of(variables["metrics"])
    except MalformedError as error:
        faults.append(f"{PREFIX}metrics: {error}")
    servers, wrong = read_list(variables["virtual_servers"])
    faults += [f"{PREFIX}virtual_servers: {fault}" for fault in wrong]
    try:
        known = VirtualServers(servers)
    except MalformedError as error:
        return [*faults, f"{PREFIX}virtual_servers: {error}"]
    for server in servers:
        try:
            Ruleset(server.relayers_db, 0)
        except MalformedError as error:
            faults.append(f"{PREFIX}virtual_servers: virtual server {server.name!r}: {error}")
    if not wrong:  # else a permission could name one of the malformed servers
        faults += [f"{PREFIX}permissions: {fault}" for fault in read_permissions(variables["permissions"], known)[1]]
    return faults


def faults_of_list(variables: Mapping[str, Any], earlier: Sequence[str]) -> list[str]:
    """Return the fault if this run of Ansible gave the host the virtual servers ``earlier`` (names) before.

    A play that includes the role in a loop, once for each virtual server, would remove what the previous turn set up.
    """
    lost = sorted(set(earlier).difference(server["name"] for server in variables["virtual_servers"]))
    if not lost or variables["state"] == "absent":
        return []
    had = ", ".join(lost)
    return [f"{PREFIX}virtual_servers replaces the list of an earlier turn of this run, which had {had}: name all in one list"]


def faults_of_host(variables: Mapping[str, Any], host: Mapping[str, Any], own_policy_servers: Sequence[str]) -> list[str]:
    """Return the reasons why ``host``, as mail_host_info describes it, cannot be set up as the variables say.

    ``own_policy_servers`` are the URLs at which Dovecot reports logins to the recorder of this collection.
    """
    if not host["is_root"]:
        return [BE_ROOT]
    present = variables["state"] == "present"
    faults = [*_of_sendmail(host["sendmail"])] if variables["relay"] == "sendmail" else []
    if present and variables["recorder"] == "dovecot":
        faults += _of_dovecot(host["dovecot"], own_policy_servers)
        faults += _of_kernel(host["most_waiting_connections"])
    if present and variables["recorder"] == "pam":
        faults += _of_pam(variables["pam_services"], host["pam"])
    if present and host["missing_directory"]:
        faults.append(
            f"there is no directory {host['missing_directory']}: install prometheus-node-exporter first, or set "
            f"{PREFIX}metrics to the directory that its textfile collector reads"
        )
    if present and host["missing_packages"] and not variables["install_packages"]:
        missing = ", ".join(host["missing_packages"])
        faults.append(f"packages are missing ({missing}) and {PREFIX}install_packages is false")
    return faults


def _out_of_range(variables: Mapping[str, Any]) -> Iterator[str]:
    for name, (least, most) in RANGES.items():
        value = variables[name]
        if value < least or (most is not None and value > most):
            yield f"{PREFIX}{name}: {value} is not {f'{least} or more' if most is None else f'from {least} to {most}'}"


def _no_networks(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        try:
            Networks([text])
        except MalformedError as error:
            yield f"{PREFIX}ignore: {error}"


def _of_sendmail(sendmail: Mapping[str, Any]) -> Iterator[str]:
    if not sendmail["version"]:
        yield f"there is no sendmail: install it first, take the host off the list, or set {PREFIX}relay to none"
    elif not sendmail["hash_maps"]:
        yield f"this sendmail ({sendmail['version']}) was compiled without Berkeley DB, so it cannot read relayers.db"


def _of_dovecot(dovecot: Mapping[str, Any], own_policy_servers: Sequence[str]) -> Iterator[str]:
    if not dovecot["version"]:
        yield f"there is no Dovecot: install it first, or set {PREFIX}recorder to none"
    elif not SUPPORTED_DOVECOT.match(dovecot["version"]):
        yield f"Dovecot {dovecot['version']} is not supported, only 2.3 and 2.4 are"
    url = dovecot["auth_policy_server_url"]
    # The query of an own URL says which Dovecot asks.
    if url and url.partition("?")[0] not in own_policy_servers:
        yield f"Dovecot already asks another policy server ({url}); it can ask only one"
    if dovecot["needs_no_password"]:
        yield f"Dovecot {ANY_PASSWORD}"


def _of_kernel(most_waiting_connections: int) -> Iterator[str]:
    if most_waiting_connections < BACKLOG:
        # Dovecot 2.4.1's auth process ends if it cannot connect while others of its connections wait (http-client-queue.c).
        yield (
            f"the kernel keeps {most_waiting_connections} waiting connections for a socket, and Dovecot opens more while the "
            f"login recorder is down: set net.core.somaxconn to {BACKLOG} or more (sysctl.d(5))"
        )


def _of_pam(services: Sequence[str], pam: Mapping[str, Sequence[str]]) -> Iterator[str]:
    name = f"{PREFIX}pam_services"
    if pam["missing"]:
        missing = " and no ".join(pam["missing"])
        yield f"there is no {missing}: set {name} to the names that the POP and IMAP servers have in /etc/pam.d"
    if pam["without_account"]:
        files = " and ".join(pam["without_account"])
        yield f"no account line in {files}: add those that decide who may log in, or take it off {name}"
    others = [service for service in services if not READS_MAIL.search(service)]
    if others:
        named = " and ".join(others)
        yield f"neither pop nor imap in the name of {named} ({name}): its logins would not count as those of a mail reader"
