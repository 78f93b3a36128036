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
    assert refused == []


def test_the_first_login_after_a_reboot_opens_the_relay_as_well(host, load):
    host.run(["systemctl", "is-enabled", "vsmtprelay-recorder.socket", "vsmtprelay-recorder.service"])
    assert host.run(["systemctl", "is-active", "vsmtprelay-recorder.service"]).stdout == "active\n"
    wanted = host.run(["systemctl", "list-dependencies", "--plain", "multi-user.target"]).stdout
    assert "vsmtprelay-recorder.service" in wanted
    (result,) = load(host.address4, "--count=1", "--first=60000", "--relay").result()
    assert result["ok"]
    assert not result["refused"]
