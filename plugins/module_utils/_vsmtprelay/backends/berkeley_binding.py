# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python binding of libdb: ``berkeleydb``, or ``bsddb3`` by the same author, which distributions package."""

from __future__ import annotations

import os
import sys

from ..errors import MissingBindingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BINDING: Any = None


def binding():  # type: ignore[no-untyped-def]
    """Return the Berkeley DB binding. Raises MissingBindingError if this Python has none."""
    # Cached, because Python does not remember a failed import and searches the whole path again.
    global _BINDING  # noqa: PLW0603
    if _BINDING is None:
        _BINDING = _import_binding()
    return _BINDING


def _import_binding():  # type: ignore[no-untyped-def]
    try:
        from berkeleydb import db
    except ImportError:
        try:
            db = _core_of_bsddb3()
        except ImportError:
            raise MissingBindingError(
                f"{sys.executable} has no Berkeley DB binding: install the distribution's package python3-bsddb3 "
                "and run this with the distribution's own python3"
            ) from None
    return db


def _core_of_bsddb3():  # type: ignore[no-untyped-def]
    """Return the compiled part of bsddb3, which is all that ``bsddb3.db`` re-exports. Raises ImportError.

    The Python package around it imports object wrappers that are not used here (start-up: see __init__).
    """
    before = sys.modules.get("bsddb3")
    package = type(sys)("bsddb3")
    package.__path__ = [os.path.join(directory, "bsddb3") for directory in sys.path]
    sys.modules["bsddb3"] = package
    try:
        from bsddb3 import _pybsddb
    finally:
        if before is None:
            del sys.modules["bsddb3"]
        else:
            sys.modules["bsddb3"] = before
    return _pybsddb
