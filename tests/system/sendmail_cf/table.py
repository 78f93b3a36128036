# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of all kinds in docs/sendmail_cf.md, between two marks."""

from __future__ import annotations

from support.documentation import DOCUMENTATION

from .kinds import LITERAL, LOCAL, POSTMASTER, REMOTE

PAGE = DOCUMENTATION / "sendmail_cf.md"
BEGIN = "<!-- Made by tests/system/sendmail_cf; do not edit. -->\n"
END = "<!-- The end of what the tests made. -->\n"
HEADINGS = (
    "the file",
    "the block is in",
    "strangers to other hosts, before",
    "strangers, after",
    "listed clients, after",
    "own users, before and after",
)


def render(kinds, places, answers):
    """Return the table. ``places`` is number of the kind → where the block stands, or why nowhere.

    ``answers`` is number → phase → question → (code, text).
    """
    rows = [HEADINGS, ["---"] * len(HEADINGS)]
    group = ""
    for number, kind in enumerate(kinds):
        if kind.group != group:
            group = kind.group
            rows.append([f"**{group}**", *[""] * (len(HEADINGS) - 1)])
        found = answers[number]
        elsewhere, here = (REMOTE, LITERAL), (LOCAL, POSTMASTER, *kind.local)
        before = _codes(found["before"], elsewhere)
        if kind.refused:
            rows.append([kind.name, f'refused: "{kind.refused}"', before, "", "", _codes(found["before"], here)])
            continue
        own = list(dict.fromkeys(_codes(found[phase], here) for phase in ("before", "unlisted", "listed")))
        after = [_codes(found[phase], elsewhere) for phase in ("unlisted", "listed")]
        rows.append([kind.name, places[number], before, *after, " → ".join(own)])
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |").replace("|  |", "| |") for row in rows)


def _codes(answers, recipients):
    codes = {code for (_client, _sender, recipient), (code, _text) in answers.items() if recipient in recipients}
    return " or ".join(map(str, sorted(codes)))


def shown():
    """Return the table that the page shows."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip("\n") + "\n"


def write(table):
    """Put the table into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
