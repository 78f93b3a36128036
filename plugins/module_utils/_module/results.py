# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a module that does many things hands back what became of each."""

from __future__ import annotations

from .._vsmtprelay.errors import RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    from ansible.module_utils.basic import AnsibleModule


def for_each(items: Iterable[Any], work: Callable[[Any], dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Do ``work`` for each of ``items``; return what it returned for each, and the messages of those that failed.

    One bad item does not keep the others from being done.
    """
    results: list[dict[str, Any]] = []
    failures: list[str] = []
    for item in items:
        try:
            results.append(work(item))
        except RelayError as error:
            failures.append(str(error))
    return results, failures


def finish(
    module: AnsibleModule, changed: bool, failures: list[str], diff: list[dict[str, str]] | None = None, **results: Any
) -> NoReturn:
    """End the module: with what it did, or as failed if anything did, which the message then tells."""
    if diff is not None and module._diff:
        results["diff"] = diff
    if failures:
        module.fail_json(msg="; ".join(failures), changed=changed, **results)
    module.exit_json(changed=changed, **results)
