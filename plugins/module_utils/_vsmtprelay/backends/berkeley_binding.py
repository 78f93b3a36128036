# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python binding of libdb: berkeleydb, or bsddb3 by the same author, which distributions package."""

from __future__ import annotations

import os
import sys

from ..errors import MissingBindingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BINDING: Any = None


def binding():  # type: ignore[no-untyped-def]
    """Return the Berkeley DB binding: ``berkeleydb``, or ``bsddb3`` by the same author, which distributions package.

    Raises MissingBindingError if this Python has neither.
    """
    # Python looks through the whole path again for a module that it did not find the last time.
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
    """Return the compiled part of bsddb3 alone, which is all that ``bsddb3.db`` hands on.

    The Python around it imports object wrappers that nobody needs here, and takes as long as all the rest of a command.
    Raises ImportError.
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
