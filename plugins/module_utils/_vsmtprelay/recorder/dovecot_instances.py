# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Dovecot instances that run on this host, and the settings in their files that decide whether they report logins.

A host can run several (Dovecot manual, "instance_name"). Each has a directory of sockets and a configuration file.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .. import programs
from ..errors import MalformedError, RelayError
from ..files import text_file
from ..role import plan
from ..role.passdbs import need_no_password
from ..sendmail import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The configuration of the host's main instance, and the file with which the role has an instance report logins.
MAIN = "/etc/dovecot/dovecot.conf"
REPORTING = "/etc/dovecot/conf.d/95-vsmtprelay.conf"
NAME = "dovecot"
PROCESSES = "/proc"
# master/main.c writes both into the directory of the sockets: its process id, and a link to the configuration.
PID_FILE = "master.pid"
CONFIGURATION_LINK = "dovecot.conf"
LARGEST_PID = 32  # bytes
# A setting as doveconf prints it, with Dovecot 2.4 in the block of the policy.
SETTING = re.compile(r"^\s*(?:auth_policy_)?(server_url|check_before_auth|check_after_auth) = (.*)$", re.MULTILINE)


class Instance(NamedTuple):
    """A Dovecot that runs: the directory of its sockets (``base_dir``), its configuration file and its program."""

    base_directory: str
    configuration: str
    program: str


class Settings(NamedTuple):
    """What the files of an instance say about reports: the URL, empty without one, and when it reports.

    ``needs_no_password``: whether a static passdb accepts any password and keeps the login on this host.
    """

    server_url: str
    is_before: bool
    is_after: bool
    needs_no_password: bool = False


def running_instances() -> list[Instance]:
    """Return the instances that run on this host, each once, in the order of their configuration files.

    Only facts about processes count (proc(5)): another user can give a process any name. A Dovecot in a container of this
    host is none of this host. Without root's rights nothing is found.
    """
    masters = [int(name) for name in os.listdir(PROCESSES) if name.isdecimal() and _is_master(int(name))]
    return sorted(set(_instances_of(masters)), key=lambda instance: (instance.configuration, instance.base_directory))


def settings_of(instance: Instance) -> Settings:
    """Return the settings in the files of ``instance``, which it has read if it was reloaded since.

    Raises RelayError if doveconf fails.
    """
    version = programs.run([instance.program, "--version"], programs.SECONDS_TO_REPORT).text
    # By its full name, doveconf 2.4 prints the default of a setting that stands in a block.
    prefix = "auth_policy_" if plan.dovecot_branch(version) == plan.OLD_DOVECOT else "auth_policy/"
    names = [*(prefix + name for name in ("server_url", "check_before_auth", "check_after_auth")), "passdb"]
    shown = programs.run([_doveconf_of(instance), "-c", instance.configuration, *names], programs.SECONDS_TO_REPORT)
    if shown.status != 0:
        raise MalformedError(f"doveconf -c {instance.configuration}: {shown.complaint.splitlines()[-1]}")
    values = {name: value.strip() for name, value in SETTING.findall(shown.text)}
    return Settings(
        values.get("server_url", ""),
        values.get("check_before_auth") != "no",
        values.get("check_after_auth") != "no",
        need_no_password(shown.text),
    )


def _is_master(process_id: int) -> bool:
    """Return whether the process is root's, on this host, and runs a program of root with Dovecot's name."""
    if os.path.basename(_program_of(process_id)) != NAME or processes.real_uid(process_id) != 0:
        return False
    if not processes.runs_program_of_root(process_id):
        return False
    try:
        return os.path.samestat(os.stat(os.path.join(PROCESSES, str(process_id), "root")), os.stat("/"))
    except OSError:
        return False


def _program_of(process_id: int) -> str:
    """Return the path of the program; after an upgrade it is a new file, and the kernel says so of the old one."""
    path = processes.program_of(process_id)
    return path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path


def _instances_of(masters: Sequence[int]) -> Iterator[Instance]:
    for process_id in masters:
        try:
            base = os.readlink(os.path.join(PROCESSES, str(process_id), "cwd"))
            # A child that has not yet become another program still has its name; so has `dovecot reload`.
            noted = text_file.read(os.path.join(base, PID_FILE), LARGEST_PID) or b""
            if noted.strip() != str(process_id).encode():
                continue
            configuration = os.path.join(base, os.readlink(os.path.join(base, CONFIGURATION_LINK)))
        except (OSError, RelayError):
            continue
        yield Instance(base, configuration, _program_of(process_id))


def _doveconf_of(instance: Instance) -> str:
    """Return the doveconf that was installed with the program of ``instance``, by the usual directories."""
    beside = os.path.join(os.path.dirname(os.path.dirname(instance.program)), "bin", "doveconf")
    return beside if os.path.exists(beside) else "doveconf"
