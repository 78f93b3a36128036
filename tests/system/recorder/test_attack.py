# SPDX-License-Identifier: GPL-3.0-or-later
"""Who attacks the recorder gets nothing recorded, crashes nothing, learns nothing, and keeps no login from being recorded.

On Debian 12, where Dovecot 2.3 reports over TCP with a key, and on Debian 13, where Dovecot 2.4 reports over a socket that
only its group can open. pytest -s shows the figures.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.mail import log_in
from support.playbook import play
from support.throttles import lift_throttles
from support.waiting import wait_until

SCRIPTS = Path(__file__).parent / "in_guest"
KEY_FILE = "/etc/vsmtprelay/recorder-key.conf"
UNIT = "vsmtprelay-recorder.service"
PASSWORD = "odd-secret"
MOST_MEMORY = 150 << 10  # KiB
PATIENCE = 60

# Dovecot lets in whoever has the password, by whatever name, and does not punish those who try.
DOVECOT = {
    "bookworm": """
auth_username_chars =
auth_failure_delay = 0
passdb {
  driver = static
  args = password=odd-secret
}
userdb {
  driver = static
  args = uid=alice gid=alice home=/home/alice mail=maildir:/home/alice/Maildir
}
""",
    "trixie": """
auth_username_chars =
auth_failure_delay = 0
passdb static {
  password = odd-secret
}
userdb static {
  fields {
    uid = alice
    gid = alice
    home = /home/alice
    mail_driver = maildir
    mail_path = /home/alice/Maildir
    mail_inbox_path = /home/alice/Maildir
  }
}
""",
}
NO_PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"

# With the right password Dovecot lets in those of the first group, and ends the session of the others.
NAMES = {
    "quotes": b"a'b\"c`d",
    "newline": b"a\nb",
    "header": b"a\r\nX-API-Key: x\r\n\r\nrip: 6.6.6.6",
    "rip": b"rip=6.6.6.6",
    "rip-after-blank": b"x rip=6.6.6.6 lip=6.6.6.6",
    "rip-after-tab": b"x\trip=6.6.6.6",
    "json": b'x","rip":"6.6.6.6","y":"',
    "json-escape": b'\\","rip":"6.6.6.6',
    "variables": b"%{rip}%u%%",
    "not-utf-8": b"\xff\xfe\xc3\x28",
    "surrogate": b"\xed\xa0\x80",
    "unicode": "\u00fcn\u00efcode\u2028\U0001f600".encode(),
    "control": bytes(range(1, 32)),
    "domains": b"a@b@6.6.6.6",
    "option": b"-rf /",
    "path": b"../../../etc/passwd",
    "300": b"x" * 300,
}
IMPOSSIBLE_NAMES = {"nul": b"a\0rip=6.6.6.6", "empty": b"", "10k": b"x" * 10240}


class Host:
    """A mail host, and what its recorder did."""

    def __init__(self, guest, first_run):
        self.guest = guest
        self.over_tcp = guest.release == "bookworm"
        self.first_run = first_run
        self._since = ""

    def prepare(self):
        """Let odd names log in, and bring the scripts."""
        self.guest.run(["sed", "-i", "s/^!include auth-system/#&/", "/etc/dovecot/conf.d/10-auth.conf"])
        self.guest.write("/etc/dovecot/conf.d/99-attack.conf", DOVECOT[self.guest.release] + NO_PENALTY)
        self.guest.run(["doveadm", "reload"])
        for script in SCRIPTS.glob("*.py"):
            self.guest.write(f"/usr/local/{script.name}", script.read_text(encoding="utf-8"), 0o755)

    def begin(self):
        """Forget all entries, and what the journal told so far."""
        self.guest.run(["vsmtprelay", "--all", "expire"])
        self.guest.run(["journalctl", "--sync"])
        last = self.guest.run(["journalctl", "--lines=1", "--output=json", "--no-pager"]).stdout
        self._since = json.loads(last)["__CURSOR"]

    def entries(self, server="--all"):
        """Return the keys in the databases."""
        words = ["--all"] if server == "--all" else ["--server", server]
        return re.findall(r"^(\S+) \d+$", self.guest.run(["vsmtprelay", *words, "dump"]).stdout, re.MULTILINE)

    def lines(self):
        """Return the lines of the journal about logins, since begin()."""
        self.guest.run(["journalctl", "--sync"])
        # Not with a match: journalctl of Debian 12 then leaves out the first line after a cursor that does not match.
        text = self.guest.run(["journalctl", "--output=json", "--all", "--no-pager", f"--after-cursor={self._since}"]).stdout
        # Not splitlines(): a user name may hold what Unicode takes for the end of a line.
        return [line for line in map(json.loads, text.split("\n")[:-1]) if "RELAY_ADDRESS" in line]

    def count(self, what):
        """Return the number of logins that the journal tells of as ``what``, since begin()."""
        return sum(line["MESSAGE"].startswith(f"{what} ") for line in self.lines())

    def unit(self):
        """Return MainPID and NRestarts: they change if the recorder ends for any reason."""
        return self.guest.run(["systemctl", "show", "--property=MainPID,NRestarts", UNIT]).stdout

    def memory(self):
        """Return the most memory that the recorder has ever had, in KiB."""
        pid = self.guest.run(["systemctl", "show", "--property=MainPID", "--value", UNIT]).stdout.strip()
        return int(re.search(r"VmHWM:\s+(\d+) kB", self.guest.read(f"/proc/{pid}/status") or "").group(1))

    def as_bob(self, command, **options):
        """Run a shell command as an ordinary user."""
        return self.guest.run(["su", "bob", "-s", "/bin/sh", "-c", command], **options)

    def requests(self, what, *options, user=()):
        """Return what the recorder answered to raw_requests.py."""
        command = [*user, "python3", "/usr/local/raw_requests.py", what, *options]
        return json.loads(self.guest.run(command, timeout=120).stdout)

    def secret(self):
        return re.search(r":(\w{64})$", self.guest.run(["cat", KEY_FILE]).stdout.strip()).group(1)


@pytest.fixture(scope="module")
def hosts(lab):
    guests = {release: lab.guest(f"attack-{release}", release=release) for release in DOVECOT}
    try:
        lab.boot(guests.values())
        for guest in guests.values():
            lift_throttles(guest)
        # As loud as Ansible can be told to be.
        run = play(lab, "vsmtp.relay.site", "--limit", "attack-*", "-vvv", "--diff")
        assert run.status == 0, run.output[-3000:]
        hosts = {release: Host(guest, run) for release, guest in guests.items()}
        for host in hosts.values():
            host.prepare()
        yield hosts
    finally:
        lab.down([guest.name for guest in guests.values()])


@pytest.fixture(params=DOVECOT)
def host(request, hosts):
    """Each of the hosts in turn, its recorder running and with nobody listed."""
    host = hosts[request.param]
    host.guest.run(["systemctl", "start", UNIT])
    host.begin()
    return host


@pytest.fixture
def tcp_host(hosts):
    """The host whose recorder anybody there can connect to."""
    host = hosts["bookworm"]
    host.guest.run(["systemctl", "start", UNIT])
    host.begin()
    return host


FIGURES = []


def told(host, text):
    FIGURES.append(f"{host.guest.release}: {text}; memory at most {host.memory() >> 10} MiB")


@pytest.fixture(scope="module", autouse=True)
def summary():
    """Print the figures together, at the end."""
    yield
    print("", *FIGURES, sep="\n")


def authenticate(client, server, protocol, user, password):
    """Log in by SASL PLAIN, which takes any bytes for a name; tell whether the server said yes."""
    port, begin, yes = {"pop3": (110, b"AUTH PLAIN\r\n", b"+OK"), "imap": (143, b"a AUTHENTICATE PLAIN\r\n", b"a OK")}[protocol]
    with client.namespace.connect(server, port, 30) as connection, connection.makefile("rwb") as stream:
        stream.readline()
        stream.write(begin)
        stream.flush()
        stream.readline()
        # Dovecot ends the session of those who say too much.
        with contextlib.suppress(ConnectionError):
            stream.write(base64.b64encode(b"\0" + user + b"\0" + password) + b"\r\n")
            stream.flush()
            lines = iter(stream.readline, b"")
            return next((line for line in lines if not line.startswith(b"*")), b"").startswith(yes)
    return False


@pytest.mark.fault("wrong-password")
def test_names_with_a_wrong_password_record_nothing_whatever_they_are(host, reader):
    unit = host.unit()
    names = (*NAMES.values(), *IMPOSSIBLE_NAMES.values())
    # Dovecot 2.3 takes its time for each; side by side they take it together.
    with ThreadPoolExecutor(10) as pool:
        tries = [(protocol, user) for protocol in ("pop3", "imap") for user in names]
        answers = pool.map(lambda each: authenticate(reader, host.guest.address4, *each, b"wrong"), tries)
        assert list(answers) == [False] * len(tries)
    assert host.entries() == []
    assert host.lines() == []
    assert host.unit() == unit
    told(host, f"{len(tries)} logins with a wrong password, none recorded")


@pytest.mark.fault("forged-name")
def test_names_with_the_right_password_record_the_clients_own_address_and_write_one_line_each(host, reader):
    unit = host.unit()
    for protocol in ("pop3", "imap"):
        for name, user in NAMES.items():
            assert authenticate(reader, host.guest.address4, protocol, user, PASSWORD.encode()), name
            assert host.entries() == [reader.address4], name
            host.guest.run(["vsmtprelay", "expire"])
        for name, user in IMPOSSIBLE_NAMES.items():
            assert not authenticate(reader, host.guest.address4, protocol, user, PASSWORD.encode()), name
    assert host.entries() == []
    wait_until(lambda: len(host.lines()) >= 2 * len(NAMES), PATIENCE)
    lines = host.lines()
    assert [line["RELAY_ADDRESS"] for line in lines] == [reader.address4] * 2 * len(NAMES)
    assert {line["RELAY_SERVICE"] for line in lines} == {"pop3", "imap"}
    # What is not printable would come as a list of bytes.
    assert all(isinstance(line["MESSAGE"], str) and "\n" not in line["MESSAGE"] for line in lines)
    assert all(line["MESSAGE"].startswith(f"recorded {reader.address4} user=") for line in lines)
    assert host.unit() == unit
    told(host, f"{len(lines)} logins by odd names, each recorded with the client's own address")


@pytest.mark.fault("forged-report")
def test_a_local_user_can_report_nothing(host):
    unit = host.unit()
    user = ("setpriv", "--reuid=bob", "--regid=bob", "--clear-groups")
    over_tcp = host.requests("forged", user=user)
    over_socket = host.requests("forged", "--unix", user=user)
    expected = [403, "closed"] if host.over_tcp else ["ConnectionRefusedError"]
    assert list(over_tcp.values()) == [expected] * len(over_tcp)
    assert list(over_socket.values()) == [["PermissionError"]] * len(over_socket)
    assert host.entries() == []
    assert host.unit() == unit
    told(host, f"{len(over_tcp) + len(over_socket)} forged reports, all refused")


@pytest.mark.fault("forged-report")
def test_root_and_dovecots_group_are_those_who_can_report(host):
    for user in ((), ("setpriv", "--reuid=nobody", "--regid=dovecot", "--clear-groups")):
        host.guest.run(["vsmtprelay", "expire"])
        assert host.requests("right", "--unix", user=user) == {"report": [200, "closed"]}
        assert host.entries() == ["6.6.6.6"]
    other_groups = host.guest.run(["setpriv", "--reuid=nobody", "--regid=mail", "--clear-groups", "id", "-gn"]).stdout
    assert other_groups == "mail\n"
    user = ("setpriv", "--reuid=nobody", "--regid=mail", "--clear-groups")
    assert host.requests("right", "--unix", user=user) == {"report": ["PermissionError"]}


@pytest.mark.fault("malformed-report")
def test_what_is_no_report_is_refused_and_the_next_login_is_recorded_even_if_it_comes_with_the_key(host, reader):
    unit = host.unit()
    ways = [["--unix"], ["--key-file", KEY_FILE]] if host.over_tcp else [["--unix"]]
    count = 0
    for way in ways:
        found = {**host.requests("malformed", *way), **host.requests("large", *way)}
        count += len(found)
        # 200 says no more than that there is nothing against this login: it is one of a service that is not recorded.
        let_in = {name for name, answers in found.items() if 200 in answers}
        assert let_in == {"service ''", "service 'smtp'", "service 'POP3'", "service 'pop3\\n'", "another question"}
        assert not any(500 in answers for answers in found.values()), found
        assert [found[name][0] for name in found if name.startswith("100 MB")] == [413] * 3
    assert host.entries() == []
    assert host.lines() == []
    assert log_in(reader, host.guest.address4, user="alice", password=PASSWORD)
    assert host.entries() == [reader.address4]
    assert host.unit() == unit
    assert host.memory() < MOST_MEMORY
    told(host, f"{count} messages that are no reports, bodies of 100 MB among them, none recorded")


@pytest.mark.parametrize("way", ["silent", "trickle", "flood"])
@pytest.mark.fault("connection-flood")
def test_logins_go_on_while_a_local_user_opens_thousands_of_connections(tcp_host, reader, way):
    host = tcp_host
    unit = host.unit()
    command = f"exec python3 /usr/local/slow_clients.py {way} --connections 5000 --seconds 60"
    seconds = []
    with subprocess.Popen(
        [*host.guest.enter(), "su", "bob", "-s", "/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as attack:
        assert attack.stdout.readline() == "ready\n"
        for _ in range(6):
            # The connections that Dovecot keeps open would not show whether new ones get through.
            host.guest.run(["doveadm", "reload"])
            for _ in range(3):
                start = time.monotonic()
                assert log_in(reader, host.guest.address4, user="alice", password=PASSWORD)
                seconds.append(time.monotonic() - start)
        attack.stdin.close()
        counts = json.loads(attack.stdout.read())
    if way == "flood":
        # It closes its oldest connections itself: on a busy machine before the recorder has so many that it closes any.
        assert counts["opened"] > 2 * 5000
        # More connections than the kernel keeps: it can turn Dovecot's away too. Nothing of that lasts.
        assert log_in(reader, host.guest.address4, user="alice", password=PASSWORD)
        wait_until(lambda: host.count("recorded") > 0, PATIENCE)
    else:
        assert counts["closed_by_service"] > 0
        # A login of which Dovecot did not wait for the answer is recorded all the same.
        wait_until(lambda: host.count("recorded") >= len(seconds), PATIENCE)
    assert {line["RELAY_ADDRESS"] for line in host.lines()} == {reader.address4}
    assert host.entries() == [reader.address4]
    assert host.unit() == unit
    assert host.memory() < MOST_MEMORY
    seconds.sort()
    median, worst = (round(each * 1000) for each in (seconds[len(seconds) // 2], seconds[-1]))
    attack_text = f"{way}: {counts['opened']} connections opened, {counts['closed_by_service']} closed by the recorder"
    recorded = f"{host.count('recorded')} recorded, {host.count('delayed')} of them late"
    told(host, f"{attack_text}; {len(seconds) + (way == 'flood')} logins, {recorded}, median {median} ms, worst {worst} ms")


def test_where_dovecot_can_speak_to_a_socket_there_is_no_port_to_attack(hosts):
    host = hosts["trixie"]
    listening = host.guest.run(["ss", "--listening", "--tcp", "--numeric", "--no-header"]).stdout
    assert ":110 " in listening
    assert ":785 " not in listening


def exposure(host):
    text = host.guest.run(["systemd-analyze", "security", "--no-pager", UNIT]).stdout
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text).group(1))


def test_it_runs_as_root_with_six_capabilities_and_sandboxed(host):
    pid = host.guest.run(["systemctl", "show", "--property=MainPID", "--value", UNIT]).stdout.strip()
    status = host.guest.read(f"/proc/{pid}/status")
    assert re.search(r"^Uid:\s+0\s", status, re.MULTILINE)
    bounds = int(re.search(r"^CapBnd:\s+(\w+)$", status, re.MULTILINE).group(1), 16)
    # CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID, LEASE
    assert bounds == 1 << 0 | 1 << 1 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 28
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert exposure(host) <= 3.0
    told(host, f"runs as root with 6 capabilities, exposure {exposure(host)}")


def test_only_root_can_read_the_key_and_nothing_shows_it(tcp_host, reader):
    host = tcp_host
    secret = host.secret()
    assert host.guest.run(["stat", "--format=%U:%G %a", KEY_FILE]).stdout == "root:root 600\n"
    assert log_in(reader, host.guest.address4, user="alice", password=PASSWORD)
    assert "auth_policy_server_url" in host.as_bob("doveconf -n").stdout
    for command in (
        "doveconf -n",
        "doveconf -a",
        "doveconf -P",
        f"systemctl show {UNIT}; systemctl cat {UNIT}; systemctl status {UNIT}",
        "ps -ewwo args; ps ewwax",
        f"cat {KEY_FILE} /run/credentials/vsmtprelay-recorder.service/key",
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'",
    ):
        shown = host.as_bob(f"{{ {command}; }} 2>&1", check=False).stdout
        assert shown
        assert secret not in shown, command
    # Given on standard input: an argument would be found.
    search = "grep -rslF -f - /etc /run /var /tmp /usr/local /home /root /dev/shm"
    assert host.as_bob(search, check=False, input=secret + "\n").stdout == ""
    assert secret not in host.guest.run(["journalctl", "--no-pager", "--all"]).stdout


def test_ansible_shows_no_key_however_loud_it_is(tcp_host):
    output = tcp_host.first_run.output
    assert KEY_FILE in output  # -vvv
    assert "+auth_policy_server_url" in output  # --diff
    assert tcp_host.secret() not in output
    assert tcp_host.secret()[:16] not in output


def test_where_there_is_no_port_there_is_no_key(hosts):
    assert hosts["trixie"].guest.run(["ls", "/etc/vsmtprelay"]).stdout == "virtual_servers\n"


# From here on the hosts have two virtual servers whose databases have different owners.


@pytest.fixture(scope="module")
def shared_hosts(lab, hosts):
    """The hosts with two virtual servers, one.example of alice (IPv4) and two.example of bob (IPv6)."""
    for host in hosts.values():
        for name, owner in (("one", "alice"), ("two", "bob")):
            etc = f"/srv/{name}.example/etc"
            host.guest.run(["sh", "-ec", f"mkdir -p {etc}; cp /etc/mail/sendmail.cf {etc}; chown {owner}:mail {etc}"])
        host.servers = [
            {"name": "one.example", "root": "/srv/one.example", "addresses": [host.guest.address4]},
            {"name": "two.example", "root": "/srv/two.example", "addresses": [host.guest.address6]},
        ]
        # The same playbook for both hosts, a list for each.
        variables = json.dumps({"pop_before_smtp_virtual_servers": host.servers})
        run = play(lab, "vsmtp.relay.site", "--limit", host.guest.name, "-e", variables)
        assert run.status == 0, run.output[-3000:]
    return hosts


@pytest.fixture(params=DOVECOT)
def shared_host(request, shared_hosts):
    host = shared_hosts[request.param]
    host.guest.run(["systemctl", "start", UNIT])
    return host


def test_owner_and_mode_of_the_databases_of_several_users_stay(shared_host, reader):
    host = shared_host
    paths = [f"{server['root']}/etc/relayers.db" for server in host.servers]
    # Another mode than that of the other database.
    host.guest.run(["chmod", "0600", paths[0]])
    host.begin()
    before = host.guest.run(["stat", "--format=%U:%G %a", *paths]).stdout
    assert before == "alice:mail 600\nbob:mail 640\n"
    for address in (host.guest.address4, host.guest.address6):
        assert log_in(reader, address, user="alice", password=PASSWORD)
    assert host.entries("one.example") == [reader.address4]
    assert host.entries("two.example") == ["ipv6:2001:db8:99:0:0:0:0:101"]
    assert host.guest.run(["stat", "--format=%U:%G %a", *paths]).stdout == before
    told(host, f"for two owners: {before.splitlines()} kept")
