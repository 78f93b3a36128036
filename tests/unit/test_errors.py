# SPDX-License-Identifier: GPL-3.0-or-later
"""A message is one line, whatever the names in it are."""

import pickle

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import BusyError, UnreadableError, printable


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/srv/a\nroot: recorded 6.6.6.6", "/srv/a\\nroot: recorded 6.6.6.6"),
        ("/srv/\x1b[2J", "/srv/\\x1b[2J"),
        ("/srv/\udc80", "/srv/\\udc80"),
        ("/srv/\u202ecod", "/srv/\\u202ecod"),
        ("/srv/f\u00fcr", "/srv/f\u00fcr"),
    ],
)
def test_a_name_neither_forges_a_line_nor_commands_a_terminal(name, shown):
    assert str(UnreadableError(f"{name}: cannot be read")) == f"{shown}: cannot be read"
    assert printable(name) == shown


def test_an_error_is_the_same_after_it_was_sent_to_another_process():
    error = pickle.loads(pickle.dumps(BusyError("/srv/a\n: busy")))
    assert (type(error), str(error)) == (BusyError, "/srv/a\\n: busy")
