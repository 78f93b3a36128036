# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: one unpacked tree per release, built once with mmdebstrap, never written to again."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import mirror, recipe
from .errors import GuestsError
from .state import State, read_record


def image_path(state: State, release: str) -> Path:
    """Return where the image of RELEASE by the present recipe lies, or would lie."""
    if release not in recipe.RELEASES:
        raise GuestsError(f"no such release: {release} (there are {', '.join(recipe.RELEASES)})")
    return state.images / f"{release}-{recipe.digest(release)}"


def ensure_image(state: State, release: str) -> Path:
    """Return the image of RELEASE, a root directory to be used read-only; builds it if needed.

    Raises GuestsError with the path of a log where the build fails.
    """
    image = image_path(state, release)
    if not image.is_dir():
        with state.locked(f"image-{release}"):
            if not image.is_dir():
                _build(state, release, image)
                _remove_outdated(state, release, image)
    return image


def _build(state: State, release: str, image: Path) -> None:
    """Build RELEASE beside IMAGE and rename it into place."""
    state.images.mkdir(parents=True, exist_ok=True)
    for leftover in state.images.glob(f".building-{release}-*"):
        state.remove_tree(leftover)
    log = state.images / f"{release}.log"
    workplace = Path(tempfile.mkdtemp(prefix=f".building-{release}-", dir=state.images))
    try:
        built = _bootstrap(release, workplace, log, with_updates=True)
        if not built and "404" in log.read_text(encoding="utf-8", errors="replace"):
            _say(release, "the archive lacks some of the updates: taking the release without them")
            state.remove_tree(workplace)
            workplace.mkdir()
            built = _bootstrap(release, workplace, log, with_updates=False)
        if not built:
            raise GuestsError(
                f"mmdebstrap cannot build {release} ({_reason(log)}): check that the package sources of this host "
                f"can be reached (apt-get update) and carry {release}; everything it said is in {log}"
            )
        (workplace / "root").rename(image)
        _say(release, "done")
    finally:
        state.remove_tree(workplace)


def _bootstrap(release: str, workplace: Path, log: Path, with_updates: bool) -> bool:
    """Run mmdebstrap into WORKPLACE/root with all output in LOG; return whether it worked."""
    preferences = workplace / "preferences"
    only = recipe.RELEASE_ONLY.get(release)
    preferences.write_text(f"Package: {only}\nPin: release n={release}\nPin-Priority: 1001\n" if only else "", encoding="ascii")
    command = [
        # A mount namespace of its own: an interrupted build leaves no mount behind. And a host name
        # of its own: the packages write it into certificates, keys and sendmail.cf.
        *("unshare", "--mount", "--uts", "--propagation", "slave"),
        *("sh", "-c", 'hostname mail.example.test && exec "$@"', "sh", "mmdebstrap"),
        *("--mode=root", "--variant=minbase", "--format=directory", "--skip=cleanup/apt/lists"),
        f"--include={','.join(recipe.PACKAGES)}",
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
        "RECIPE": str(recipe.SCRIPT),
        "PREFERENCES": str(preferences),
        "RELEASE": release,
        "DOWNLOADS": " ".join(recipe.downloads(release)),
    }
    _say(release, f"fetching packages (log: {log})")
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
            _report(release, line)
    return process.returncode == 0


def _reason(log: Path) -> str:
    """Return the first error line in LOG, or its last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in lines if line.startswith(("E:", "Err:"))), lines[-1]).strip()


def _report(release: str, line: str) -> None:
    """Turn a line of mmdebstrap's into a progress line, where it marks a step."""
    steps = {
        "I: extracting archives": "unpacking the base system",
        "I: installing essential": "installing the base system",
        "I: installing remaining": "installing sendmail, Dovecot, sshd ...",
        "I: running --customize-hook in shell: sh -c 'sh ": "configuring, fetching what the tests install later",
    }
    for start, words in steps.items():
        if line.startswith(start):
            _say(release, words)


def _say(release: str, words: str) -> None:
    """Print one progress line on standard error."""
    print(f"building the {release} image: {words}", file=sys.stderr, flush=True)


def _remove_outdated(state: State, release: str, current: Path) -> None:
    """Delete images of RELEASE by older recipes, but for those that a guest's disk lies over."""
    records = (read_record(path) for path in state.guests.glob("*/guest.json"))
    used = {record.get("image") for record in records if record}
    for image in state.images.glob(f"{release}-*"):
        if image != current and str(image) not in used and image.is_dir():
            state.remove_tree(image)
