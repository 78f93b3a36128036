# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet as one self-contained HTML page: words, a table and plots."""

from __future__ import annotations

import time
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from . import status_plots
from .status_table import HEADS, NUMBERS, rows_of
from .status_words import attention, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TEMPLATE = Path(__file__).with_name("status_page.html.j2")


def page(fleet: Mapping[str, Any]) -> str:
    """Return the HTML text. ``fleet`` is described in status_words.

    Raises MissingLibraryError if there is something to plot and no Matplotlib.
    """
    made = time.gmtime(fleet["made"])
    rows = []
    for host in fleet["hosts"]:
        for row in rows_of(host, fleet["made"]):
            rows.append({"host": host["host"], "fault": host["fault"], "cells": row[1:]})
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        summary=summary(fleet),
        made=time.strftime("%Y-%m-%d %H:%M UTC", made),
        made_iso=time.strftime("%Y-%m-%dT%H:%M:%SZ", made),
        attention=attention(fleet),
        heads=HEADS,
        numbers=NUMBERS,
        rows=rows,
        plots=_plots(fleet),
    )


def _plots(fleet: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    if not any(host.get("virtual_servers") for host in fleet["hosts"]):
        return []
    return [
        ("Clients whose last login was within a day, by host", Markup(status_plots.logins(fleet))),
        ("How long ago the clients of each host logged in", Markup(status_plots.ages(fleet))),
    ]
