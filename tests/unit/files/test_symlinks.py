# SPDX-License-Identifier: GPL-3.0-or-later
"""Root follows a link to a database only where its owner could have written there himself."""

import os
import subprocess

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files.symlinks import resolve

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be careful")
NOBODY = 65534


@pytest.fixture
def home(public_directory):
    """The directory of a user, with a file of root's beside it."""
    home = public_directory / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    database.change(str(public_directory / "access.db"), edits.put({"10.0.0.1": 1}))
    return home


def link(path, target, owner):
    os.symlink(target, path)
    os.lchown(path, owner, owner)
    return str(path)


@pytest.mark.parametrize("target", ["../access.db", "../missing.db"])
@pytest.mark.fault("hostile-symlink")
def test_a_user_s_link_to_a_file_of_root_is_refused_and_nothing_is_written(home, target):
    path = link(home / "relayers.db", target, NOBODY)
    before = subprocess.run(["sha256sum", "../access.db"], cwd=home, capture_output=True, check=True).stdout
    with pytest.raises(UnwritableError, match=r"relayers\.db.* so root does not follow it"):
        database.change(path, edits.expire(0, 100))
    assert subprocess.run(["sha256sum", "../access.db"], cwd=home, capture_output=True, check=True).stdout == before
    assert not (home.parent / "missing.db").exists()


def test_a_user_s_link_of_a_directory_on_the_way_is_refused_as_well(home):
    link(home / "etc", "..", NOBODY)
    with pytest.raises(UnwritableError):
        resolve(str(home / "etc" / "access.db"))


def test_a_user_s_link_to_a_file_of_that_user_is_followed(home):
    database.change(str(home / "real.db"), edits.put({}))
    os.chown(home / "real.db", NOBODY, NOBODY)
    assert resolve(link(home / "relayers.db", "real.db", NOBODY)) == str(home / "real.db")


def test_root_s_own_link_is_followed_wherever_it_leads(home):
    assert resolve(link(home / "relayers.db", "../access.db", 0)) == str(home.parent / "access.db")


def test_a_link_in_a_circle_is_no_endless_loop(home):
    resolve(link(home / "relayers.db", "relayers.db", 0))


@pytest.mark.parametrize("target", ["../sendmail.cf", "../missing.cf"])
@pytest.mark.fault("hostile-symlink")
def test_a_user_s_link_to_a_configuration_file_of_root_is_refused_and_nothing_is_written(home, target):
    # With it that user's database would be looked into by the sendmail of the host.
    (home.parent / "sendmail.cf").write_text("theirs\n")
    path = link(home / "sendmail.cf", target, NOBODY)
    with pytest.raises(UnwritableError, match="so root does not follow it"):
        text_file.replace(path, b"ours", text_file.Attributes(0, 0, 0o644))
    assert (home.parent / "sendmail.cf").read_text() == "theirs\n"
    assert not (home.parent / "missing.cf").exists()
