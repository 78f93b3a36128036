# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of bulk work: results, failures and differences in one type."""

from __future__ import annotations

from .._vsmtprelay.errors import RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule


class Outcome:
    """The outcome of work on several items: ``results`` of those done, ``failures`` as messages, and ``diff`` for Ansible."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.failures: list[str] = []
        self.diff: list[dict[str, str]] = []

    def take(self, other: Outcome) -> None:
        """Add the failures and the differences of ``other``, not its results."""
        self.failures += other.failures
        self.diff += other.diff


def for_each(items: Iterable[Any], work: Callable[[Any], Any]) -> Outcome:
    """Call ``work`` for each of ``items``. If an item raises RelayError, only that item fails: the others are still done."""
    outcome = Outcome()
    for item in items:
        try:
            outcome.results.append(work(item))
        except RelayError as error:
            outcome.failures.append(str(error))
    return outcome


def finish(module: AnsibleModule, changed: bool, outcome: Outcome, **results: Any) -> None:
    """Exit the module with ``results`` and the differences of ``outcome``; fail if it has failures."""
    if module._diff and outcome.diff:
        results["diff"] = outcome.diff
    if outcome.failures:
        module.fail_json(msg="; ".join(outcome.failures), changed=changed, **results)
    module.exit_json(changed=changed, **results)
