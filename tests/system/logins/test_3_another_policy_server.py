# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot asks another policy server, such as weakforced: then the accounts that it has from PAM can be reported by PAM."""

from __future__ import annotations

import pytest

from support.playbook import play
from support.waiting import wait_until

from .conftest import RELEASES, pairs
from .settings import PAM_BY_SERVICE, POLICY_PORT

# Answers as weakforced does, and counts what it is asked.
POLICY_SERVER = f"""
from http.server import BaseHTTPRequestHandler, HTTPServer

class Policy(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/run/policy-server", "ab") as log:
            log.write(asked)
        answer = b'{{"status": 0, "msg": ""}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

HTTPServer(("127.0.0.1", {POLICY_PORT}), Policy).serve_forever()
"""
PAM_SERVICE = "@include common-auth\n@include common-account\n@include common-session\n"


@pytest.fixture(scope="module")
def runs(lab, hosts, outcomes):
    """The hosts with another policy server, and the runs of the playbook with Dovecot's reports and with those of PAM."""
    for host, other in pairs(hosts):
        host.guest.write("/root/policy-server.py", POLICY_SERVER)
        host.guest.run(["systemd-run", "--quiet", "--unit=policy-server", "python3", "/root/policy-server.py"])
        for service in ("pop3", "imap"):
            host.guest.write(f"/etc/pam.d/{service}", PAM_SERVICE)
        host.use(PAM_BY_SERVICE, other)
    only = ("--limit", "logins-*")
    refused = play(lab, "vsmtp.relay.site", *only)
    return refused, play(lab, "vsmtp.relay.site", "-e", "pop_before_smtp_recorder=pam", *only)


@pytest.fixture(params=RELEASES, ids=[f"Dovecot {version}" for version in RELEASES.values()])
def host(request, hosts, runs):
    return hosts[request.param]


def test_the_role_says_so_before_it_changes_anything(host, runs):
    refused, _ = runs
    assert refused.status != 0
    assert refused.counts[host.guest.name]["changed"] == 0, refused.output
    assert "another policy server" in refused.output


@pytest.mark.parametrize("service", ["pop3", "imap"])
def test_pam_reports_the_logins_instead_and_the_other_server_is_still_asked(host, runs, service):
    _, with_pam = runs
    assert with_pam.status == 0, with_pam.output
    for password, right in (("carol-secret", True), ("wrong-secret", False)):
        source = host.new_address()
        session = host.connect(service, source)
        let_in = session.log_in("PLAIN", "carol", password).startswith("OK")
        assert (let_in, source.encode() in host.listed()) == (right, right)
        session.close()
        wait_until(lambda source=source: f'"{source}"' in host.guest.read("/run/policy-server"))
