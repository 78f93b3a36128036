# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that are shared: what that adds to a login, how soon another host relays, and what it costs hosts and engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guests import Guest, GuestsError, Lab
from guests.client import Client
from support.load import MANY, Load
from support.mail import Address, log_in
from support.playbook import play
from support.sharing import ENGINE_GROUP, OPEN, PORT, until_answer, write_inventory
from support.throttles import bear_load, lift_throttles

from . import mail_host
from .in_guest.versions import ALONE, NOW
from .logins import Logins
from .sharing_results import Latency, MadeUp, Readers, Receiving, SharingResults

SENDS, TAKES, ENGINE = "sends", "takes", "engine"
# A guest knows the names of those that were booted before it.
RELEASES = {ENGINE: "bookworm", SENDS: "bookworm", TAKES: "trixie"}
SERVERS = [{"name": "customers"}]
SHARER = "vsmtprelay-share.service"
SIZES = (100, 10_000)
# One after the other; the client asks whether it may relay so often.
LOGINS, QUICK_LOGINS = 200, 20
INTERVAL_SECONDS = 0.005
# Real logins a second, for so long.
RATE, SECONDS, QUICK_SECONDS = 20, 30, 5
# Published logins a second; the sharer gathers them for 50 ms.
RECEIVED_RATES = (20, 200)
GATHER_SECONDS = 0.05
# What a host recorded while it was cut off, by the network of their addresses: with those before, nearly as much as one host
# may open.
CUT_OFF, QUICK_CUT_OFF = {"241": 1_000, "242": 90_000}, {"241": 1_000}
READERS, QUICK_READERS = (100, 1_000), (50,)
READER_RATES = (1, 10, 20)
STREAMS = 10
# Before the first login, since the readers have just connected.
LEAD_SECONDS = 2
READERS_PROGRAM = Path(__file__).with_name("readers.py")
PATIENCE_SECONDS = 300
SECRET = "/etc/vsmtprelay/share-secret"


def measure(lab: Lab, quick: bool) -> SharingResults:
    """Measure everything with the same three hosts."""
    guests = {name: mail_host.untouched(lab, name, release) for name, release in RELEASES.items()}
    client = lab.client("many", address4="192.0.2.150")
    client.namespace.ip(f"route replace local {MANY} dev lo")
    for name in (SENDS, TAKES):
        lift_throttles(guests[name], MANY)
        bear_load(guests[name])
        guests[name].run(["ip", "route", "add", MANY, "via", client.address4])
    _set_up(lab)
    for guest in guests.values():
        guest.run(["systemctl", "stop", "cron"])
    hosts = {name: mail_host.measure(guests[name], "recorder_host.py", quick) for name in (SENDS, TAKES)}
    latencies = _latencies(client, guests, quick)
    receiving = [_receiving(guests, rate, QUICK_SECONDS if quick else SECONDS) for rate in RECEIVED_RATES]
    readers = _readers(client, guests, quick)
    made_up = [_made_up(guests, *each) for each in (QUICK_CUT_OFF if quick else CUT_OFF).items()]
    guests[TAKES].run(["systemctl", "stop", SHARER])
    mail_host.say("==> Measure logins with and without sharing")
    guests[SENDS].run(["systemctl", "stop", "sendmail"])
    guests[SENDS].run(["ip", "route", "delete", MANY])
    lab.down([client.name, TAKES])
    with Logins(lab, guests[SENDS], quick) as contest:
        logins = [row for entries in SIZES for row in contest.alternate(entries, [NOW, ALONE])]
    outbox = mail_host.measure(guests[SENDS], "outbox.py", quick)
    engine = _version(guests[ENGINE])
    lab.down([SENDS, ENGINE])
    return SharingResults(logins, outbox, latencies, receiving, made_up, readers, engine, hosts)


