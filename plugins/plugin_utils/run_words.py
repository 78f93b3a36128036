# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a playbook on a host, in one line. Each function takes the results of modules and returns the line."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.addresses import key_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.words import count, some

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# At most this many things are named one by one.
MOST_NAMED = 6
NOWHERE = "this host has none of the virtual servers that were named"


def of_permit(done: Mapping[str, Any], addresses: Sequence[str], last_day: str = "") -> str:
    """Return the line for relayers with state present for ``addresses``; ``last_day`` is a day, or empty."""
    databases = done["databases"]
    if not databases:
        return NOWHERE
    changed = [database for database in databases if database.get("added") or database.get("updated")]
    if last_day:
        end = f"to the end of {last_day} (UTC)"
    else:
        end = f"for {_some(_unique(str(database['window']) for database in databases))} minutes"
    where = _some([database["virtual_server"] for database in databases])
    return f"{_some(addresses)} may relay through {where} {end}" + ("" if changed else ", as before")


def of_revoke(done: Mapping[str, Any], addresses: Sequence[str]) -> str:
    """Return the line for relayers with state absent for ``addresses``, with those that were not listed."""
    databases = done["databases"]
    if not databases:
        return NOWHERE
    words = []
    for address in addresses:
        where = [database["virtual_server"] for database in databases if key_of(address) in database["removed"]]
        if where:
            words.append(f"{address} is off {_some(where)}")
        else:
            words.append(f"{address} was not listed in {_some([database['virtual_server'] for database in databases])}")
    declared = done.get("declared", [])
    if declared:
        words.append(
            f"{_some(declared)} {'is' if len(declared) == 1 else 'are'} declared in pop_before_smtp_permissions: "
            "remove it there, or the next run of vsmtp.relay.site lets it relay again"
        )
    return "; ".join(words)


def of_expire(done: Mapping[str, Any]) -> str:
    """Return the line for relayers_expire."""
    databases = done["databases"]
    if not databases:
        return NOWHERE
    expired = {database["virtual_server"]: len(database["expired"]) for database in databases if database["expired"]}
    age = f"{done['older_than']} minutes or older" if done["older_than"] else "of any age"
    if not expired:
        return f"no entry was {age}"
    return f"{count(sum(expired.values()), 'entry', 'entries')} {age} expired in {_some(list(expired))}"


def of_restore(done: Mapping[str, Any]) -> str:
    """Return the line for relayers_restore."""
    changes = {name: sum(len(database[name]) for database in done["databases"]) for name in ("added", "updated", "removed")}
    words = [f"{count(number, 'entry', 'entries')} {name}" for name, number in changes.items() if number]
    return f"{', '.join(words) or 'every entry was there'} in {count(len(done['databases']), 'database')}"


def of_role(host: Mapping[str, Any], servers: Mapping[str, Any], installed: Mapping[str, Any], pam: Mapping[str, Any]) -> str:
    """Return the line for the role, from the results of its tasks; a skipped task contributes nothing."""
    words = []
    if host.get("missing_packages"):
        words.append(f"packages {_some(host['missing_packages'])}")
    if installed.get("changed_files"):
        words.append(count(len(installed["changed_files"]), "file"))
    if servers.get("table_changed"):
        words.append("the table of virtual servers")
    for name, kind in (("databases", "database"), ("files", "ruleset in")):
        if servers.get(name):
            words.append(f"{kind} {_some(servers[name])}")
    if servers.get("reloaded"):
        words.append(f"sendmail reread {_some(servers['reloaded'])}")
    words += installed.get("actions", [])
    changed_pam = [result["item"] for result in pam.get("results", []) if result.get("changed")]
    if changed_pam:
        words.append(f"PAM's {_some(changed_pam)}")
    kept = [f"pop_before_smtp_{name}" for name in host.get("kept", [])]
    note = f" ({_some(kept)} as set by an earlier play)" if kept else ""
    return "; ".join(
        [
            (", ".join(words) or "nothing to do") + note,
            *_of_proof(installed.get("proof")),
            *_others(installed.get("share_proof")),
        ]
    )


def _of_proof(proof: Mapping[str, Sequence[str]] | None) -> list[str]:
    """Return what people should know of the proof of host_files; its faults are reported as those of the host."""
    if proof is None:
        return []
    if not any(proof.values()):
        return ["no Dovecot runs, so nothing proves that logins will be recorded"]
    return _others(proof)


def _others(proof: Mapping[str, Sequence[str]] | None) -> list[str]:
    """Return what needs attention though the host works."""
    return [f"attention: {fault}" for fault in (proof or {}).get("others", [])]


def drift(
    host: Mapping[str, Any], servers: Mapping[str, Any], installed: Mapping[str, Any], pam: Mapping[str, Any]
) -> list[str]:
    """Return what of a host differs from what the role would install, of what its tasks registered in check mode."""
    return [
        *(f"package {name}" for name in host.get("missing_packages", [])),
        *(["/etc/vsmtprelay/virtual_servers"] if servers.get("table_changed") else []),
        *servers.get("databases", []),
        *servers.get("files", []),
        *(f"the sendmail that runs with {path}" for path in servers.get("reloaded", [])),
        *installed.get("changed_files", []),
        *installed.get("actions", []),
        # Its message says that a file of PAM would change, also where the role does not count it as a change.
        *(result["item"] for result in pam.get("results", []) if result.get("msg")),
    ]


def of_removal(
    recorder: Mapping[str, Any], servers: Mapping[str, Any], installed: Mapping[str, Any], packages: Mapping[str, Any]
) -> str:
    """Return the line for the removal of the role, from the results of its tasks."""
    words = list(recorder.get("actions", []))
    if servers.get("files"):
        words.append(f"ruleset out of {_some(servers['files'])}")
    if servers.get("reloaded"):
        words.append(f"sendmail reread {_some(servers['reloaded'])}")
    if servers.get("databases"):
        words.append(f"database {_some(servers['databases'])} removed")
    files = [*recorder.get("changed_files", []), *installed.get("changed_files", [])]
    if files:
        words.append(f"{count(len(files), 'file')} removed")
    if packages.get("packages"):
        words.append(f"packages {_some(packages['packages'])} removed")
    return ", ".join(words) or "nothing to remove"


def of_engine(
    host: Mapping[str, Any], certificate: Mapping[str, Any], users: Mapping[str, Any], installed: Mapping[str, Any]
) -> str:
    """Return the line for the role of an engine, from the results of its tasks; a skipped task contributes nothing."""
    words = []
    if host.get("missing_packages"):
        words.append(f"package {_some(host['missing_packages'])}")
    if certificate.get("changed"):
        words.append("a new certificate")
    if installed.get("changed_files"):
        words.append(count(len(installed["changed_files"]), "file"))
    if users.get("changed_hosts"):
        words.append(f"users of {_some(users['changed_hosts'])}")
    words += installed.get("actions", [])
    end = f" (its certificate ends {certificate['end']})" if certificate.get("end") else ""
    return (", ".join(words) or "nothing to do") + end


def _some(things: Sequence[str]) -> str:
    return some(things, MOST_NAMED)


def _unique(things: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(things))
