# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball of a release: what is in it, and that it works where there is nothing but ansible-core."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from . import environments
from .errors import GateError
from .places import BUILD, CHECKOUT
from .runner import environment_of_a_stranger, run

# What users do not need, as patterns of paths; everything else that git knows has to be in the tarball.
NOT_FOR_USERS = re.compile(
    r"""
    dev/ | tests/(?!sanity/) | docs/site/ | extensions/ | Makefile $ | galaxy\.yml $ | pyproject\.toml $ | \.
    """,
    re.VERBOSE,
)
# These have to be there whatever git knows.
NEEDED = {
    "CHANGELOG.md",
    "LICENSE",
    "LICENSES/GPL-3.0-or-later.txt",
    "README.md",
    "changelogs/changelog.yaml",
    "docs/how_it_works.md",
    "meta/runtime.yml",
    "playbooks/site.yml",
    "plugins/module_utils/_vsmtprelay/database/relayers_db.py",
    "plugins/modules/relayers.py",
    "roles/pop_before_smtp/files/vsmtprelay",
    "roles/pop_before_smtp/files/vsmtprelay.8",
    "roles/pop_before_smtp/files/vsmtprelay.bash-completion",
    "roles/pop_before_smtp/meta/argument_specs.yml",
}
MADE_BY_GALAXY = {"FILES.json", "MANIFEST.json"}
SECRETS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abp]-[0-9]")
# Kinds of plugins that people can use by name, beside modules.
PLUGINS = ("filter", "lookup")


def check(tarball: Path) -> None:
    """Raise GateError if ``tarball`` is not what is to be released."""
    _check_changelog()
    _check_content(tarball)
    _check_use(tarball)


def _check_changelog() -> None:
    """Every fragment and every plugin is in the changelog, under the version of galaxy.yml."""
    version = _galaxy()["version"]
    waiting = sorted(path.name for path in (CHECKOUT / "changelogs" / "fragments").glob("*.y*ml"))
    released = yaml.safe_load((CHECKOUT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]
    if waiting or version not in released:
        raise GateError(
            f"the changelog has no {version} yet, or fragments wait for it ({', '.join(waiting)}): run make changelog"
        )
    entry = released[version]
    told = {each["name"] for each in entry.get("modules", [])}
    told |= {each["name"] for kind in entry.get("plugins", {}).values() for each in kind}
    there = {path.stem for kind in ("modules", *PLUGINS) for path in (CHECKOUT / "plugins" / kind).glob("[!_]*.py")}
    earlier = {each["name"] for each in _entries_before(released, version)}
    if there - told - earlier:
        raise GateError(f"the changelog does not tell of {', '.join(sorted(there - told - earlier))}: run make changelog")
    print(f"changelog: {version} is in it, and no fragment waits")


def _entries_before(released: dict, version: str) -> list[dict]:
    others = [entry for name, entry in released.items() if name != version]
    plugins = [each for entry in others for kind in entry.get("plugins", {}).values() for each in kind]
    return plugins + [each for entry in others for each in entry.get("modules", [])]


def _check_content(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        files = {member.name: member for member in archive.getmembers() if member.isfile()}
        contents = {name: archive.extractfile(member).read() for name, member in files.items()}
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, stdout=subprocess.PIPE, check=True, text=True).stdout
    expected = {name for name in tracked.split("\0") if name and not NOT_FOR_USERS.match(name)} | MADE_BY_GALAXY
    faults = [f"{name} is not in it" for name in sorted((expected | NEEDED) - set(files))]
    faults += [f"{name} does not belong there" for name in sorted(set(files) - expected)]
    for name, content in sorted(contents.items()):
        if SECRETS.search(content):
            faults.append(f"{name} holds a secret")
        if os.fsencode(CHECKOUT) in content:
            faults.append(f"{name} names a directory of this machine")
    expected_info = _galaxy()
    manifest = json.loads(contents["MANIFEST.json"])["collection_info"]
    for field in ("namespace", "name", "version", "license"):
        if manifest[field] != expected_info[field]:
            faults.append(f"its {field} is {manifest[field]!r}")
    if faults:
        raise GateError("\n".join([f"{tarball.name}:", *faults]))
    print(f"{tarball.name}: {len(files)} files, as they have to be")


def _check_use(tarball: Path) -> None:
    """Install ``tarball`` where nothing else is, and have ansible read all that users call by name."""
    directory = BUILD / "empty"
    shutil.rmtree(directory, ignore_errors=True)
    environment = environments.make(directory / "venv", Path(sys.executable), ["ansible-core"])
    for name in ("collections", "home"):
        (directory / name).mkdir()
    settings = {
        **environment_of_a_stranger(),
        "HOME": str(directory / "home"),
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
        # Warnings are looked for below.
        "ANSIBLE_DEPRECATION_WARNINGS": "true",
    }

    def call(name: str, *words: str) -> str:
        return run(f"in an empty environment: {name}", list(words), cwd=directory, env=settings)

    call("installation", "ansible-galaxy", "collection", "install", "--offline", str(tarball))
    installed = directory / "collections" / "ansible_collections" / "vsmtp" / "relay"
    playbooks = sorted(f"vsmtp.relay.{path.stem}" for path in (installed / "playbooks").glob("*.yml"))
    output = call(f"{len(playbooks)} playbooks", "ansible-playbook", "--syntax-check", "--inventory", "localhost,", *playbooks)
    for kind, there in _documented(installed).items():
        names = [f"vsmtp.relay.{name}" for name in there]
        shown = json.loads(call(f"ansible-doc --type {kind}", "ansible-doc", "--json", "--type", kind, *names))
        if set(shown) != set(names):
            raise GateError(f"ansible-doc --type {kind} shows {', '.join(sorted(shown))}")
    warnings = [line for line in output.splitlines() if "[WARNING]" in line or "[DEPRECATION" in line]
    if warnings:
        raise GateError("\n".join(warnings))


def _documented(installed: Path) -> dict[str, list[str]]:
    """Return the names of what ansible-doc has to know, by kind."""
    found = {"module": sorted(path.stem for path in (installed / "plugins" / "modules").glob("[!_]*.py"))}
    for kind in PLUGINS:
        found[kind] = sorted(path.stem for path in (installed / "plugins" / kind).glob("[!_]*.py"))
    found["role"] = sorted(path.name for path in (installed / "roles").iterdir())
    return found


def _galaxy() -> dict:
    return yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
