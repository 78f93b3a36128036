# SPDX-License-Identifier: GPL-3.0-or-later
"""Files damaged at random, always the same ones: nothing crashes or hangs on them, and what is refused is left as it was.

``--damaged-files N`` tries N files instead of the few of a usual run.
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import berkeley_pages
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, repair
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import RelayError, UnreadableError

SECONDS = 10
DONE, REFUSED, TRACEBACK = 0, 2, 3
NOW = 1_700_000_000
# Seeds of test_items_outside_their_page_lead_nothing_astray that libdb alone does not get over.
LEADS_ASTRAY = (335, 800)


def add(path):
    database.change(path, edits.put({f"10.200.0.{n}": NOW for n in range(100)}))


def expire(path):
    database.change(path, edits.expire(10, NOW + 1500))


def show(path):
    with database.read(path) as snapshot:
        list(snapshot.items())


OPERATIONS = {"add": add, "expire": expire, "list": show, "verify": repair.verify}


def damaged(sound, seed):
    """Return ``sound`` with some bits, blocks or its end changed, in a way that only depends on ``seed``."""
    chance = random.Random(seed)
    data = bytearray(sound)
    for _damage in range(chance.randint(1, 4)):
        # A header more often than chance would have it: that is what leads libdb astray.
        page = chance.randrange(len(data) // 4096) * 4096
        at = min(page + chance.choice([chance.randrange(4096), chance.randrange(32), chance.randrange(200)]), len(data) - 1)
        length = chance.choice([1, 2, 8, 64, 512, 4096])
        kind = chance.choice(["bit", "bit", "random", "zero", "ones", "cut"])
        if kind == "bit":
            data[at] ^= 1 << chance.randrange(8)
        elif kind == "random":
            data[at : at + length] = chance.randbytes(len(data[at : at + length]))
        elif kind == "zero":
            data[at : at + length] = bytes(len(data[at : at + length]))
        elif kind == "ones":
            data[at : at + length] = b"\xff" * len(data[at : at + length])
        elif chance.random() < 0.2 and at >= 4096:
            del data[at:]
    return bytes(data)


def outcome(operation, path):
    """Run ``operation`` in a process that is ended after SECONDS; return its exit status, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        status = TRACEBACK
        try:
            faulthandler.disable()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.alarm(SECONDS)
            operation(path)
            status = DONE
        except RelayError:
            status = REFUSED
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def by_libdb(path, entries):
    text = "".join(f"{key}\n{value}\n" for key, value in entries.items())
    subprocess.run(["db5.3_load", "-T", "-t", "hash", path], input=text, text=True, check=True)


def by_us(path, entries):
    database.change(path, edits.put(entries))


MAKERS = {"as makemap": by_libdb, "as we do": by_us}


@pytest.fixture(scope="module", params=MAKERS)
def sound_files(request, tmp_path_factory):
    """Return the bytes of sound files with their entries: one of few pages, one whose buckets have several."""
    made = []
    for size in (300, 3000):
        path = tmp_path_factory.mktemp("sound") / "relayers.db"
        entries = {f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": NOW + n for n in range(size)}
        MAKERS[request.param](str(path), entries)
        made.append((path.read_bytes(), {key.encode(): b"%d" % value for key, value in entries.items()}))
    return made


@pytest.fixture
def seeds(request):
    return range(request.config.getoption("--damaged-files", 60))


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_damage_crashes_or_hangs_anything_and_what_is_refused_stays_as_it_was(tmp_path, sound_files, seeds, name):
    wrong = []
    for seed in seeds:
        path = tmp_path / f"{seed}.db"
        path.write_bytes(damaged(sound_files[seed % 2][0], seed))
        content, before = path.read_bytes(), path.stat()
        status = outcome(OPERATIONS[name], str(path))
        if status not in (DONE, REFUSED):
            wrong.append((seed, status))
        if status != DONE or name in ("list", "verify"):
            after = path.stat()
            assert path.read_bytes() == content, seed
            assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), seed
    assert wrong == [], "seed, and exit status or minus the signal"


