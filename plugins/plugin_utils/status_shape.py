# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the answer of a host has the shape that the module relay_status_info returns: a host may be in wrong hands."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.counts_file import KINDS
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.state import HOURS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Check = Callable[[Any], bool]

# Of a text, in characters; a host can list thousands of files in a fault.
LONGEST_TEXT = 20_000
LARGEST_NUMBER = 2**53


def is_status(status: Mapping[str, Any]) -> bool:
    """Return whether ``status`` can be shown: all its members are there and of their types."""
    return _STATUS(status)


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER


def _count(value: Any) -> bool:
    return _number(value) and value >= 0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _by_text(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(_text(key) and check(each) for key, each in value.items())


def _with(**members: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(name in value and check(value[name]) for name, check in members.items())
    )


def _with_any(**members: Check) -> Check:
    """Return a check of members that need not be there."""
    return lambda value: isinstance(value, dict) and all(check(value[name]) for name, check in members.items() if name in value)


def _both(one: Check, other: Check) -> Check:
    return lambda value: one(value) and other(value)


def _sharing(value: Any) -> bool:
    # With a fault nothing else is read.
    return _with(fault=_text)(value) and bool(value["fault"] or _SHARING(value))


def _server(value: Any) -> bool:
    return _SERVER(value) and (value["fault"] != "" or "ruleset" in value)


_ENGINE = _with(
    engine=_text,
    connected=_flag,
    since=_number,
    error=_or_none(_text),
    unsent=_count,
    lag_ms=_or_none(_number),
    refused=_by_text(_by_text(_count)),
)
_SHARING = _with(
    engines=_list_of(_ENGINE),
    failed_servers=_by_text(_text),
    recorder=_with(reachable=_flag, error=_or_none(_text)),
    alone_since=_or_none(_number),
)
_SERVER = _both(
    _with(name=_text, sendmail_cf=_text, relayers_db=_text, fault=_text),
    _with_any(
        ruleset=_text,
        window=_or_none(_count),
        entries=_count,
        pinned=_count,
        oldest=_or_none(_number),
        newest=_or_none(_number),
        ages=_both(_list_of(_count), lambda value: len(value) == HOURS + 1),
    ),
)
_STATUS = _both(
    _with(
        recorder=_text,
        expiry=_with(last=_or_none(_number), status=_or_none(_number), late=_flag),
        virtual_servers=_list_of(_server),
    ),
    _with_any(
        recorder_faults=_list_of(_text),
        recorder_counts=_or_none(_with(since=_number, **dict.fromkeys(KINDS, _count))),
        sharing=_or_none(_sharing),
        unknown=_list_of(_text),
    ),
)