def _set_up(lab: Lab) -> None:
    """Run the playbooks. Raises GuestsError."""
    variables = {name: {"pop_before_smtp_virtual_servers": SERVERS} for name in (SENDS, TAKES)}
    with tempfile.TemporaryDirectory() as directory:
        inventory = write_inventory(Path(directory) / "sharing.yml", variables, [ENGINE])
        for playbook in ("engine", "site"):
            mail_host.say(f"==> Run vsmtp.relay.{playbook}")
            run = play(lab, f"vsmtp.relay.{playbook}", f"--inventory={inventory}", "--limit", f"{SENDS},{TAKES},{ENGINE_GROUP}")
            if run.status != 0:
                raise GuestsError(f"the playbook ended with {run.status}:\n{run.output}")


def _latencies(client: Client, guests: dict[str, Guest], quick: bool) -> list[Latency]:
    mail_host.say("==> Measure how soon another host relays after a login")
    taken = []
    for number in range(1, (QUICK_LOGINS if quick else LOGINS) + 1):
        source = Address(client, f"198.18.200.{number}")
        if not log_in(source, guests[SENDS].address4):
            raise GuestsError("a login was refused")
        at = time.monotonic()
        taken.append(until_answer(source, guests[TAKES].address4, OPEN, interval=INTERVAL_SECONDS) - at)
    alone = Latency("answer to the login → the other host answers 250, one login at a time", taken)
    seconds = QUICK_SECONDS if quick else SECONDS
    with _Arrivals(guests[TAKES], seconds + 3) as arrivals:
        count = int(RATE * seconds)
        load = Load(client, guests[SENDS].address4, f"--count={count}", f"--rate={RATE}", "--threads=20")
        results = load.result()
    seen = arrivals.found["seen"]
    missing = [each["address"] for each in results if each["address"] not in seen]
    if missing:
        raise GuestsError(f"{len(missing)} of {count} logins have not arrived")
    together = Latency(
        f"answer to the login → the entry is in the other host's database, {RATE} a second",
        [seen[each["address"]] - each["at"] for each in results],
    )
    for row in (alone, together):
        mail_host.say(f"    {row.where}: most {max(row.took) * 1000:.0f} ms")
    return [alone, together]


class _Arrivals:
    """What arrives on a host while one is in the context, and what that costs; ``found`` is it afterwards."""

    def __init__(self, guest: Guest, seconds: float) -> None:
        self._guest = guest
        self._seconds = seconds
        self.found: dict[str, Any] = {}

    def __enter__(self) -> _Arrivals:
        words = ["python3", "/root/bench/arrivals.py", mail_host.RESULT, str(self._seconds)]
        self._process = self._guest.popen(words)
        if self._process.stdout is None or self._process.stdout.readline() != "looking\n":
            raise GuestsError("nobody looks for what arrives")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE_SECONDS)
        if kind is None:
            self.found = json.loads(self._guest.read(mail_host.RESULT))


def _receiving(guests: dict[str, Guest], rate: float, seconds: float) -> Receiving:
    """Have the one host receive ``rate`` logins a second. Raises GuestsError."""
    mail_host.say(f"==> Measure what {rate:g} logins a second cost the host that receives them")
    with _paused(guests[SENDS]), _Arrivals(guests[TAKES], seconds + 2) as arrivals:
        published = _publish(guests[SENDS], rate, max(1, int(rate * GATHER_SECONDS)), seconds)
    seen = arrivals.found["seen"]
    if published.keys() - seen.keys():
        raise GuestsError(f"{len(published.keys() - seen.keys())} of {len(published)} logins have not arrived")
    took = [seen[address] - at for address, at in published.items()]
    row = Receiving(rate, seconds, arrivals.found["used"], took)
    mail_host.say(f"    {row.share:.1%} of a core, most {max(took) * 1000:.0f} ms")
    return row


def _publish(guest: Guest, rate: float, at_once: int, seconds: float) -> dict[str, float]:
    """Publish logins of ``guest``, whose sharer has to pause meanwhile; return address → epoch seconds."""
    words = ["python3", "/root/bench/publish.py", mail_host.RESULT, str(rate), str(at_once), str(seconds)]
    guest.run(words, timeout=PATIENCE_SECONDS)
    return json.loads(guest.read(mail_host.RESULT))


