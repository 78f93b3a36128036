# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a user's tree is done with that user's rights, whatever they make of it meanwhile; root's files stay as they are."""

import os
import signal
import stat
import threading

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, repair
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.prepared import PreparedFiles
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.published import Published
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import RelayError, UnreadableError, UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files.owner import (
    RightsOfOwner,
    acting_uid,
    give,
    owner_of,
)

ALICE, BOB, MAIL = 12345, 12346, 8
ROOT_ONLY = text_file.Attributes(0, 0, 0o600)

pytestmark = needs_root


@pytest.fixture
def tree(public_directory):
    """The etc directory of Alice's virtual server, and root's private directory beside the server."""
    etc = public_directory / "alice" / "etc"
    etc.mkdir(parents=True)
    for directory in (etc.parent, etc):
        os.chown(directory, ALICE, ALICE)
    private = public_directory / "private"
    private.mkdir(mode=0o700)
    (private / "secret").write_text("root's\n")
    (private / "secret").chmod(0o600)
    return etc


@pytest.fixture
def private(tree):
    return tree.parents[1] / "private"


@pytest.fixture
def as_alice(tree):
    """Return what runs a function over and over in a process of Alice's, until the test ends."""
    started = []

    def start(work):
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setgid(ALICE)
                os.setuid(ALICE)
                while True:
                    try:
                        work()
                    except OSError:
                        pass
            finally:
                os._exit(0)
        started.append(pid)

    yield start
    for pid in started:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_tree_belongs_to_the_user_who_owns_its_directories(tree):
    assert owner_of(str(tree / "relayers.db")) == ALICE
    assert owner_of(str(tree / "missing" / "relayers.db")) == ALICE
    assert owner_of(str(tree.parents[1] / "relayers.db")) is None


def test_a_user_s_file_in_a_directory_of_root_makes_no_tree_of_theirs(tree):
    file = tree.parents[1] / "relayers.db"
    file.touch()
    os.chown(file, ALICE, ALICE)
    assert owner_of(str(file)) is None


def test_system_accounts_are_as_root(tree):
    os.chown(tree, 110, 110)
    os.chown(tree.parent, 0, 0)
    assert owner_of(str(tree / "relayers.db")) is None


def test_a_link_into_a_user_s_tree_leads_to_their_rights(tree):
    link = tree.parents[1] / "link"
    link.symlink_to(tree)
    assert owner_of(str(link / "relayers.db")) == ALICE


def test_several_owners_are_refused_in_one_line_that_names_them(tree):
    os.chown(tree, BOB, BOB)
    with pytest.raises(UnwritableError, match=f"{tree.parent} belongs to {ALICE} and {tree} belongs to {BOB}") as failure:
        owner_of(str(tree / "relayers.db"))
    assert "\n" not in str(failure.value)


def test_links_in_a_circle_end(tree):
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    assert owner_of(str(tree / "a")) == ALICE


def test_the_rights_are_the_owner_s_and_then_root_s_again(tree, private):
    with RightsOfOwner(str(tree / "file")):
        assert acting_uid() == ALICE
        (tree / "file").touch()
        with pytest.raises(PermissionError):
            (private / "secret").read_text()
        with RightsOfOwner(str(tree / "other")):
            assert acting_uid() == ALICE
        assert acting_uid() == ALICE
    assert acting_uid() == 0
    assert (tree / "file").stat().st_uid == ALICE
    assert (private / "secret").read_text() == "root's\n"


def test_other_threads_keep_the_rights_of_root(tree, private):
    inside, done = threading.Event(), threading.Event()

    def work():
        with RightsOfOwner(str(tree / "file")):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert inside.wait(10)
        assert (private / "secret").read_text() == "root's\n"
        assert acting_uid() == 0
    finally:
        done.set()
        thread.join()


def test_an_exception_ends_the_owner_s_rights(tree):
    with pytest.raises(ZeroDivisionError), RightsOfOwner(str(tree)):
        raise ZeroDivisionError
    assert acting_uid() == 0


def test_a_file_is_given_to_no_other_user_than_the_owner(tree):
    with RightsOfOwner(str(tree / "file")), open(tree / "file", "w") as file:
        give(file.fileno(), 0, 0)
        assert os.fstat(file.fileno()).st_uid == ALICE
        give(file.fileno(), ALICE, MAIL)
    assert ((tree / "file").stat().st_uid, (tree / "file").stat().st_gid) == (ALICE, MAIL)


def test_a_database_keeps_the_group_and_the_mode_that_its_owner_gave_it_but_never_runs_as_another_user(tree):
    path = tree / "relayers.db"
    database.change(str(path), edits.put({"10.0.0.1": 1}))
    os.chown(path, ALICE, MAIL)
    path.chmod(0o6755)
    database.change(str(path), edits.put({"10.0.0.2": 2}))
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (ALICE, MAIL, 0o755)


