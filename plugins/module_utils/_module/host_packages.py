# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages that the role added to a host: record and remove."""

from __future__ import annotations

import os
import time

from .._vsmtprelay import programs
from .._vsmtprelay.errors import RelayError, UnreadableError
from .._vsmtprelay.files import text_file
from .files import ensure_file, ensure_no_file
from .results import Outcome, finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible.module_utils.basic import AnsibleModule


# A dpkg of a run that was interrupted on the controller can still be running on the host.
DPKG_LOCK_SECONDS = 120
UPDATES = "/var/lib/dpkg/updates"


def dpkg(*words: str) -> programs.Ended:
    """Run dpkg as soon as no other dpkg is running; return its result."""
    end = time.monotonic() + DPKG_LOCK_SECONDS
    while True:
        # There is no terminal for questions (debconf(7)).
        done = programs.run(["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *words], programs.SECONDS_TO_INSTALL)
        if done.status == 0 or b"locked by another process" not in done.errors or time.monotonic() > end:
            return done
        time.sleep(1)


def checked_output_of(*command: str) -> str:
    """Return the output of a command. Raises UnreadableError if it fails."""
    ended = programs.run(command, programs.SECONDS_TO_REPORT)
    if ended.status != 0:
        raise UnreadableError(f"{' '.join(command)}: {ended.complaint}")
    return ended.text


def finish_what_was_cut_off(module: AnsibleModule) -> bool:
    """Configure the packages that dpkg only unpacked; return whether there were any. apt-get refuses to work before."""
    if not (os.listdir(UPDATES) or programs.run(["dpkg", "--audit"], programs.SECONDS_TO_REPORT).output.strip()):
        return False
    if not module.check_mode:
        done = dpkg("--force-confold", "--configure", "--pending")
        if done.status != 0:
            module.fail_json(msg=f"dpkg was interrupted, and cannot finish: {done.complaint}; run dpkg --configure --pending")
    return True


def ours(module: AnsibleModule, before: Iterable[str]) -> set[str]:
    """Return the packages added since ``before``, except those that an administrator installed manually meanwhile."""
    automatic = checked_output_of("apt-mark", "showauto").split()
    return set(installed()).difference(before).intersection([*automatic, *module.params["names"]])


def installed() -> list[str]:
    """Return the names of all packages that are installed or partly installed."""
    lines = checked_output_of("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n").splitlines()
    return sorted({line.split()[0] for line in lines if line.split()[1] not in ("not-installed", "config-files")})


def remembered(path: str) -> list[str] | None:
    """Return the package names in the file at ``path``, or None if there is no file."""
    content = text_file.read(path)
    return None if content is None else content.decode("utf-8", "replace").split()


def remember(module: AnsibleModule, path: str, names: Iterable[str]) -> bool:
    """Write the names to the file at ``path``; return whether it changed."""
    text = "".join(f"{name}\n" for name in sorted(names))
    return ensure_file(path, text.encode(), text_file.Attributes(uid=0, gid=0, mode=0o644), module.check_mode, [])


def remove(module: AnsibleModule, names: Iterable[str]) -> list[str]:
    """Purge the packages in ``names`` that no other package needs; return their names."""
    before = set(installed())
    present = [name for name in names if name in before and name not in module.params["keep"]]
    if module.check_mode or not present:
        return present
    # dpkg, not apt-get: it never removes other packages, and continues with the rest if one is still needed.
    dpkg("--purge", *present)
    after = set(installed())
    kept = [name for name in present if name in after]
    if kept:
        module.warn(f"these packages stay, since others need them: {', '.join(kept)}")
    return [name for name in present if name not in after]


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    state, path = module.params["state"], module.params["memory"]
    path_before = path + ".before"
    try:
        packages, before, changed = remembered(path) or [], remembered(path_before), False
        if state == "before":
            changed = finish_what_was_cut_off(module)
            if before is None:
                changed |= remember(module, path_before, installed())
        elif state == "after" and before is not None:
            packages = sorted(ours(module, before).union(packages))
            changed = remember(module, path, packages)
            changed |= ensure_no_file(path_before, module.check_mode, [])
        elif state == "absent":
            finished = before is not None and finish_what_was_cut_off(module)
            packages = remove(module, packages if before is None else sorted(ours(module, before).union(packages)))
            changed = finished or bool(packages)
            changed |= ensure_no_file(path, module.check_mode, [])
            changed |= ensure_no_file(path_before, module.check_mode, [])
    except RelayError as error:
        module.fail_json(msg=str(error))
    finish(module, changed, Outcome(), packages=packages)
