# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a mail host, and every reason why the role cannot set it up."""

from __future__ import annotations

import glob
import os
import re

from .._vsmtprelay import programs
from .._vsmtprelay.errors import MalformedError, RelayError
from .._vsmtprelay.files import text_file
from .._vsmtprelay.role import plan, preflight
from .._vsmtprelay.role.metrics import UNIT_FILE, directory_of, file_in, file_of_unit
from .._vsmtprelay.role.passdbs import need_no_password
from .._vsmtprelay.role.share_config import CA_FILE, faults_of_sharing, share_config, warnings_of_sharing
from .._vsmtprelay.role.variables import PREFIX, last_run, this_run
from .._vsmtprelay.servers.virtual_servers import read_list
from .role_variables import typed
from .rulesets import faults_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.role.variables import RunVariables


# Dovecot's default, also of Debian's packages.
BASE_DIRECTORY = "/run/dovecot"
SOMAXCONN = "/proc/sys/net/core/somaxconn"
LONGEST_NUMBER = 20  # bytes
# A setting as doveconf prints it, with Dovecot 2.4 in the block of the policy.
SETTING = re.compile(r"^\s*(?:auth_policy_)?(base_dir|server_url) = (.*)$", re.MULTILINE)
USERDB = re.compile(r"^userdb(?: (\S+))? \{\n(?:  (?!driver =).*\n)*(?:  driver = (\S+))?", re.MULTILINE)


def output_of(*command: str) -> str:
    """Return the output of a command, whatever its exit status is."""
    return programs.run(command, programs.SECONDS_TO_REPORT).text


def sendmail(module: AnsibleModule) -> dict[str, Any]:
    """Return version and features as sendmail prints them at debug level 0.1; a broken sendmail.cf does not matter."""
    path = module.get_bin_path("sendmail", opt_dirs=["/usr/sbin", "/usr/lib"])
    # Its input is empty, so it ends at once.
    output = output_of(path, "-d0.1", "-bt") if path else ""
    version = re.search(r"^Version (\S+)", output, re.MULTILINE)
    return {"version": version.group(1) if version else "", "hash_maps": bool(re.search(r"\bNEWDB\b", output))}


def dovecot(module: AnsibleModule) -> dict[str, Any]:
    """Return the version, the policy server, and the directory of the sockets."""
    path = module.get_bin_path("dovecot", opt_dirs=["/usr/sbin"])
    if not path:
        return {
            "version": "",
            "auth_policy_server_url": "",
            "base_directory": BASE_DIRECTORY,
            "has_userdb": False,
            "needs_no_password": False,
        }
    version = next(iter(output_of(path, "--version").split()), "")
    doveconf = module.get_bin_path("doveconf", required=True)
    # By its full name, doveconf 2.4 prints the default of a setting that stands in a block.
    url = "auth_policy_server_url" if plan.dovecot_branch(version) == plan.OLD_DOVECOT else "auth_policy/server_url"
    printed = output_of(doveconf, "base_dir", url, "userdb", "passdb")
    settings = dict(SETTING.findall(printed))
    # Dovecot 2.4 names the driver once if it has the name of the block.
    drivers = [driver or name for name, driver in USERDB.findall(printed)]
    return {
        "version": version,
        "auth_policy_server_url": settings.get("server_url", "").strip(),
        "base_directory": settings.get("base_dir", BASE_DIRECTORY),
        "has_userdb": not drivers or any(driver != "prefetch" for driver in drivers),
        "needs_no_password": need_no_password(printed),
    }


def most_waiting_connections() -> int:
    """Return how many connections the kernel keeps for a listening socket until they are accepted (listen(2))."""
    # The kernel allocates as much as it is asked for.
    return int(text_file.read(SOMAXCONN, LONGEST_NUMBER) or b"0")