def test_capabilities_of_a_file_are_not_copied(tree):
    path = tree.parents[1] / "relayers.db"
    database.change(str(path), edits.put({"10.0.0.1": 1}))
    os.setxattr(path, "user.note", b"kept")
    # cap_setuid+ep, as setcap(8) writes it.
    os.setxattr(path, "security.capability", bytes.fromhex("0100000280000000000000000000000000000000"))
    database.change(str(path), edits.put({"10.0.0.2": 2}))
    assert os.listxattr(path) == ["user.note"]


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("operation", ["change", "prepared", "repair", "text"])
def test_an_owner_who_swaps_the_file_for_a_link_gains_no_file_and_no_program_of_root_s(tree, private, as_alice, operation):
    path, config, program = tree / "relayers.db", tree / "sendmail.cf", private.parent / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o4755)
    before = (private / "secret").stat(), program.stat()

    def swap():
        for name in (path, config):
            for target in (program, private / "secret", "/etc/shadow"):
                os.symlink(target, tree / "link")
                os.rename(tree / "link", name)
            os.unlink(name)

    published = Published()
    as_alice(swap)
    for turn in range(60):
        edit = edits.put({"10.0.0.1": turn})
        try:
            if operation == "change":
                database.change(str(path), edit, 0.2, published=published)
            elif operation == "prepared":
                file = PreparedFiles(published).of(str(path))
                database.change(str(path), edit, 0.2, published=published)
                file.prepare()
                file.commit(edits.put({"10.0.0.2": turn}))
                file.close()
            elif operation == "repair":
                repair.repair(str(path), 0.2)
            else:
                text_file.read(str(config))
                text_file.replace(str(config), b"theirs", ROOT_ONLY)
        except RelayError:
            pass
        for entry in os.scandir(tree):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            assert status.st_uid == ALICE, entry.name
            assert not status.st_mode & 0o7000 or stat.S_ISLNK(status.st_mode), entry.name
    for file, then in zip((private / "secret", program), before, strict=True):
        now = file.stat()
        assert (now.st_uid, now.st_mode, now.st_size, now.st_mtime_ns) == (
            then.st_uid,
            then.st_mode,
            then.st_size,
            then.st_mtime_ns,
        )
    assert (private / "secret").read_text() == "root's\n"


@pytest.mark.fault("hostile-owner")
def test_an_owner_who_swaps_a_directory_for_a_link_has_nothing_written_there(tree, private, as_alice):
    (private / "sendmail.cf").write_text("root's\n")
    directory, kept = tree / "d", tree / "kept"
    directory.mkdir()
    os.chown(directory, ALICE, ALICE)

    def swap():
        os.rename(directory, kept)
        os.symlink(private, directory)
        os.unlink(directory)
        os.rename(kept, directory)

    as_alice(swap)
    for _turn in range(200):
        try:
            text_file.replace(str(directory / "sendmail.cf"), b"theirs", ROOT_ONLY)
        except RelayError:
            pass
    assert sorted(os.listdir(private)) == ["secret", "sendmail.cf"]
    assert (private / "sendmail.cf").read_text() == "root's\n"


def a_sparse_file(path):
    path.touch()
    os.truncate(path, 8 << 40)


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "is not a regular file"),
        (os.mkdir, "Is a directory|is not a regular file"),
        (a_sparse_file, "more than 4 MiB"),
    ],
)
def test_what_is_no_configuration_file_is_refused_at_once(tree, make, message):
    make(tree / "sendmail.cf")
    with pytest.raises(UnreadableError, match=message):
        text_file.read(str(tree / "sendmail.cf"), text_file.LARGEST_CONFIGURATION)


def test_a_directory_in_a_user_s_tree_is_created_as_that_user_and_not_by_its_name(tree, private, monkeypatch):
    path, mkdir = str(tree / "new"), os.mkdir

    def mkdir_and_swap(name, *arguments, **keywords):
        mkdir(name, *arguments, **keywords)
        os.rename(name, f"{name}-moved")
        os.symlink(private, name)

    text_file.create_directory(path)
    status = os.stat(path)
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (ALICE, 0o755)
    os.rmdir(path)
    monkeypatch.setattr(os, "mkdir", mkdir_and_swap)
    with pytest.raises(UnwritableError, match="cannot be created"):
        text_file.create_directory(path)
    assert stat.S_IMODE(os.stat(private).st_mode) == 0o700
    assert os.stat(f"{path}-moved").st_uid == ALICE


def test_a_file_that_is_swapped_for_a_link_to_roots_after_it_was_read_is_an_error_of_that_file(tree, private):
    path = tree / "sendmail.cf"
    path.symlink_to(private / "secret")
    with pytest.raises(UnreadableError, match="cannot be read: Permission denied"):
        text_file.attributes_of(str(path))


def test_what_the_owner_puts_in_place_of_the_temporary_file_is_no_other_error(tree):
    path, trap = tree / "sendmail.cf", tree / ".sendmail.cf.vsmtprelay"

    def swap(temporary):
        os.unlink(temporary)
        trap.mkdir()
        (trap / "file").touch()
        raise UnwritableError("refused")

    with pytest.raises(UnwritableError, match="refused"):
        text_file.replace(str(path), b"text", ROOT_ONLY, check=swap)
    with pytest.raises(UnwritableError, match="cannot be written"):
        text_file.replace(str(path), b"text", ROOT_ONLY)
