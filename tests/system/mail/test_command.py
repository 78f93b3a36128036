# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtprelay on the target, as people and cron use it."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from support.mail import REMOTE, Smtp, rcpt
from support.places import CHECKOUT

VERSION = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
USAGE = f"""\
vsmtprelay {VERSION} usage (optional items in []):
    % vsmtprelay command [arg] [...]
where "command [arg] [...]" can be one of the following:

    "add ip [ticks]"   insert address with current timestamp (or ticks)
    "delete ip [...]"  remove specified address(es)
    "expire [n]"       expire all old (or older than n minutes) entries
    "list [n]"         list all old (or older than n minutes) entries
    "dump"             list every entry, including the future timestamped

IP addresses are expressed as ASCII "dotted quads", e.g. "10.11.12.13".
All timestamps are stored as ASCII strings representing a count of seconds
elapsed since 0 hours, 0 minutes, 0 seconds, January 1, 1970, Coordinated
Universal Time (the common UNIX epoch).
"""


@pytest.fixture
def vsmtprelay(closed_relay):
    """Run the command on the mail host, which has nobody listed; return status, output and errors."""

    def run(*words):
        result = closed_relay.run(["vsmtprelay", *words], check=False)
        return result.returncode, result.stdout, result.stderr

    return run


def test_without_a_command_it_shows_its_usage(vsmtprelay):
    assert vsmtprelay() == (64, "", USAGE)


def test_help_begins_with_the_usage(vsmtprelay):
    status, output, errors = vsmtprelay("--help")
    assert (status, errors) == (0, "")
    assert output.startswith(USAGE)


def test_it_has_a_manual_page(mail_host):
    page = mail_host.read("/usr/local/share/man/man8/vsmtprelay.8")
    assert ".TH VSMTPRELAY 8" in page
    for word in ("add", "delete", "expire", "list", "dump", "EXIT STATUS", "FILES"):
        assert word in page


def test_dump_prints_a_comment_and_an_entry_for_each_address(vsmtprelay):
    vsmtprelay("add", "10.11.12.13", "906502527")
    assert vsmtprelay("dump") == (0, "# timestamp (UTC): Tue Sep 22 22:15:27 1998\n10.11.12.13 906502527\n", "")


def test_list_shows_what_is_old_and_dump_also_what_is_stamped_in_the_future(vsmtprelay):
    now = int(time.time())
    vsmtprelay("add", "10.0.0.1", str(now - 600))
    vsmtprelay("add", "10.0.0.2", str(now + 600))
    assert [line.split()[0] for line in vsmtprelay("list")[1].splitlines()[1::2]] == ["10.0.0.1"]
    assert vsmtprelay("list", "20")[1] == ""
    assert sorted(line.split()[0] for line in vsmtprelay("dump")[1].splitlines()[1::2]) == ["10.0.0.1", "10.0.0.2"]


def test_expire_keeps_what_is_younger_and_what_is_in_the_future(vsmtprelay):
    now = int(time.time())
    for address, age in (("10.0.0.1", 3700), ("10.0.0.2", 3500), ("10.0.0.3", -3600)):
        vsmtprelay("add", address, str(now - age))
    assert vsmtprelay("expire", "60") == (0, "", "")
    assert "10.0.0.1" not in vsmtprelay("dump")[1]
    assert vsmtprelay("expire") == (0, "", "")
    assert [line.split()[0] for line in vsmtprelay("dump")[1].splitlines()[1::2]] == ["10.0.0.3"]


FAILURES = [
    (["frobnicate"], 64),
    (["add"], 64),
    (["add", "10.0.0.1", "1", "2"], 64),
    (["delete"], 64),
    (["dump", "all"], 64),
    (["--nonsense", "dump"], 64),
    (["--all", "--server", "mailhost", "dump"], 64),
    (["add", "mail.example.org"], 65),
    (["add", "10.0.0.256"], 65),
    (["add", "10.0.0.1", "yesterday"], 65),
    (["add", "10.0.0.1", "-1"], 65),
    (["expire", "soon"], 65),
    (["list", "-5"], 65),
    (["--server", "nobody", "dump"], 65),
    (["--database", "/nowhere/relayers.db", "dump"], 66),
    (["--database", "/etc/mail", "dump"], 66),
    (["--database", "/etc/hostname", "dump"], 66),
    (["--database", "/nowhere/relayers.db", "add", "10.0.0.1"], 73),
    (["--database", "/proc/relayers.db", "add", "10.0.0.1"], 73),
]


@pytest.mark.parametrize(("words", "status"), FAILURES, ids=[" ".join(words) for words, _ in FAILURES])
def test_what_it_cannot_do_it_says_in_one_line_and_writes_nothing(vsmtprelay, words, status):
    seen, output, errors = vsmtprelay(*words)
    assert (seen, output) == (status, "")
    assert errors.startswith("vsmtprelay: ")
    assert errors.count("\n") == 1
    assert vsmtprelay("dump") == (0, "", "")


def test_delete_says_what_was_not_listed_and_deletes_the_rest(vsmtprelay):
    vsmtprelay("add", "10.0.0.1")
    status, output, errors = vsmtprelay("delete", "10.0.0.9", "10.0.0.1")
    assert (status, output) == (1, "")
    assert errors == "vsmtprelay: 10.0.0.9 is not listed in /etc/mail/relayers.db\n"
    assert vsmtprelay("dump")[1] == ""


