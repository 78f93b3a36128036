# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page has people type and a test cannot, what is run in its place, and why."""

from __future__ import annotations

import re
from typing import NamedTuple


class Substitution(NamedTuple):
    """``shown`` is a regular expression for the whole command. ``run`` may name its groups, and ``{tarball}``."""

    shown: str
    run: str
    reason: str


SUBSTITUTIONS = (
    Substitution(
        r"ansible-galaxy collection install vsmtp\.relay",
        r"ansible-galaxy collection install --force --offline {tarball}",
        "a test must not depend on what lies on Galaxy; a release uploads this very tarball",
    ),
    Substitution(
        r"ansible-galaxy collection install vsmtp-relay-[\d.]+\.tar\.gz",
        r"ansible-galaxy collection install --force --offline {tarball}",
        "a test has no release to download; this is the tarball that one uploads",
    ),
    Substitution(
        r"ansible-galaxy collection install git\+https://github\.com/vsmtp/relay\.git",
        r"ansible-galaxy collection install --offline --collections-path from_git git+file://{checkout}",
        "there is no way out to GitHub; what is committed here is what a push brings there; the other pages need the tarball",
    ),
    Substitution(
        r"ansible-galaxy collection install (--force )?--requirements-file collections/requirements\.yml",
        r"ansible-galaxy collection install \1--offline --collections-path collections {tarball}",
        "a test must not depend on what lies on Galaxy; tests/system/provider compares the version that the file asks for",
    ),
    Substitution(
        r"ssh-keyscan -t ed25519 .* > known_hosts",
        r"ssh-keyscan -t ed25519 -f {addresses} > known_hosts",
        "there is no name server; the file has the address of each name",
    ),
    Substitution(
        r"(ansible-playbook .*vsmtp\.relay\.remove.*)",
        r"\1 --check",
        "the pages that follow need the hosts; tests/system/mail takes everything away for real",
    ),
    Substitution(
        r"make (demo|bench|test|test-fast|test-matrix|breaking|clean|docs-site|documentation)( .*)?",
        r"make --directory={checkout} --dry-run \1\2",
        "takes minutes, or is this very run; tests/system/mail runs the demonstration, and make test the other targets",
    ),
    Substitution(
        r"molecule test -s (\w+)",
        r"cd {checkout} && molecule matrix -s \1 test",
        "make test runs the scenarios; here it is enough that there is one of that name",
    ),
    Substitution(
        r"python -m guests( up| run)?( .*)?",
        r"cd {checkout} && PYTHONPATH=dev python -m guests\1 --help",
        "all other tests boot mail hosts in this way; here it is enough that there is such a command",
    ),
    Substitution(
        r"(grep .* tests)",
        r"cd {checkout} && \1",
        "it is typed in a checkout",
    ),
    Substitution(
        r"(pytest .*)",
        r"cd {checkout} && \1 --collect-only --quiet",
        "the suite runs these tests; here it is enough that the words find some",
    ),
)


def substituted(command: str, **values: object) -> str:
    """Return what is run where a page shows ``command``: the same, for most."""
    for substitution in SUBSTITUTIONS:
        if match := re.fullmatch(substitution.shown, command):
            return match.expand(substitution.run).format_map({name: str(value) for name, value in values.items()})
    return command