@contextlib.contextmanager
def _paused(guest: Guest) -> Iterator[None]:
    """Have the sharer of ``guest`` pause; it publishes again what it has, when it goes on."""
    guest.run(["systemctl", "stop", SHARER])
    try:
        yield
    finally:
        guest.run(["systemctl", "start", SHARER])


def _made_up(guests: dict[str, Guest], network: str, count: int) -> MadeUp:
    """Have a host come back that has ``count`` logins of ``network`` in its outbox. Raises GuestsError."""
    mail_host.say(f"==> Measure when another host has {count} logins of a host that was cut off")
    with _paused(guests[SENDS]):
        guests[SENDS].run(["python3", "/root/bench/leave_in_outbox.py", network, str(count)])
        began = time.time()
    words = ["python3", "/root/bench/await_entries.py", network, str(count), str(PATIENCE_SECONDS)]
    row = MadeUp(count, float(guests[TAKES].run(words, timeout=2 * PATIENCE_SECONDS).stdout) - began)
    mail_host.say(f"    {row.seconds:.1f} s")
    return row


def _readers(client: Client, guests: dict[str, Guest], quick: bool) -> list[Readers]:
    rows = []
    seconds = QUICK_SECONDS if quick else SECONDS / 2
    for count in QUICK_READERS if quick else READERS:
        for rate in READER_RATES:
            mail_host.say(f"==> Measure an engine with {count} readers and {rate} logins a second")
            rows.append(_reading(client, guests, count, rate, seconds))
            row = rows[-1]
            mail_host.say(f"    {row.share:.0%} of a core, {row.resident / 1e6:.0f} MB, {row.wakes:.0f} wakes a second")
    return rows


def _reading(client: Client, guests: dict[str, Guest], count: int, rate: float, seconds: float) -> Readers:
    order = {
        "server": guests[ENGINE].address4,
        "port": PORT,
        "user": f"{SENDS}-sub",
        "secret": guests[SENDS].read(SECRET).strip(),
        "readers": count,
        "keys": [f"vsmtprelay:1:{SENDS}:stream", *(f"vsmtprelay:1:other{number}:stream" for number in range(1, STREAMS))],
        "seconds": LEAD_SECONDS + seconds + 1,
    }
    pid = guests[ENGINE].run(["systemctl", "show", "--property=MainPID", "--value", _unit(guests[ENGINE])]).stdout.strip()
    words = [*client.enter(), sys.executable, str(READERS_PROGRAM)]
    with _paused(guests[SENDS]), subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        if process.stdout.readline() != "connected\n":
            raise GuestsError("the readers cannot connect")
        time.sleep(LEAD_SECONDS)
        before = _processor_seconds(guests[ENGINE], pid)
        published = _publish(guests[SENDS], rate, 1, seconds)
        used = _processor_seconds(guests[ENGINE], pid) - before
        resident = _resident(guests[ENGINE], pid)
        found = json.loads(process.stdout.read())
    missed = sum(events < len(published) for events in found["events"])
    return Readers(count, STREAMS, rate, used / seconds, resident, found["wakes"] / seconds, missed, max(found["delays"]))


def _unit(guest: Guest) -> str:
    words = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "*@vsmtprelay.service"]
    return guest.run(words).stdout.split()[0]


def _version(guest: Guest) -> str:
    show = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", "redis-server", "valkey-server"]
    return guest.run(show, check=False).stdout.strip()


def _processor_seconds(guest: Guest, pid: str) -> float:
    """Return the seconds of processor time that a process of ``guest`` has used."""
    user, system = map(int, guest.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[11:13])
    return (user + system) / 100


def _resident(guest: Guest, pid: str) -> int:
    """Return the bytes of memory that a process of ``guest`` has."""
    (line,) = [line for line in guest.read(f"/proc/{pid}/status").splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
