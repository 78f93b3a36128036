# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of one run of the role on a host: its parts, and the components of the recorder."""

from __future__ import annotations

from .metrics import directory_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

# The parts by the tags that choose them.
PARTS = {"pop_before_smtp_install": "install", "pop_before_smtp_configure": "configure", "pop_before_smtp_run": "run"}
# Dovecot 2.3 reports over TCP only. Dovecot 2.4 and later use the same settings and the Unix socket.
OLD_DOVECOT = "2.3"
NEW_DOVECOT = "2.4"


def parts_of(run_tags: Collection[str], skip_tags: Collection[str]) -> list[str]:
    """Return the parts that a run with these tags does; a run without any of their tags does all parts."""
    named = [tag for tag in PARTS if tag in run_tags] or list(PARTS)
    return [PARTS[tag] for tag in named if tag not in skip_tags]


def dovecot_branch(version: str) -> str:
    """Return the branch whose settings Dovecot ``version`` accepts."""
    return OLD_DOVECOT if version.startswith(f"{OLD_DOVECOT}.") else NEW_DOVECOT


def used_of(variables: Mapping[str, Any], version: str) -> list[str]:
    """Return what a host with Dovecot ``version`` uses.

    ``recorder``; ``dovecot`` to report to it, ``tcp`` and its secret for these reports; ``share`` to exchange logins with
    other hosts, for which the recorder runs even where nothing reports to it; ``metrics`` for Prometheus.

    Raises MalformedError, as directory_of().
    """
    if variables["state"] == "absent":
        return []
    share = ["share"] if variables["engines"] else []
    metrics = ["metrics"] if directory_of(variables["metrics"]) else []
    if variables["recorder"] == "none":
        return ["recorder", *share, *metrics] if share else metrics
    if variables["recorder"] != "dovecot":
        return ["recorder", *share, *metrics]
    return ["recorder", "dovecot", *(["tcp"] if dovecot_branch(version) == OLD_DOVECOT else []), *share, *metrics]


def pam_files_of(variables: Mapping[str, Any]) -> list[str]:
    """Return the PAM files that report logins."""
    if variables["state"] == "absent" or variables["recorder"] != "pam":
        return []
    return [f"/etc/pam.d/{service}" for service in variables["pam_services"]]
