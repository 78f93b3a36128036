# SPDX-License-Identifier: GPL-3.0-or-later
"""Books each moment of a process to one item: imports, system calls and functions that are wrapped, and the rest."""

import builtins
import os
import sys
from time import perf_counter

# What is booked apart. An import is booked apart from what it is made in.
FUNCTIONS = {
    "vsmtprelay.servers.virtual_servers": {"VirtualServers.from_table": "table of virtual servers"},
    "vsmtprelay.backends.berkeley_pages": {"check_pages": "look at the pages"},
    "vsmtprelay.database.snapshot": {
        "Snapshot.take": "copy into memory, with locks",
        "Snapshot.apply": "libdb: open, put, close",
    },
    "vsmtprelay.database.relayers_db": {"publish": "write the new file, rename"},
}
BINDINGS = ("berkeleydb", "bsddb3")


class Ledger:
    """What was spent (seconds) on each item since ``begin`` (seconds of perf_counter, the same for all processes)."""

    def __init__(self, begin, first_item):
        self.spent = {}
        self._items = [first_item]
        self._last = begin

    def close_item(self, now):
        """Book what passed since the last time to the current item."""
        item = self._items[-1]
        self.spent[item] = self.spent.get(item, 0.0) + now - self._last
        self._last = now

    def replace_item(self, item, now):
        """Go from the current item to another."""
        self.close_item(now)
        self._items[-1] = item

    def wrapped(self, function, item):
        """Return ``function`` with its time booked to ``item``."""

        def call(*arguments, **options):
            self.close_item(perf_counter())
            self._items.append(item)
            try:
                return function(*arguments, **options)
            finally:
                self.close_item(perf_counter())
                self._items.pop()

        return call

    def watch(self):
        """Book imports, and what FUNCTIONS names as soon as it is imported."""
        plain_import = builtins.__import__
        missing = dict(FUNCTIONS)
        own = self.wrapped(plain_import, "import modules")
        binding = self.wrapped(plain_import, "import the Berkeley DB binding")

        def watched_import(name, *arguments, **options):
            result = (binding if name.startswith(BINDINGS) else own)(name, *arguments, **options)
            if "vsmtprelay" in sys.modules:
                self._wrap_loaded(missing)
            return result

        builtins.__import__ = watched_import
        os.fsync = self.wrapped(os.fsync, "fsync")

    def _wrap_loaded(self, missing):
        for name in list(missing):
            module = sys.modules.get(name)
            # A module that is still being executed lacks what stands below.
            if module is None or module.__spec__._initializing:
                continue
            for dotted, item in missing.pop(name).items():
                *holders, last = dotted.split(".")
                holder = module
                for part in holders:
                    holder = getattr(holder, part, None)
                function = holder and vars(holder).get(last)
                if isinstance(function, classmethod):
                    setattr(holder, last, classmethod(self.wrapped(function.__func__, item)))
                elif function is None:
                    raise LookupError(f"{name} has no {dotted}")
                else:
                    setattr(holder, last, self.wrapped(function, item))


def run(begin, first, program, result):
    """Run the source file ``program`` as the main program, and write what was spent to the path ``result``.

    The process was spawned at ``begin`` and came to its own code at ``first``.
    """
    ledger = Ledger(begin, "start Python")
    ledger.replace_item("this measurement", first)
    ledger.watch()
    with open(program) as file:
        code = compile(file.read(), program, "exec")
    ledger.replace_item("everything else", perf_counter())
    status, leave, plain_exit = 0, sys.exit, os._exit

    def exit_at_once(status):
        nonlocal leave
        leave = plain_exit
        sys.exit(status)

    os._exit = exit_at_once
    try:
        exec(code, {"__name__": "__main__", "__file__": program})
    except SystemExit as end:
        status = end.code or 0
    now = perf_counter()
    ledger.close_item(now)
    with open(result, "w") as file:
        file.write(repr((now, ledger.spent)))
    leave(status)