def missing_packages(manager: str, packages: Sequence[str]) -> list[str]:
    """Return the packages of ``packages`` that the package manager does not list as installed."""
    if not packages:
        return []
    if manager == "dpkg":
        lines = output_of("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages)
        installed = {line.split()[0] for line in lines.splitlines() if line.endswith(" installed")}
    else:
        installed = set(output_of("rpm", "-q", "--qf", "%{NAME}\n", *packages).split("\n"))
    return [package for package in packages if package not in installed]


def pam(files: Sequence[str], helper: str | None) -> dict[str, list[str]]:
    """Return the ``files`` that do not exist, those without a line for the account phase, and all that run ``helper``."""
    present = [path for path in files if os.path.isfile(path)]
    return {
        "missing": [path for path in files if path not in present],
        "without_account": [path for path in present if not has_account_line(path, set())],
        "reporting": [path for path in sorted(glob.glob("/etc/pam.d/*")) if helper and runs(path, helper)],
    }


def runs(path: str, helper: str) -> bool:
    """Return whether a line of the file at ``path`` names ``helper``."""
    return helper.encode() in (text_file.read(path) or b"") if os.path.isfile(path) else False


def has_account_line(path: str, seen: set[str]) -> bool:
    """Return whether PAM finds a line for the account phase in the file ``path``; files in ``seen`` were read before."""
    path = os.path.join("/etc/pam.d", path)
    if path in seen or not os.path.isfile(path):
        return False
    seen.add(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file]
    return any(
        words[0].lower() in ("account", "-account")
        or (words[0] == "@include" and len(words) > 1 and has_account_line(words[1], seen))
        for words in lines
        if words
    )


def files_at_fault(module: AnsibleModule, variables: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """Return, by virtual server, the reason why a sendmail.cf or .mc rejects the ruleset; and the number of servers."""
    servers = read_list(variables["virtual_servers"])[0]
    files = [{"path": server.sendmail_cf, "relayers_db": server.relayers_db, "state": "present"} for server in servers]
    faults = faults_of(module, files, variables["sendmail_source"], max(variables["window"], 0))
    return {server.name: faults[server.sendmail_cf] for server in servers if server.sendmail_cf in faults}, len(servers)


def wanted_directory(this: RunVariables | None) -> str:
    """Return the directory for metrics, or an empty text if none is wanted, or if the variable is malformed."""
    try:
        return "" if this is None or this.variables["state"] == "absent" else directory_of(this.variables["metrics"])
    except MalformedError:
        return ""


def metrics_files(directory: str) -> dict[str, Any]:
    """Return the file of metrics in ``directory``, and those of earlier runs that are still there. Raises RelayError."""
    file, before = file_in(directory), []
    try:
        before.append(file_in(directory_of(last_run().variables.get("metrics", False))))
    except MalformedError:
        pass  # no run of the role wrote that
    before.append(file_of_unit((text_file.read(UNIT_FILE) or b"").decode("utf-8", "replace")))
    return {
        "metrics_file": file,
        "metrics_before": sorted({path for path in before if path not in ("", file) and os.path.lexists(path)}),
    }


def judged(module: AnsibleModule, this: RunVariables, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the module returns about the role's variables on this host."""
    variables, sharing = this.variables, {"host": "", "servers": {}, "ca": "", **module.params["sharing"]}
    problems = preflight.faults_of_variables(variables)
    problems += preflight.faults_of_list(variables, module.params["earlier"])
    problems += faults_of_sharing(variables, this.by_play, sharing, os.path.exists(CA_FILE))
    of_host = preflight.faults_of_host(variables, host, module.params["policy_servers"])
    faults = warnings_of_sharing(variables, sharing)
    if variables["state"] == "present" and variables["relay"] == "sendmail" and not of_host:
        at_fault, count = files_at_fault(module, variables)
        faults += [f"{PREFIX}virtual_servers: {name}: {fault}" for name, fault in at_fault.items()]
        # A server whose files are at fault does not stop the others.
        if problems or len(at_fault) == count:
            problems, faults = problems + faults, []
    return {
        "role": variables,
        "told": this.text(),
        "kept": this.kept,
        "problems": of_host + problems,
        "faults": faults,
        "parts": plan.parts_of(module.params["run_tags"], module.params["skip_tags"]),
        "used": plan.used_of(variables, host["dovecot"]["version"]) if not problems else [],
        **metrics_files(host["metrics_directory"]),
        "share_config": share_config(variables, sharing) if variables["engines"] else "",
        "share_ca": sharing["ca"],
        "dovecot_branch": plan.dovecot_branch(host["dovecot"]["version"]),
        "pam_files": plan.pam_files_of(variables),
    }


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    manager = "dpkg" if module.get_bin_path("dpkg-query") else "rpm"
    packages, pam_files = parameters["packages"], parameters["pam_files"]
    this: RunVariables | None = None
    recorder_packages, share_packages = parameters["recorder_packages"], parameters["share_packages"]
    metrics_packages = parameters["metrics_packages"]
    if manager == "rpm":
        packages = packages if parameters["rpm_packages"] is None else parameters["rpm_packages"]
        for_rpm = parameters["rpm_recorder_packages"]
        recorder_packages = recorder_packages if for_rpm is None else for_rpm
        for_rpm = parameters["rpm_share_packages"]
        share_packages = share_packages if for_rpm is None else for_rpm
        for_rpm = parameters["rpm_metrics_packages"]
        metrics_packages = metrics_packages if for_rpm is None else for_rpm
    try:
        if parameters["role"] is not None:
            before = last_run() if parameters["continues"] else None
            this = this_run(
                typed(parameters["role"], parameters["default_name"]), parameters["given"], parameters["default_name"], before
            )
            pam_files = pam_files + plan.pam_files_of(this.variables)
        if this is None or this.variables["recorder"] != "none" or this.variables["engines"]:
            packages = packages + recorder_packages
        if this is not None and this.variables["engines"]:
            packages = packages + share_packages
        directory = wanted_directory(this)
        if directory:
            packages = packages + metrics_packages
        host = {
            "is_root": os.geteuid() == 0,
            "sendmail": sendmail(module),
            "dovecot": dovecot(module),
            "most_waiting_connections": most_waiting_connections(),
            "package_manager": manager,
            "missing_packages": missing_packages(manager, packages),
            "files": [path for path in parameters["files"] if os.path.lexists(path)],
            "pam": pam(pam_files, parameters["pam_helper"]),
        }
        about_metrics = {
            "metrics_directory": directory,
            "missing_directory": "" if not directory or os.path.isdir(directory) else directory,
        }
        about_role = {} if this is None else judged(module, this, {**host, **about_metrics})
    except RelayError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **host, **about_role)
