# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files and units of a list a run of host_files handles on one host, and in what order."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any


def chosen(items: Sequence[Any], parts: Collection[str] | None, used: Collection[str] | None) -> list[Any]:
    """Return the items that belong to one of ``parts``, or to none; those that the host does not use have the state absent.

    The keys ``part`` and ``needs`` are for this function alone: they are left out of the result. None for ``parts`` or
    ``used`` stands for all. Anything but a dictionary stays: the module reports it.
    """
    return [_as_used(item, used) for item in items if not isinstance(item, dict) or _is_in(item.get("part"), parts)]


def in_order(units: Sequence[Any]) -> list[Any]:
    """Return ``units`` in reverse order if one of them is absent: Dovecot has to forget the recorder before it goes."""
    absent = any(isinstance(unit, dict) and unit.get("state") == "absent" for unit in units)
    return list(reversed(units)) if absent else list(units)


def _as_used(item: Any, used: Collection[str] | None) -> Any:
    if not isinstance(item, dict):
        return item
    kept: Mapping[str, Any] = {name: value for name, value in item.items() if name not in ("part", "needs")}
    return kept if _is_in(item.get("needs"), used) else {**kept, "state": "absent"}


def _is_in(name: str | None, names: Collection[str] | None) -> bool:
    return name is None or names is None or name in names
