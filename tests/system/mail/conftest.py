# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host for all tests here, set up by the playbook as a user would, and clients with addresses of their own."""

from __future__ import annotations

import pytest

from support.fingerprint import fingerprint
from support.playbook import play
from support.releases import release
from support.throttles import lift_throttles


@pytest.fixture(scope="session")
def untouched_host(lab):
    """A Debian host with sendmail and Dovecot, and nothing of ours."""
    guest = lab.guest("mailhost", release=release("bookworm"))
    lab.boot([guest])
    lift_throttles(guest)
    return guest


class SiteRuns:
    """The runs of vsmtp.relay.site on the untouched host, in the order in which a careful person makes them."""

    def __init__(self, lab, guest):
        self.before = fingerprint(guest)
        self.check = play(lab, "vsmtp.relay.site", "--check", "--diff")
        self.after_check = fingerprint(guest)
        self.first = play(lab, "vsmtp.relay.site")
        self.second = play(lab, "vsmtp.relay.site")


@pytest.fixture(scope="session")
def site_runs(lab, untouched_host):
    return SiteRuns(lab, untouched_host)


@pytest.fixture(scope="session")
def mail_host(untouched_host, site_runs):
    """The same host after the playbook."""
    assert site_runs.first.status == 0, site_runs.first.output
    return untouched_host


@pytest.fixture(scope="session")
def stranger(lab):
    """A client of somebody who never logs in."""
    return lab.client("stranger", address4="192.0.2.102", address6="2001:db8:99::102")


@pytest.fixture
def closed_relay(mail_host):
    """The mail host with nobody listed."""
    mail_host.run(["vsmtprelay", "expire"])
    listed = mail_host.run(["vsmtprelay", "dump"]).stdout.split("\n")[1::2]
    for line in listed:
        mail_host.run(["vsmtprelay", "delete", line.split()[0]])
    assert mail_host.run(["vsmtprelay", "dump"]).stdout == ""
    return mail_host