@pytest.mark.fault("damaged-pages")
def test_a_repair_gives_a_sound_file_with_entries_that_there_were_and_no_others(tmp_path, sound_files, seeds, native_database):
    for seed in seeds:
        path = tmp_path / f"{seed}.db"
        sound, entries = sound_files[seed % 2]
        content = damaged(sound, seed)
        path.write_bytes(content)
        try:
            done = repair.repair(str(path))
        except UnreadableError as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            # In a file of few pages, damage may hit each of them.
            assert "no entry of it can be recovered" in refused, seed
            assert not [at for at in range(4096, len(sound), 4096) if content[at : at + 4096] == sound[at : at + 4096]], seed
            assert path.read_bytes() == content, seed
            continue
        if done is None:
            assert path.read_bytes() == content
        else:
            assert Path(done.copy).read_bytes() == content
        with database.read(str(path)) as snapshot:
            found = list(snapshot.items())
        assert len(found) == repair.verify(str(path))
        assert len(found) == len(native_database(path).entries())
        if done is not None:
            assert native_database(path).entries() == {key.decode(): value.decode() for key, value in found}
            assert done.entries == len(found)
            # Without checksums a digit that became another digit cannot be told.
            made_up = set(found) - set(entries.items())
            assert len(made_up) <= (4 if sound[26] == 0 else 0), seed
            assert {key for key, _value in made_up} <= set(entries), seed


@pytest.fixture(scope="module")
def file_of_another_maker(tmp_path_factory):
    """Return the bytes of a sound file with pages of 512 bytes, items that are larger than a page, and many duplicates."""
    path = tmp_path_factory.mktemp("foreign") / "relayers.db"
    lines = [f"10.0.0.{n}\n{NOW + n}\n" for n in range(40)]
    lines += [f"{f'k{n}' * 200}\n{'v' * 3000}\n" for n in range(12)]
    lines += [f"dup\n{n:05}\n" for n in range(200)]
    options = ["-c", "db_pagesize=512", "-c", "duplicates=1"]
    subprocess.run(["db5.3_load", *options, "-T", "-t", "hash", path], input="".join(lines), text=True, check=True)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["add", "expire", "list"])
def test_items_outside_their_page_lead_nothing_astray(tmp_path, file_of_another_maker, seeds, name):
    # Whoever owns a database can write whatever they like into it, and root works on it every night.
    pages = range(512, len(file_of_another_maker), 512)
    others = [page for page in pages if file_of_another_maker[page + 25] in berkeley_pages.OTHER_PAGES]
    items = [page for page in pages if file_of_another_maker[page + 25] in berkeley_pages.ITEM_PAGES]
    wrong, statuses = [], set()
    path = tmp_path / "relayers.db"
    for seed in [*seeds, *LEADS_ASTRAY]:
        chance = random.Random(seed)
        content = bytearray(file_of_another_maker)
        for _damage in range(chance.randint(1, 4)):
            if chance.random() < 0.5:  # the header of such a page, or what is in it
                at = chance.choice(others) + chance.choice([12, 16, 20, 22, 24, 26, 28, 30, chance.randrange(26, 512)])
            else:  # the item that leads there
                page = chance.choice(items)
                at = page + chance.choice([n for n in range(26, 500) if content[page + n] in (2, 3, 4)] or [26])
                at += chance.randrange(4, 12)
            content[at] = chance.choice([0, 1, 2, 127, 255, chance.randrange(256)])
        path.write_bytes(content)
        statuses.add(outcome(OPERATIONS[name], str(path)))
        if not statuses <= {DONE, REFUSED}:
            wrong.append((seed, statuses.difference({DONE, REFUSED}).pop()))
            statuses &= {DONE, REFUSED}
    assert wrong == [], "seed, and exit status or minus the signal"
    assert statuses == {DONE, REFUSED}


@pytest.mark.parametrize("offset", [0, 26, 4095, 4096])
@pytest.mark.parametrize("name", ["add", "expire"])
def test_a_page_with_a_wrong_end_of_its_free_space_crashes_nothing(tmp_path, name, offset):
    path = str(tmp_path / "relayers.db")
    by_libdb(path, {f"10.0.{n >> 8}.{n & 255}": NOW + n for n in range(2000)})
    content = bytearray(Path(path).read_bytes())
    for page in range(4096, len(content), 4096):
        if content[page + 25]:
            content[page + 22 : page + 24] = offset.to_bytes(2, "little")
    Path(path).write_bytes(content)
    assert outcome(OPERATIONS[name], path) == REFUSED
    assert Path(path).read_bytes() == content
