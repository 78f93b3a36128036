# SPDX-License-Identifier: GPL-3.0-or-later
"""Services refuse a wrong option in one line, with the exit status of wrong usage: monitoring reads 2 as "broken"."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import main as recorder
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import main as sharing

EX_USAGE = 64


@pytest.mark.parametrize("program", [recorder, sharing], ids=["vsmtprelay-recorder", "vsmtprelay-share"])
@pytest.mark.parametrize("words", [["--statsu"], ["--stat"], ["word"], ["--status", "--json=x"]])
def test_a_wrong_option_is_refused_and_so_is_a_part_of_one(program, words, capsys):
    with pytest.raises(SystemExit) as end:
        program.main(words)
    output = capsys.readouterr()
    assert (end.value.code, output.out, output.err.count("\n")) == (EX_USAGE, "", 1)
    assert output.err.endswith("--help shows the options\n")


@pytest.mark.parametrize("words", [["--json"], ["--json", "--check"], ["--status", "--check"]])
def test_the_sharer_starts_no_service_for_options_that_do_not_belong_together(words, capsys):
    with pytest.raises(SystemExit) as end:
        sharing.main(words)
    assert end.value.code == EX_USAGE
    assert capsys.readouterr().err.count("\n") == 1
