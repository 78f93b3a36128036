# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate of an engine, and the authority that signs it: both made on the engine, by openssl."""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import tempfile
import time

from .._vsmtprelay import programs
from .._vsmtprelay.errors import MalformedError, UnreadableError
from .._vsmtprelay.files import text_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .undoable_files import UndoableFiles

CA_DAYS = 7300
DAYS = 825
# A certificate that ends sooner is renewed, which leaves a third of its time for a run.
RENEW_DAYS = 275
SECONDS_OF_A_DAY = 86400
# Clocks differ: a host whose clock is behind must not take the certificate for one of the future.
DAYS_BEFORE = 1
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
# As RFC 5280 has it: Python 3.13 takes no certificate without these identifiers.
CONFIGURATION = """[req]
prompt = no
distinguished_name = name
[name]
CN = {name}
[ca]
default_ca = signer
[signer]
database = {directory}/index.txt
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[of_authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[of_server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class Paths:
    """The files below a directory: those of the authority, those of the engine, and the names in its certificate."""

    def __init__(self, directory: str) -> None:
        self.ca = os.path.join(directory, "ca.pem")
        self.ca_key = os.path.join(directory, "ca-key.pem")
        self.certificate = os.path.join(directory, "certificate.pem")
        self.key = os.path.join(directory, "key.pem")
        self.names = os.path.join(directory, "names")


def alternative_names(names: Sequence[str]) -> str:
    """Return the value of subjectAltName for host names and addresses."""
    return ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)


def make_authority(directory: str) -> tuple[bytes, bytes]:
    """Return the certificate and the key of a new authority; ``directory`` is for temporary files. Raises RelayError."""
    key, certificate = (os.path.join(directory, name) for name in ("ca-key.pem", "ca.pem"))
    request = _request(directory, f"vsmtp.relay {secrets.token_hex(8)}", ["unused"], key)
    _sign(directory, request, certificate, CA_DAYS, "-selfsign", "-keyfile", key, "-extensions", "of_authority")
    return _read(certificate), _read(key)


def make_certificate(directory: str, ca: bytes, ca_key: bytes, names: Sequence[str]) -> tuple[bytes, bytes]:
    """Return a certificate for ``names``, signed by an authority, and its key. Raises RelayError."""
    signer, signer_key, key, certificate = (
        os.path.join(directory, name) for name in ("signer.pem", "signer-key.pem", "key.pem", "certificate.pem")
    )
    _write(signer, ca)
    _write(signer_key, ca_key)
    request = _request(directory, "vsmtp.relay engine", names, key)
    _sign(directory, request, certificate, DAYS, "-cert", signer, "-keyfile", signer_key, "-extensions", "of_server")
    return _read(certificate), _read(key)


def _request(directory: str, name: str, names: Sequence[str], key: str) -> str:
    """Make a key at ``key`` and a request for a certificate; return the path of the request."""
    request = os.path.join(directory, "request.pem")
    text = CONFIGURATION.format(name=name, names=alternative_names(names), directory=directory)
    _write(os.path.join(directory, "openssl.conf"), text.encode())
    _openssl("req", "-new", *CURVE, "-config", os.path.join(directory, "openssl.conf"), "-keyout", key, "-out", request)
    return request


def _sign(directory: str, request: str, certificate: str, days: int, *words: str) -> None:
    """Sign the request with the command ca, which alone can set the time at which a certificate begins."""
    now = time.time()
    begin, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + days * SECONDS_OF_A_DAY)) for days in (-DAYS_BEFORE, days))
    _write(os.path.join(directory, "index.txt"), b"")
    _openssl("ca", "-batch", "-notext", "-config", os.path.join(directory, "openssl.conf"), "-in", request, "-out", certificate,
             "-startdate", begin, "-enddate", end, *words)  # fmt: skip


def is_due(paths: Paths, names: Sequence[str]) -> bool:
    """Return whether the engine needs another certificate: none, for other names, of another authority, or nearly over."""
    if text_file.read(paths.names) != _text_of(names) or text_file.read(paths.key) is None:
        return True
    verified = programs.run(["openssl", "verify", "-CAfile", paths.ca, paths.certificate], programs.SECONDS_TO_REPORT)
    return verified.status != 0 or not _lasts(paths.certificate, RENEW_DAYS)


def ensure_made(files: UndoableFiles, directory: str, names: Sequence[str], group: str) -> tuple[bytes, bool]:
    """Ensure an authority and a certificate for ``names`` below ``directory``; the server's ``group`` may read its key.

    Return the certificate of the authority, empty in check mode if there is none, and whether something changed. Raises
    RelayError.
    """
    paths = Paths(directory)
    private = text_file.Attributes.named("root", "root", "0600")
    public = text_file.Attributes.named("root", "root", "0644")
    of_server = text_file.Attributes.named("root", group, "0640")
    ca, ca_key = text_file.read(paths.ca), text_file.read(paths.ca_key)
    # An authority signs no certificate that would outlive it.
    has_authority = ca is not None and ca_key is not None and _lasts(paths.ca, DAYS)
    if has_authority and not is_due(paths, names):
        kept = ((paths.ca, public), (paths.ca_key, private), (paths.certificate, public), (paths.key, of_server))
        changes = [files.ensure(path, text_file.read(path) or b"", mode, shown=False) for path, mode in kept]
        return ca or b"", any(changes)
    if files.check_mode:
        return ca or b"", True
    temporary = tempfile.mkdtemp(prefix="vsmtprelay-")
    try:
        if not has_authority:
            ca, ca_key = make_authority(temporary)
        certificate, key = make_certificate(temporary, ca or b"", ca_key or b"", names)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    # The names last: without them the next run makes the certificate anew.
    for path, content, attributes in (
        (paths.ca_key, ca_key, private),
        (paths.ca, ca, public),
        (paths.key, key, of_server),
        (paths.certificate, certificate, public),
        (paths.names, _text_of(names), public),
    ):
        files.ensure(path, content or b"", attributes, shown=False)
    return ca or b"", True


def ensure_given(files: UndoableFiles, directory: str, given: Sequence[str], group: str) -> bool:
    """Ensure a copy of the ``given`` certificate and key (paths), which the server's ``group`` may read; return a change.

    Raises RelayError, also if the two do not belong together.
    """
    paths = Paths(directory)
    certificate, key = (_read(path) for path in given)
    if _public_key_of("x509", "-noout", "-pubkey", path=given[0]) != _public_key_of("pkey", "-pubout", path=given[1]):
        raise MalformedError(f"{given[1]}: is not the key of the certificate {given[0]}; check both paths")
    of_server = text_file.Attributes.named("root", group, "0640")
    changes = [
        files.ensure(paths.certificate, certificate, text_file.Attributes.named("root", "root", "0644"), shown=False),
        files.ensure(paths.key, key, of_server, shown=False),
    ]
    return any(changes)


def end_of(path: str) -> str:
    """Return when the certificate at ``path`` ends, as openssl prints it, or an empty string."""
    shown = programs.run(["openssl", "x509", "-in", path, "-noout", "-enddate"], programs.SECONDS_TO_REPORT)
    return shown.text.strip().partition("=")[2] if shown.status == 0 else ""


def _lasts(path: str, days: int) -> bool:
    command = ["openssl", "x509", "-in", path, "-noout", "-checkend", str(days * SECONDS_OF_A_DAY)]
    return programs.run(command, programs.SECONDS_TO_REPORT).status == 0


def _public_key_of(*words: str, path: str) -> bytes:
    shown = programs.run(["openssl", *words, "-in", path], programs.SECONDS_TO_REPORT)
    if shown.status != 0:
        raise MalformedError(f"{path}: openssl cannot read it: {shown.complaint.splitlines()[0]}")
    return shown.output


def _openssl(*words: str) -> None:
    done = programs.run(["openssl", *words], programs.SECONDS_TO_REPORT)
    if done.status != 0:
        raise MalformedError(f"openssl {words[0]}: {done.complaint.splitlines()[-1]}; check the names of the engine")


def _write(path: str, content: bytes) -> None:
    text_file.replace(path, content, text_file.Attributes(os.geteuid(), os.getegid(), 0o600))


def _read(path: str) -> bytes:
    content = text_file.read(path)
    if content is None:
        raise UnreadableError(f"{path}: no such file; check the path")
    return content


def _text_of(names: Sequence[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
