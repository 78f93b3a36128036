# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine boots: Debian's kernel, a small initrd, and a read-only root made of the guests' image."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guests.image import ensure_image
from guests.state import CHECKOUT, State

from .errors import PowerCutError

RELEASE = "bookworm"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
COLLECTION = CHECKOUT / ".build" / "collections" / "ansible_collections" / "vsmtp" / "relay"
# What the role installs on a host, of the packages in the image's own source (globs of file names).
PACKAGES = ("python3-bsddb3_*", "python3-httptools_*", "libhttp-parser2.9_*", "python3-systemd_*")
LEFT_OUT = (
    "./srv/*",
    "./boot/*",
    "./var/lib/*",
    "./var/cache/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
)
# In the order in which they are loaded; a module comes after those that it needs.
MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "virtio_console"),
    *("libcrc32c", "xfs", "xor", "raid6_pq", "zstd_compress", "btrfs"),
)
INIT = """\
#!/bin/busybox sh
# Loads the kernel's modules, mounts both parts of the root, and hands over.
b=/bin/busybox
$b mount -t devtmpfs none /dev
exec < /dev/console > /dev/console 2>&1
for module in {modules}; do $b insmod /modules/$module.ko; done
$b mount -t ext4 -o ro /dev/vda /root
$b mount -t ext4 -o ro /dev/vdb /root/usr/local
$b mount --move /dev /root/dev
exec $b switch_root /root /usr/bin/python3 -B /usr/local/powercut/guest.py
"""


@dataclass(frozen=True)
class Parts:
    """The files that the machine boots: ``kernel``, ``initrd``, ``root`` and ``programs``, the last two as ext4 images.

    The directory of ``programs`` has a name of its own for all that is in the four.
    """

    kernel: Path
    initrd: Path
    root: Path
    programs: Path


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold DIRECTORY, and what is built there, against other processes. Raises PowerCutError if one holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PowerCutError(f"another run cuts the power in {directory}: wait for its end") from None
        yield


def build(directory: Path, in_guest: Path) -> Parts:
    """Return the parts in DIRECTORY; those that only depend on Debian's packages are built once, by their versions.

    To be called while the directory is locked().

    IN_GUEST is the directory of the programs that run in the guest, of which guest.py is the init process.

    Raises PowerCutError, GuestsError, CalledProcessError.
    """
    image = ensure_image(State(), RELEASE)
    kernel = _kernel(directory)
    recipe = repr((image.name, kernel.name, PACKAGES, LEFT_OUT, MODULES, INIT))
    base = directory / f"base-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not base.is_dir():
        with tempfile.TemporaryDirectory(dir=directory, prefix=".building-") as workplace:
            made = Path(workplace) / "base"
            made.mkdir()
            _make_root(image, made / "root.img", Path(workplace) / "tree")
            _make_initrd(kernel, made / "initrd", Path(workplace) / "initrd")
            made.rename(base)
        for outdated in directory.glob("base-*"):
            if outdated != base:
                shutil.rmtree(outdated)
    programs = directory / f"programs-{_digest_of(base.name, COLLECTION, in_guest)}" / "programs.img"
    if not programs.is_file():
        for outdated in directory.glob("programs-*"):
            shutil.rmtree(outdated)
        programs.parent.mkdir()
        _make_programs(in_guest, programs)
    return Parts(next((kernel / "boot").glob("vmlinuz-*")), base / "initrd", base / "root.img", programs)


def _digest_of(base: str, collection: Path, in_guest: Path) -> str:
    """Return a digest of what runs in the guest."""
    digest = hashlib.sha256(base.encode())
    for root in (collection / "plugins" / "module_utils", collection / "roles" / "pop_before_smtp" / "files", in_guest):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _kernel(directory: Path) -> Path:
    """Return the directory with the unpacked package of Debian's newest kernel for virtual machines."""
    depends = _output(["apt-cache", "depends", KERNEL_PACKAGE])
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        _run(["apt-get", "update", "--quiet"])
        found = re.search(r"Depends: (linux-image-\S+)", _output(["apt-cache", "depends", KERNEL_PACKAGE]))
    if not found:
        raise PowerCutError(f"the package sources of this host have no {KERNEL_PACKAGE}: give it those of Debian")
    kernel = directory / found.group(1)
    if not kernel.is_dir():
        with tempfile.TemporaryDirectory(dir=directory, prefix=".building-") as workplace:
            # Not installed: this host keeps its own kernel.
            _run(["apt-get", "--quiet", "download", found.group(1)], cwd=workplace)
            _run(["dpkg-deb", "-x", str(next(Path(workplace).glob("*.deb"))), f"{workplace}/kernel"])
            (Path(workplace) / "kernel").rename(kernel)
    return kernel


def _make_root(image: Path, target: Path, tree: Path) -> None:
    tree.mkdir()
    excludes = " ".join(f"--exclude='{pattern}'" for pattern in LEFT_OUT)
    _run(["sh", "-ec", f'tar -C "$0" --one-file-system {excludes} -cf - . | tar -C "$1" -xf -', str(image), str(tree)])
    for pattern in PACKAGES:
        for package in (image / "srv" / "packages").glob(pattern):
            _run(["dpkg-deb", "-x", str(package), str(tree)])
    (tree / "srv" / "relay").mkdir(parents=True)
    _make_ext4(tree, target, 48)


def _make_initrd(kernel: Path, target: Path, tree: Path) -> None:
    for name in ("bin", "dev", "modules", "root"):
        (tree / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    shutil.copy(busybox or "/bin/busybox", tree / "bin" / "busybox")
    for name in MODULES:
        shutil.copy(next(kernel.glob(f"lib/modules/*/kernel/**/{name}.ko")), tree / "modules")
    init = tree / "init"
    init.write_text(INIT.format(modules=" ".join(MODULES)), encoding="ascii")
    init.chmod(0o755)
    _run(["sh", "-ec", 'find . | cpio --quiet -o -H newc > "$0"', str(target)], cwd=tree)


def _make_programs(in_guest: Path, target: Path) -> None:
    """Make the image of /usr/local: what the role installs there, from the collection as users get it, and IN_GUEST."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as workplace:
        tree = Path(workplace) / "tree"
        shutil.copytree(COLLECTION / "plugins" / "module_utils" / "_vsmtprelay", tree / "lib" / "vsmtprelay")
        files = COLLECTION / "roles" / "pop_before_smtp" / "files"
        for name, place in (("vsmtprelay", "bin"), ("vsmtprelay-recorder", "sbin")):
            (tree / place).mkdir()
            shutil.copy(files / name, tree / place / name)
        shutil.copytree(in_guest, tree / "powercut")
        made = Path(workplace) / "programs.img"
        _make_ext4(tree, made, 8)
        made.rename(target)


def _make_ext4(tree: Path, target: Path, spare: int) -> None:
    """Make an ext4 file system of TREE, with SPARE MiB beside it."""
    size = int(_output(["du", "-sm", "--apparent-size", str(tree)]).split()[0])
    blocks = int(_output(["du", "-sm", str(tree)]).split()[0])
    with open(target, "wb") as file:
        file.truncate((max(size, blocks) * 9 // 8 + spare) << 20)
    _run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", "-d", str(tree), str(target)])


def _run(command: Sequence[str], cwd: str | Path | None = None) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise PowerCutError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")


def _output(command: Sequence[str]) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600).stdout
