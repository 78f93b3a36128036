# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: one unpacked tree per recipe, built once with mmdebstrap, never written to again."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import mirror, recipe
from .errors import GuestsError
from .state import State, read_record


def image_path(state: State, name: str) -> Path:
    """Return where the image NAME by the present recipe lies, or would lie; raises GuestsError if there is no such image."""
    if name not in recipe.RECIPES:
        raise GuestsError(f"no such image: {name} (there are {', '.join(recipe.RECIPES)})")
    return state.images / f"{name}-{recipe.RECIPES[name].digest()}"


def ensure_image(state: State, name: str) -> Path:
    """Return the image NAME, a root directory to be used read-only; builds it if needed.

    Raises GuestsError with the path of a log where the build fails.
    """
    image = image_path(state, name)
    if not image.is_dir():
        with state.locked(f"image-{name}"):
            if not image.is_dir():
                _build(state, name, image)
                _remove_outdated(state, name, image)
    return image


def rebuild_image(state: State, name: str) -> Path:
    """Build the image NAME of the packages that there are by now, and return it.

    Raises GuestsError where a guest's disk lies over the one that was there, and as ensure_image() does.
    """
    image = image_path(state, name)
    if image in _used(state):
        raise GuestsError(f"a guest uses the image {name}: take it down first (down)")
    with state.locked(f"image-{name}"):
        state.remove_tree(image)
    return ensure_image(state, name)


def _build(state: State, name: str, image: Path) -> None:
    """Build NAME beside IMAGE and rename it into place."""
    state.images.mkdir(parents=True, exist_ok=True)
    for leftover in state.images.glob(f".building-{name}-*"):
        state.remove_tree(leftover)
    log = state.images / f"{name}.log"
    workplace = Path(tempfile.mkdtemp(prefix=f".building-{name}-", dir=state.images))
    try:
        release = _codename(name)
        built = _bootstrap(name, release, workplace, log, with_updates=True)
        if not built and "404" in log.read_text(encoding="utf-8", errors="replace"):
            _say(name, "the archive lacks some of the updates: taking the release without them")
            state.remove_tree(workplace)
            workplace.mkdir()
            built = _bootstrap(name, release, workplace, log, with_updates=False)
        if not built:
            raise GuestsError(
                f"mmdebstrap cannot build {name} ({_reason(log)}): check that the package sources of this host "
                f"can be reached (apt-get update) and carry {release}; everything it said is in {log}"
            )
        (workplace / "root").rename(image)
        _say(name, "done")
    finally:
        state.remove_tree(workplace)


def _codename(name: str) -> str:
    """Return the release of the image NAME as the archive calls it by now; raises GuestsError."""
    release = recipe.RECIPES[name].release
    if release != recipe.NEXT_RELEASE:
        return release
    codename = mirror.codename(release)
    _say(name, f"the release is called {codename}")
    return codename


def _bootstrap(name: str, release: str, workplace: Path, log: Path, with_updates: bool) -> bool:
    """Run mmdebstrap for RELEASE into WORKPLACE/root with all output in LOG; return whether it worked."""
    made = recipe.RECIPES[name]
    preferences = workplace / "preferences"
    only = made.release_only
    preferences.write_text(f"Package: {only}\nPin: release n={release}\nPin-Priority: 1001\n" if only else "", encoding="ascii")
    command = [
        # A mount namespace of its own: an interrupted build leaves no mount behind. And a host name
        # of its own: the packages write it into certificates, keys and sendmail.cf.
        *("unshare", "--mount", "--uts", "--propagation", "slave"),
        *("sh", "-c", 'hostname mail.example.test && exec "$@"', "sh", "mmdebstrap"),
        *("--mode=root", "--variant=minbase", "--format=directory", "--skip=cleanup/apt/lists"),
        f"--include={','.join(made.packages)}",
        *(f"--aptopt={line}" for line in mirror.transport_options()),
        '--setup-hook=cp "$PREFERENCES" "$1/etc/apt/preferences.d/release-only"',
        '--customize-hook=rm "$1/etc/apt/preferences.d/release-only"',
        '--customize-hook=sh "$RECIPE" "$1"',
        *(release, str(workplace / "root")),
        *mirror.source_lines(release, with_updates),
    ]
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "RECIPE": str(made.script),
        "PREFERENCES": str(preferences),
        "RELEASE": release,
        "DOWNLOADS": " ".join(made.downloads),
    }
    _say(name, f"fetching packages (log: {log})")
    with (
        open(log, "w", encoding="utf-8") as record,
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout:
            record.write(line)
            _report(name, line)
    return process.returncode == 0


def _reason(log: Path) -> str:
    """Return the first error line in LOG, or its last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in lines if line.startswith(("E:", "Err:"))), lines[-1]).strip()


def _report(name: str, line: str) -> None:
    """Turn a line of mmdebstrap's into a progress line, where it marks a step."""
    steps = {
        "I: extracting archives": "unpacking the base system",
        "I: installing essential": "installing the base system",
        "I: installing remaining": "installing the mail programs",
        "I: running --customize-hook in shell: sh -c 'sh ": "configuring, fetching what the tests install later",
    }
    for start, words in steps.items():
        if line.startswith(start):
            _say(name, words)


def _say(name: str, words: str) -> None:
    """Print one progress line on standard error."""
    print(f"building the {name} image: {words}", file=sys.stderr, flush=True)


def _remove_outdated(state: State, name: str, current: Path) -> None:
    """Delete images NAME by older recipes, but for those that a guest's disk lies over."""
    used = _used(state)
    for image in state.images.glob(f"{name}-*"):
        if image != current and image not in used and image.is_dir():
            state.remove_tree(image)


def _used(state: State) -> set[Path]:
    """Return the images that a guest's disk lies over."""
    records = (read_record(path) for path in state.guests.glob("*/guest.json"))
    return {Path(record["image"]) for record in records if record and "image" in record}
