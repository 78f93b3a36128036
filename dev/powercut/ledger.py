# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be on a disk: everything that was acknowledged, and nothing that nobody recorded.

The ledger hears what the guest says (in_guest/report.py) and compares it with what is there after a power cut. A change that
was begun and not acknowledged may be there or not, but as a whole, if it is the change of one command.
"""

from dataclasses import dataclass, field, fields
from typing import Any

# What an entry may be: None if it may be missing, else the earliest and the latest time in it, in epoch seconds.
Option = tuple[int, int] | None
# A login or a command without a time is stamped within so many seconds after it was begun.
LATEST = 120
PATIENT = "patient"
NAME = "relayers.db"
# The writer lock, which a cut may leave; the next writer takes it over.
LOCK = f".{NAME}.vsmtprelay"


@dataclass
class Counts:
    """What was found; everything but the first three is a fault."""

    rounds: int = 0
    acknowledged: int = 0
    """Entries whose change was acknowledged."""
    unacknowledged: int = 0
    """Entries whose change was under way at a cut."""
    lost: int = 0
    """Acknowledged changes that are not there."""
    unrecorded: int = 0
    """Entries that nobody recorded."""
    came_back: int = 0
    """Entries that were removed, and recorded once more from the spool."""
    half_done: int = 0
    """Commands of whose change a part is there."""
    damaged: int = 0
    """Files that are not sound."""
    failed: int = 0
    """Commands that failed."""
    left_over: int = 0
    """Files that the next change left beside the database."""

    def __iadd__(self, other: "Counts") -> "Counts":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    @property
    def faults(self) -> int:
        """The sum of all faults."""
        return self.lost + self.unrecorded + self.came_back + self.half_done + self.damaged + self.failed + self.left_over


@dataclass
class Operation:
    """A command that was begun: what each entry of a database becomes."""

    database: str
    changes: dict[str, Option]


@dataclass
class Patient:
    """How far the database that is damaged on purpose has come."""

    state: str = "anew"
    digest: str = ""
    """Of the damaged file."""
    original: set[str] = field(default_factory=set)
    """The addresses that were in it."""


class Ledger:
    """Everything that is known about the databases of one disk."""

    def __init__(self) -> None:
        """Know of nothing."""
        self.counts = Counts()
        self.complaints: list[str] = []
        # By database and address; an address that is missing here is missing there.
        self._books: dict[str, dict[str, list[Option]]] = {"main": {}, PATIENT: {}}
        # Every address that was ever to be recorded.
        self._ever: set[str] = set()
        self._begun: dict[int, Operation] = {}
        self._logins: dict[str, str] = {}
        # Logins that were under way at the cut, and are not listed yet: the recorder may still have them in the spool. None
        # before it has started.
        self._late: dict[str, tuple[str, list[Option]]] | None = None
        self._patient = Patient()
        self._handlers = {
            "login": self._login,
            "recorded": self._recorded,
            "add": self._add,
            "import": self._import,
            "expire": self._expire,
            "delete": self._delete,
            "repair": self._repair,
            "done": self._done,
            "failed": self._failed,
            "found": self._found,
            "recovered": self._recovered,
            "next change works": self._next_change,
            "patient anew": lambda said: self._patient_anew(),
            "damaging": lambda said: setattr(self._patient, "state", "damaging"),
            "damaged": self._damaged,
            "repaired": self._repaired,
        }

    def databases(self) -> list[str]:
        """Return the names of the databases to look at."""
        return sorted(self._books)

    def hear(self, said: dict[str, Any]) -> None:
        """Take note of what the guest says."""
        handler = self._handlers.get(said["say"])
        if handler:
            handler(said)

    def power_is_gone(self) -> None:
        """Note that what is under way now was not acknowledged."""
        self.counts.rounds += 1
        self._late = None
        self.counts.unacknowledged += len(self._logins) + sum(len(each.changes) for each in self._begun.values())

    # Intents

    def _login(self, said: dict[str, Any]) -> None:
        book = self._books.setdefault(said["database"], {})
        for key in said["keys"]:
            options = book.get(key, [None])
            book[key] = options + [_later(option, said["time"]) for option in options]
            self._logins[key] = said["database"]
            self._ever.add(key)

    def _begin(self, said: dict[str, Any], changes: dict[str, Option]) -> None:
        book = self._books.setdefault(said["database"], {})
        for key, option in changes.items():
            book[key] = [*book.get(key, [None]), option]
            self._ever.add(key)
        self._begun[said["n"]] = Operation(said["database"], changes)

    def _add(self, said: dict[str, Any]) -> None:
        ticks, now = said["ticks"], said["time"]
        self._begin(said, {said["key"]: (now, now + LATEST) if ticks is None else (ticks, ticks)})

    def _import(self, said: dict[str, Any]) -> None:
        if said["database"] == PATIENT:
            self._patient.state = "made"
        stamps = said["stamps"]
        keys = [address(number) for number in range(said["first"], said["first"] + said["count"])]
        self._begin(said, {key: (stamps[position % 2],) * 2 for position, key in enumerate(keys)})

    def _expire(self, said: dict[str, Any]) -> None:
        limit = said["time"] - said["minutes"] * 60
        book = self._books[said["database"]]
        old = [key for key, options in book.items() if any(option is not None and option[1] <= limit for option in options)]
        self._begin(said, dict.fromkeys(old))

    def _delete(self, said: dict[str, Any]) -> None:
        self._begin(said, dict.fromkeys(said["keys"]))

    def _repair(self, said: dict[str, Any]) -> None:
        self._begun[said["n"]] = Operation(PATIENT, {})

    # Acknowledgements

    def _recorded(self, said: dict[str, Any]) -> None:
        key = said["key"]
        if key in self._logins and not said["spool"]:
            book = self._books[self._logins.pop(key)]
            book[key] = book[key][-1:]
            self.counts.acknowledged += 1
        elif said["spool"] and self._late is not None and key in self._late:
            database, options = self._late.pop(key)
            self._books.setdefault(database, {})[key] = [option for option in options if option is not None]
        # Else recovered() looks at it, if it was in time for that.

    def _done(self, said: dict[str, Any]) -> None:
        operation = self._begun.pop(said["n"])
        book = self._books[operation.database]
        for key, option in operation.changes.items():
            book[key] = [option]
        self.counts.acknowledged += max(len(operation.changes), 1)
        if operation.database == PATIENT and not operation.changes and self._patient.state == "damaged":
            self._patient.state = "repaired"
            self._patient.original = set(book)
            self._books[PATIENT] = {}

    def _failed(self, said: dict[str, Any]) -> None:
        self._begun.pop(said["n"], None)
        self.counts.failed += 1
        self._complain(f"a command failed with status {said['status']}: {said['text']}")

    # The patient

    def _patient_anew(self) -> None:
        self._patient = Patient()
        self._books[PATIENT] = {}

    def _damaged(self, said: dict[str, Any]) -> None:
        self._patient.state, self._patient.digest = "damaged", said["digest"]

    def _repaired(self, said: dict[str, Any]) -> None:
        if said["status"]:
            self.counts.damaged += 1
            self._complain(f"the repaired database cannot be read: {said['status']}")
        original = self._patient.original | set(self._books[PATIENT])
        if self._patient.state in ("damaged", "repaired"):
            self._must_be_of(original, said["entries"])
        self._patient.original = original
        self._books[PATIENT] = {key: [(int(value),) * 2] for key, value in said["entries"].items()}

    def _must_be_of(self, original: set[str], entries: dict[str, str]) -> None:
        foreign = [key for key in entries if key not in original]
        if foreign or (original and not entries):
            self.counts.unrecorded += len(foreign)
            self.counts.lost += not entries
            self._complain(f"repaired: {len(entries)} of {len(original)} entries; not from there: {foreign[:5]}")

    def _found_patient(self, said: dict[str, Any]) -> None:
        state, files = self._patient.state, said["files"]
        if state == "made":
            self._compare(said)
        elif state == "damaged" and files.get(NAME) != self._patient.digest:
            # The repair was done and not acknowledged.
            self._judge_file(said)
            self._must_be_of(set(self._books[PATIENT]), said["entries"] or {})
        elif state == "repaired":
            self._judge_file(said)
            if self._books[PATIENT]:
                self._compare(said)
            else:
                self._must_be_of(self._patient.original, said["entries"] or {})
            if self._patient.digest and self._patient.digest not in [v for k, v in files.items() if ".damaged-" in k]:
                self.counts.lost += 1
                self._complain(f"the copy of the damaged file is not there, or is another file: {files}")
        # The guest repairs what it finds, before it goes on.
        self._begun = {number: each for number, each in self._begun.items() if each.database != PATIENT}

    # What is there

    def _found(self, said: dict[str, Any]) -> None:
        if said["database"] == PATIENT:
            self._found_patient(said)
        else:
            self._compare(said)

    def _judge_file(self, said: dict[str, Any]) -> None:
        if NAME not in said["files"]:
            return
        reports = [said[name] for name in ("db5.3_verify", "makemap", "dump")]
        if any(report[0] for report in reports) or not said["agree"]:
            self.counts.damaged += 1
            self._complain(f"{said['database']}: damaged: {reports}, the programs agree: {said['agree']}")

    def _compare(self, said: dict[str, Any]) -> None:
        """Compare a database with its book; then what is there is what is known."""
        name, entries = said["database"], said["entries"] or {}
        self._judge_file(said)
        book = self._books.get(name, {})
        lost: list[str] = []
        foreign: list[str] = []
        for key in book.keys() | entries.keys():
            options, value = book.get(key, [None]), entries.get(key)
            if not any(_is(option, value) for option in options):
                (foreign if value is not None and key not in self._ever else lost).append(
                    f"{key}: {value} instead of {options}"
                )
        self.counts.lost += len(lost)
        self.counts.unrecorded += len(foreign)
        if lost or foreign:
            self._complain(
                f"{name}: {len(lost)} changes lost, {len(foreign)} unrecorded: {(lost + foreign)[:3]} files: {said['files']}"
            )
        for number, operation in list(self._begun.items()):
            if operation.database == name:
                if not lost and len({_is(new, entries.get(key)) for key, new in operation.changes.items()}) > 1:
                    self.counts.half_done += 1
                    self._complain(f"{name}: half of a command is there: {list(operation.changes.items())[:3]}")
                del self._begun[number]
        found: dict[str, list[Option]] = {key: [(int(value),) * 2] for key, value in entries.items() if value.isdigit()}
        # The recorder may still have these logins in its spool.
        for key in (key for key, where in self._logins.items() if where == name):
            if key not in entries:
                found[key] = book[key]
            elif key in found:
                found[key] += [option for option in book[key] if option is not None and option[1] > int(entries[key])]
        self._books[name] = found

    def _recovered(self, said: dict[str, Any]) -> None:
        """Compare what the recorder wrote of its spool with the logins that were under way at the cut."""
        name = said["database"]
        if name == PATIENT:
            return  # no login goes there, and it may still be damaged
        book = self._books[name]
        if said["status"]:
            self.counts.damaged += 1
            self._complain(f"{name}: cannot be read after the recorder's start")
        if said["gone"]:
            self.counts.lost += len(said["gone"])
            self._complain(f"{name}: gone when the recorder started: {said['gone'][:5]}")
        for key, value in said["changed"].items():
            if self._logins.get(key) != name:
                known = key in self._ever
                self.counts.came_back += known
                self.counts.unrecorded += not known
                self._complain(f"{name}: {key} {value} came with the recorder's start, instead of {book.get(key)}")
            book[key] = [(int(value),) * 2]
        for key, database in list(self._logins.items()):
            if database == name:
                if key not in said["changed"] and None in book.get(key, []):
                    self._late = self._late or {}
                    self._late[key] = (name, book.pop(key))
                del self._logins[key]
        if name.startswith("new/"):
            # Looked at; the next round has others.
            del self._books[name]

    def _next_change(self, said: dict[str, Any]) -> None:
        if said["files"] != [NAME]:
            self.counts.left_over += 1
            self._complain(f"the next change left {said['files']}")

    def _complain(self, text: str) -> None:
        self.complaints.append(text)


def address(number: int) -> str:
    """Return the address with the NUMBER, as in_guest/work.py does."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _later(option: Option, now: int) -> Option:
    """Return what becomes of an entry by a login NOW: it never gets an earlier time."""
    return (now, now + LATEST) if option is None else (max(option[0], now), max(option[1], now + LATEST))


def _is(option: Option, value: str | None) -> bool:
    """Return whether a VALUE, None if there is none, is what OPTION says."""
    if option is None or value is None:
        return option is None and value is None
    return value.isdigit() and option[0] <= int(value) <= option[1]
