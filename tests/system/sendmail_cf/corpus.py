# SPDX-License-Identifier: GPL-3.0-or-later
"""The sendmail.cf files that the ruleset is tried on, and what is to be expected of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).parent / "corpus"
ROOT = "/srv/cf"
FIRST_PORT = 3000
FILLER_LINES = 5000
PASSES_ON = "# HERE: addresses at a local host that are passed on.\n"

# A user's own rules in a stock file: they are asked first, and stay so.
LOCAL_CHECK_RCPT = """\
LOCAL_RULESETS
SLocal_check_rcpt
R$*\t$: $>canonify $1
Rblack < @ $* > $*\t$#error $@ 5.7.1 $: "550 black listed"
"""
# What the command line of Debian's m4 makes of its sendmail.mc, with lines of a user's own.
STOCK = {
    "stock": ("", ""),
    "stock_delay_checks": ("FEATURE(`delay_checks')dnl\n", ""),
    "stock_own_rules": ("", LOCAL_CHECK_RCPT),
    "stock_own_rules_delay_checks": ("FEATURE(`delay_checks')dnl\n", LOCAL_CHECK_RCPT),
    "stock_promiscuous": ("FEATURE(`promiscuous_relay')dnl\n", ""),
}


@dataclass
class File:
    """One sendmail.cf: its name, and what its rules do without us."""

    name: str
    number: int
    black_list: bool
    """Whether it refuses mail to black@ anywhere."""
    was_open: bool
    """Whether it lets strangers relay as it is."""

    @property
    def directory(self) -> str:
        """Where it lies, with its database and its queue."""
        return f"{ROOT}/{self.name}"

    @property
    def path(self) -> str:
        return f"{self.directory}/sendmail.cf"

    @property
    def relayers_db(self) -> str:
        return f"{self.directory}/relayers.db"

    @property
    def port(self) -> int:
        """The port of its daemon."""
        return FIRST_PORT + self.number


def written_by_hand() -> dict[str, bytes]:
    """Return name → content of the files that are not stock."""
    base, passes_on = ((FILES / name).read_text(encoding="utf-8") for name in ("base.cf", "passes_on.cf"))
    texts = {}
    for path in sorted(FILES.glob("*.cf")):
        if path.name.startswith(("closed", "open", "none")):
            # Rules of check_rcpt that take any address at a local host for local fit only a file that passes none of them on.
            more = "" if path.name.startswith("closed") else passes_on
            texts[path.stem] = base.replace(PASSES_ON, more) + path.read_text(encoding="utf-8")
    catch_all = texts["closed_catch_all"]
    texts["closed_crlf"] = catch_all.replace("\n", "\r\n")
    texts["closed_no_final_newline"] = catch_all.rstrip("\n")
    texts["closed_long"] = catch_all.replace("Scheck_rcpt", "# filler\n" * FILLER_LINES + "Scheck_rcpt")
    texts["none_no_final_newline"] = texts["none"].rstrip("\n")
    return {name: text.encode() for name, text in texts.items()}


def files() -> list[File]:
    """Return all files."""
    names = [*STOCK, *written_by_hand()]
    return [
        File(
            name,
            number,
            black_list="black_list" in name or "own_rules" in name,
            was_open=name.startswith(("open", "none")) or name == "stock_promiscuous",
        )
        for number, name in enumerate(names)
    ]
