# SPDX-License-Identifier: GPL-3.0-or-later
"""A login opens the relay at once: for the session that begins when the client has seen the login succeed."""

PROTOCOLS = ("pop3", "pop3s", "imap", "imaps")


def test_of_many_logins_each_followed_at_once_by_rcpt_none_is_refused(host, load, full):
    count = 10_000 if full else 400
    words = [f"--count={count}", "--threads=4", "--relay", *(f"--protocol={protocol}" for protocol in PROTOCOLS)]
    results = load(host.address4, *words).result()
    refused = [result for result in results if not result["ok"] or result["refused"]]
    print(f"{host.release}: {len(results)} logins by {', '.join(PROTOCOLS)}, each followed by RCPT: {len(refused)} refused")
    assert len(results) == count
    assert refused[:5] == []


def test_the_recorder_is_started_at_boot_and_not_by_the_first_login_which_would_come_too_early(host):
    units = ["vsmtprelay-recorder.socket", "vsmtprelay-recorder.service"]
    assert host.run(["systemctl", "is-enabled", *units]).stdout == "enabled\nenabled\n"
    assert host.run(["systemctl", "is-active", *units]).stdout == "active\nactive\n"
