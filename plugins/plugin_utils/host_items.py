# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files and units of a list that one run of host_files handles on a host, and their order."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any


def chosen(items: Sequence[Any], parts: Collection[str] | None, used: Collection[str] | None) -> list[Any]:
    """Return the items of ``parts``, and those without a part; items that the host does not use get the state absent.

    Only this function uses the keys ``part`` and ``needs``; the result lacks them. None for ``parts`` or
    ``used`` means all. Anything but a dictionary stays: the module reports it.
    """
    return [_as_used(item, used) for item in items if not isinstance(item, dict) or _is_in(item.get("part"), parts)]


def in_order(units: Sequence[Any]) -> list[Any]:
    """Return ``units`` in the order in which they are handled: those that are absent first, in reverse order.

    If all of the role's own are, the units of the host come before them: Dovecot must stop asking the recorder before its
    removal. Otherwise they come last, since Dovecot must not ask before the recorder listens.
    """
    absent = [unit for unit in reversed(units) if _is_absent(unit)]
    present = [unit for unit in units if not _is_absent(unit)]
    own = [unit for unit in present if isinstance(unit, dict) and (unit.get("template") or unit.get("content"))]
    return [*absent, *present] if own else [*present, *absent]


def _is_absent(unit: Any) -> bool:
    return isinstance(unit, dict) and unit.get("state") == "absent"


def _as_used(item: Any, used: Collection[str] | None) -> Any:
    if not isinstance(item, dict):
        return item
    kept: Mapping[str, Any] = {name: value for name, value in item.items() if name not in ("part", "needs")}
    return kept if _is_in(item.get("needs"), used) else {**kept, "state": "absent"}


def _is_in(name: str | None, names: Collection[str] | None) -> bool:
    return name is None or names is None or name in names