def test_a_database_that_stays_locked_ends_it_with_75_and_nothing_written(vsmtprelay, closed_relay):
    script = "exec 9</etc/mail/relayers.db; flock 9; vsmtprelay --lock-timeout 0.3 add 10.0.0.1 2>&1; echo $?"
    lines = closed_relay.run(["bash", "-c", script]).stdout.splitlines()
    assert lines[-1] == "75"
    assert len(lines) == 2
    assert "/etc/mail/relayers.db" in lines[0]
    assert vsmtprelay("dump")[1] == ""


def test_an_ipv6_address_in_any_spelling_is_stored_as_sendmail_looks_it_up(vsmtprelay, closed_relay, reader):
    assert vsmtprelay("add", "2001:DB8:99::0101")[0] == 0
    assert vsmtprelay("dump")[1].splitlines()[1].startswith("ipv6:2001:db8:99:0:0:0:0:101 ")
    assert rcpt(reader, closed_relay.address6)[0] == 250
    assert vsmtprelay("delete", "2001:db8:99::101")[0] == 0
    assert rcpt(reader, closed_relay.address6)[0] == 550


def test_makemap_reads_every_entry_that_it_wrote(vsmtprelay, closed_relay):
    wanted = {"10.0.0.1": "1", "192.0.2.255": "906502527", "ipv6:2001:db8:0:0:0:0:0:5": "4102444800"}
    for address, timestamp in wanted.items():
        assert vsmtprelay("add", address, timestamp)[0] == 0
    lines = closed_relay.run(["makemap", "-u", "hash", "/etc/mail/relayers"]).stdout.splitlines()
    assert dict(line.split() for line in lines) == wanted
    assert closed_relay.run(["db5.3_verify", "/etc/mail/relayers.db"]).returncode == 0


def test_dump_edit_makemap_works_while_sendmail_runs(vsmtprelay, closed_relay, reader):
    vsmtprelay("add", "10.0.0.1")
    with Smtp(reader, closed_relay.address4) as session:
        assert session.ask(REMOTE)[0] == 550
        edited = f"cd /etc/mail && vsmtprelay dump > relayers && echo '{reader.address4} 4102444800' >> relayers"
        closed_relay.run(["sh", "-ec", f"{edited} && makemap hash relayers.db < relayers && rm relayers"])
        assert session.ask(REMOTE)[0] == 250
        assert vsmtprelay("delete", reader.address4)[0] == 0
        assert session.ask(REMOTE)[0] == 550
    assert [line.split()[0] for line in vsmtprelay("dump")[1].splitlines()[1::2]] == ["10.0.0.1"]


def test_dump_prints_a_document_with_an_entry_on_each_line(vsmtprelay):
    vsmtprelay("add", "10.11.12.13", "906502527")
    vsmtprelay("add", "2001:db8::5", "4102444800")
    status, output, errors = vsmtprelay("dump", "--json")
    assert (status, errors) == (0, "")
    document = json.loads(output)
    (database,) = document["databases"]
    assert (document["schema"], document["command"], database["virtual_server"]) == (1, "dump", "mailhost")
    assert {each["address"]: each["timestamp"] for each in database["relayers"]} == {
        "10.11.12.13": 906502527,
        "2001:db8::5": 4102444800,
    }
    assert sum(line.startswith("{") and '"address"' in line for line in output.splitlines()) == 2
    assert json.loads(vsmtprelay("expire", "--json")[1])["databases"][0]["expired"] == ["10.11.12.13"]


def test_status_is_fine_on_a_host_that_the_role_set_up(vsmtprelay):
    status, output, errors = vsmtprelay("status")
    assert (status, errors) == (0, "")
    assert output.splitlines()[0] == "fine: 1 virtual server, 0 entries, 0 of them in the future"
    assert "recorder: up" in output.splitlines()
    members = json.loads(vsmtprelay("status", "--json")[1])
    assert (members["status"], members["attention"], members["unknown"]) == (0, [], [])
    assert [server["ruleset"] for server in members["virtual_servers"]] == ["live"]


def test_status_of_a_recorder_that_is_down_is_broken(vsmtprelay, closed_relay):
    # The next login would start it again.
    closed_relay.run(["systemctl", "stop", "vsmtprelay-recorder.service"])
    try:
        status, output, errors = vsmtprelay("status")
    finally:
        closed_relay.run(["systemctl", "start", "vsmtprelay-recorder.service"])
    assert (status, errors) == (2, "")
    assert output.startswith("broken: the login recorder is down; look into journalctl --unit=vsmtprelay-recorder\n")
    assert vsmtprelay("status")[0] == 0


def test_status_of_another_user_is_unknown_where_only_root_can_know(closed_relay):
    done = closed_relay.run(["setpriv", "--reuid=nobody", "--clear-groups", "vsmtprelay", "status", "--json"], check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    members = json.loads(done.stdout)
    assert members["attention"] == []
    assert "only root can prove that Dovecot reports logins" in members["unknown"]
    assert [server["ruleset"] for server in members["virtual_servers"]] == ["unknown"]
