# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks in the language ``console``: commands behind their prompts, and what they print.

``$`` is the prompt of the controller, ``root@mail1:~#`` that of root on a mail host. Lines without a prompt are the output of
the command before them. There an ellipsis, ``…``, matches any text, and one alone on its line any number of lines. Times and
ages may differ, and columns may be wider.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

CONTROLLER = "controller"
PROMPT = re.compile(r"(?:\$|root@(?P<host>\w+):~#) (?P<command>.*)")
# What differs from run to run, and what it may be.
VARIES = {
    "stamp": r"\b1\d{9}\b",
    "date": r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\b",
    "iso": r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d",
    "age": r"\b\d+ (?:s|min|h|d)\b",
    "ellipsis": "…",
    "space": " {2,}",
    "rule": "-{3,}",
}
MAY_BE = {**VARIES, "ellipsis": ".*", "space": " +"}
VARYING = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in VARIES.items()))


@dataclass
class Command:
    """A command, where it is typed (``host`` is CONTROLLER or a mail host's name), and the lines that it prints."""

    host: str
    text: str
    output: list[str] = field(default_factory=list)

    def prints(self, output: str) -> bool:
        """Return whether ``output`` is what the page shows. A page that shows nothing says nothing about it."""
        return not self.output or re.fullmatch("".join(map(_pattern, self.output)), output.rstrip("\n") + "\n") is not None


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a block. Raises ValueError if it begins with no prompt or is empty."""
    command: Command | None = None
    for line in text.splitlines():
        if command is not None and command.text.endswith("\\"):
            command.text += f"\n{line}"
        elif prompt := PROMPT.fullmatch(line):
            if command is not None:
                yield command
            command = Command(prompt["host"] or CONTROLLER, prompt["command"])
        elif command is None:
            raise ValueError(f"no prompt before {line!r}: $ on the machine that Ansible runs on, root@mail1:~# on a mail host")
        else:
            command.output.append(line)
    if command is None:
        raise ValueError("no command in it")
    yield command


def _pattern(line: str) -> str:
    """Return the regular expression for a line that the page shows."""
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    pattern, end = "", 0
    for match in VARYING.finditer(line):
        pattern += re.escape(line[end : match.start()]) + MAY_BE[match.lastgroup or ""]
        end = match.end()
    return pattern + re.escape(line[end:]) + r"\n"
