# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of an engine: made once, for its names, and made anew in time."""

from __future__ import annotations

import grp
import os
import shutil
import ssl
import subprocess

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._module import certificates

pytestmark = [needs_root, pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")]
NAMES = ["engine1.example.org", "192.0.2.1", "2001:db8::1"]
GROUP = grp.getgrgid(os.getegid()).gr_name


@pytest.fixture
def made(run, tmp_path):
    """Return what makes the certificate and returns the result of the module."""

    def make(names=tuple(NAMES), check=False, **options):
        directory = str(tmp_path / "made")
        return run("share_certificate", check=check, directory=directory, names=list(names), group=GROUP, **options)

    return make


def names_in(path):
    shown = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", path], capture_output=True, text=True, check=True)
    return shown.stdout


def test_it_is_made_once_for_all_names(made, tmp_path):
    announced = made(check=True)
    assert (announced["changed"], announced["ca"], announced["end"]) == (True, "", "")
    assert not (tmp_path / "made").exists()
    result = made()
    assert result["changed"]
    assert result["end"].endswith("GMT")
    text = names_in(tmp_path / "made/certificate.pem")
    assert "IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:engine1.example.org" in text
    again = made(names=[*NAMES, NAMES[0]])
    assert (again["changed"], again["ca"]) == (False, result["ca"])


def test_clients_that_go_by_the_book_take_it(made, tmp_path):
    made()
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", "certificate.pem"]
    subprocess.run(verify, cwd=tmp_path / "made", check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "made/certificate.pem", tmp_path / "made/key.pem")


def test_it_begins_before_now_since_clocks_differ(made, tmp_path):
    made()
    # It is not of the future for a clock that is half a day behind.
    command = [
        "openssl",
        "verify",
        "-CAfile",
        "ca.pem",
        "-attime",
        str(int(os.stat(tmp_path / "made/ca.pem").st_mtime) - 43200),
    ]
    subprocess.run([*command, "certificate.pem"], cwd=tmp_path / "made", check=True, capture_output=True)


def test_keys_are_private_and_the_server_reads_its_own(made, tmp_path):
    made()
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "made").iterdir()}
    assert modes == {"ca.pem": 0o644, "ca-key.pem": 0o600, "certificate.pem": 0o644, "key.pem": 0o640, "names": 0o644}
    (tmp_path / "made/ca-key.pem").chmod(0o644)
    assert made()["changed"]
    assert (tmp_path / "made/ca-key.pem").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("missing", ["key.pem", "names", "certificate.pem"])
def test_what_is_missing_is_made_anew_by_the_same_authority(made, tmp_path, missing):
    before = made()
    (tmp_path / "made" / missing).unlink()
    after = made()
    assert after["changed"]
    assert after["ca"] == before["ca"]


def test_other_names_need_another_certificate(made, tmp_path):
    before = made()
    after = made(names=["engine2.example.org"])
    assert (after["changed"], after["ca"]) == (True, before["ca"])
    assert "DNS:engine1" not in names_in(tmp_path / "made/certificate.pem")


def test_without_the_key_of_the_authority_there_is_another_one(made, tmp_path):
    before = made()
    (tmp_path / "made/ca-key.pem").unlink()
    after = made()
    assert after["changed"]
    assert after["ca"] != before["ca"]
    assert not made()["changed"]


def test_it_is_renewed_before_it_ends(made, monkeypatch):
    before = made()
    monkeypatch.setattr(certificates, "RENEW_DAYS", certificates.DAYS + 1)
    after = made()
    assert (after["changed"], after["ca"]) == (True, before["ca"])
    monkeypatch.setattr(certificates, "RENEW_DAYS", 1)
    monkeypatch.setattr(certificates, "DAYS", certificates.CA_DAYS + 1)
    assert made()["ca"] != before["ca"]


def test_a_certificate_that_is_given_is_copied_with_its_key(made, run, tmp_path):
    made()
    given = [str(tmp_path / "made" / name) for name in ("certificate.pem", "key.pem")]
    arguments = {"directory": str(tmp_path / "copy"), "given": given, "group": GROUP}
    assert run("share_certificate", check=True, **arguments)["changed"]
    result = run("share_certificate", **arguments)
    assert (result["changed"], result["ca"]) == (True, "")
    assert (tmp_path / "copy/key.pem").read_bytes() == (tmp_path / "made/key.pem").read_bytes()
    assert not run("share_certificate", **arguments)["changed"]
    wrong = run(
        "share_certificate", directory=str(tmp_path / "x"), given=[given[0], str(tmp_path / "made/ca-key.pem")], group=GROUP
    )
    assert "is not the key of the certificate" in wrong["msg"]
    (tmp_path / "text").write_text("x")
    wrong = run("share_certificate", directory=str(tmp_path / "x"), given=[str(tmp_path / "text"), given[1]], group=GROUP)
    assert "openssl cannot read it" in wrong["msg"]
    assert (
        "no such file"
        in run("share_certificate", directory=str(tmp_path / "x"), given=["/no/such", given[1]], group=GROUP)["msg"]
    )
    assert not (tmp_path / "x").exists()


def test_a_name_that_openssl_does_not_take_is_reported_in_one_line(made):
    assert "check the names of the engine" in made(names=["192.0.2.1,x"])["msg"]
