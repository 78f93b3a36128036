# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a round: logins and commands, in an order that the seed decides, until the host cuts the power.

All that runs is looked after by one process with one loop, and it comes first: it says what was acknowledged before anything
else happens, and where the settings ask for it, the machine then stands still and waits for the cut.
"""

import fcntl
import json
import os
import select
import socket
import time

import look
import programs
import report

RECORDER_SOCKET = "/run/vsmtprelay-recorder.sock"
JOURNAL = "/run/systemd/journal/socket"
NOTIFY = "/run/notify"
TABLE = "/run/virtual_servers"
# Deadline of everything that our programs do, in seconds. Nothing takes a tenth of it.
DEADLINE = 90.0
# After these entries no login came for so long that they are to expire, in minutes and in seconds.
OLD_MINUTES = 60 * 24 * 30
OLD = OLD_MINUTES * 60 * 2
# The recorder lets a client in after 200 ms at the latest, recorded or not. What it answers sooner is recorded.
RECORDED_SECONDS = 0.19
# At the end of a round that is not cut by then.
LONGEST_ROUND = 60.0


def address(number):
    """Return the address with the ``number``: one of 10.0.0.0/8."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Desk:
    """All work of one round."""

    def __init__(self, settings, chance):
        self.settings = settings
        self.chance = chance
        self.next_key = settings["first"]
        self.serial = 0
        # Counted from the moment on at which the power may be cut.
        self.acknowledgements = -(1 << 30)
        # The keys that may be deleted: logged in, and acknowledged. And those that are listed with an old time.
        self.listed = []
        self.old = 0
        self.waiting = {}
        self.children = {}
        # By the descriptor of its connection: a client's address.
        self.clients = {}
        self.created = 0
        self.is_over = False
        self.poll = select.poll()
        self.began = time.monotonic()

    # The recorder

    def start_recorder(self):
        """Start it as systemd does, and wait until it says that it is ready."""
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.journal.bind(JOURNAL)
        self.journal.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(NOTIFY)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(RECORDER_SOCKET)
        listener.listen(4096)
        new = f"{look.NEW}/{self.settings['round']}"
        lines = [f"main\t/\t{look.path_of(look.MAIN)}\t/etc/mail/sendmail.cf\t\t\n"]
        lines.append(f"new\t/srv/new\t{look.path_of(new)}\t/srv/new/etc/sendmail.cf\t\tnew.example\n")
        with open(TABLE, "w") as file:
            file.writelines(lines)

        def prepare():
            os.dup2(listener.fileno(), 3)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="socket", NOTIFY_SOCKET=NOTIFY)

        output = os.open("/run/recorder.log", os.O_WRONLY | os.O_CREAT, 0o600)
        words = ["--spool", f"{look.DISK}/spool/spool", "--table", TABLE]
        self.recorder = programs.start(programs.RECORDER, words, output, prepare)
        self.notify = notify
        self.poll.register(self.journal, select.POLLIN)
        self.poll.register(notify, select.POLLIN)
        self.poll.register(os.pidfd_open(self.recorder), select.POLLIN)
        self.is_ready = False
        self.wait(lambda: self.is_ready)
        report.say("started")

    def wait(self, condition, seconds=DEADLINE):
        """Handle what happens until ``condition()`` is true; fail if it is not within ``seconds``."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"not within {seconds} s: {list(self.waiting)[:5]} {self.children}")
            for descriptor, _event in self.poll.poll(left * 1000):
                self._handle(descriptor)

    def pause(self, seconds):
        """Handle what happens for that long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for descriptor, _event in self.poll.poll(left * 1000):
                self._handle(descriptor)

    def _handle(self, descriptor):
        if descriptor == self.journal.fileno():
            self._read_journal(self.journal.recv(1 << 16))
        elif descriptor == self.notify.fileno():
            self.is_ready |= b"READY=1" in self.notify.recv(1 << 12)
        elif descriptor in self.children:
            self._child_ended(descriptor)
        elif descriptor in self.clients:
            key = self.clients.pop(descriptor)
            self.poll.unregister(descriptor)
            answer = os.read(descriptor, 1000)
            os.close(descriptor)
            if answer.startswith(b"HTTP/1.1 200 ") and key in self.waiting:
                database, began = self.waiting[key]
                if time.monotonic() - began < RECORDED_SECONDS:
                    self._is_recorded(key, database)
        else:
            with open("/run/recorder.log") as log:
                raise ChildProcessError(f"the recorder ended: {log.read()[-3000:]}")

    def _read_journal(self, data):
        fields = dict(line.split(b"=", 1) for line in data.split(b"\n") if b"=" in line)
        key = fields.get(b"RELAY_ADDRESS", b"").decode()
        message = fields.get(b"MESSAGE", b"").decode("utf-8", "replace")
        if message.startswith("recorded ") and "from the spool" in message:
            self.waiting.pop(key, None)
            self.acknowledge("recorded", key=key, spool=True)
        elif message.startswith("recorded ") and key in self.waiting:
            self._is_recorded(key, self.waiting[key][0])
        else:
            report.say("log", message=message[:300])

    def _is_recorded(self, key, database):
        del self.waiting[key]
        if database == look.MAIN:
            self.listed.append(key)
        self.acknowledge("recorded", key=key, spool=False)

    def acknowledge(self, what, **more):
        """Say that something was acknowledged; if it is the one after which the power is cut, stand still."""
        report.say(what, **more)
        self.acknowledgements += 1
        if self.acknowledgements == self.settings["cut_after"]:
            report.say("cut")
            while True:
                pass

    def log_in(self, keys, domain=""):
        """Report a login from each of the ``keys``, all at once."""
        report.say("login", database=self.database_of(domain), keys=keys, time=int(time.time()))
        for key in keys:
            self.waiting[key] = self.database_of(domain), time.monotonic()
            body = json.dumps({"rip": key, "service": "imap", "user": "alice", "domain": domain}).encode()
            client = socket.socket(socket.AF_UNIX)
            client.connect(RECORDER_SOCKET)
            head = "POST /login?command=allow HTTP/1.1\r\nHost: vsmtprelay.invalid\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            client.sendall(head.encode() + body)
            descriptor = client.detach()
            self.clients[descriptor] = key
            self.poll.register(descriptor, select.POLLIN)

    def database_of(self, domain):
        return f"{look.NEW}/{self.settings['round']}" if domain else look.MAIN

    # The command

    def call(self, words, database=look.MAIN, **intent):
        """Start the command and say what it will do; return its number."""
        self.serial += 1
        report.say(words[0], n=self.serial, database=database, time=int(time.time()), **intent)
        output = os.memfd_create("output")
        pid = programs.start(programs.COMMAND, ["--database", look.path_of(database), *words], output)
        descriptor = os.pidfd_open(pid)
        self.children[descriptor] = (pid, output, self.serial)
        self.poll.register(descriptor, select.POLLIN)
        return self.serial

    def _child_ended(self, descriptor):
        pid, output, number = self.children.pop(descriptor)
        self.poll.unregister(descriptor)
        os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        text = os.pread(output, 1000, 0).decode("utf-8", "replace")
        os.close(output)
        if status:
            report.say("failed", n=number, status=status, text=text)
        else:
            self.acknowledge("done", n=number)

    def finish(self):
        """Wait for all that runs."""
        self.wait(lambda: not self.waiting and not self.children)

    def new_keys(self, number):
        """Return addresses that nobody had before."""
        self.next_key += number
        return [address(each) for each in range(self.next_key - number, self.next_key)]

    # What happens in a round

    def begin(self):
        """Make one change, which must work whatever the cut left; then work until the power is cut."""
        self.add()
        self.finish()
        report.say("next change works", files=sorted(os.listdir(f"{look.DISK}/{look.MAIN}")))
        if os.path.exists(look.path_of(look.PATIENT)):
            self.see_patient()
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        self.acknowledgements = 0
        report.say("begin")
        if self.settings["fill"]:
            self.fill(self.settings["fill"])
        scenes = [getattr(self, name) for name in self.settings["scenes"]]
        while not self.is_over and time.monotonic() < self.began + LONGEST_ROUND:
            self.chance.choice(scenes)()

    def fill(self, number):
        """Import many entries, half of them old."""
        self.import_some(number)
        self.finish()

    def add(self):
        """Add one address, now or with a time."""
        (key,) = self.new_keys(1)
        now = int(time.time())
        ticks = self.chance.choice((None, now - 100, now + 1000))
        words = ["add", key, *([] if ticks is None else [str(ticks)])]
        self.call(words, key=key, ticks=ticks)
        self.wait(lambda: not self.children)
        self.listed.append(key)

    def logins_alone(self):
        """Log in one after the other, with and without time to prepare the next file."""
        for _number in range(self.chance.randint(2, 8)):
            again = self.listed and self.chance.random() < 0.2
            key = self.chance.choice(self.listed) if again else self.new_keys(1)[0]
            self.log_in([key])
            self.wait(lambda: not self.waiting)
            self.pause(self.chance.choice((0, 0.002, 0.02, 0.05)))

    def logins_together(self):
        """Log in from many addresses at once, in two waves."""
        for _wave in range(2):
            self.log_in(self.new_keys(self.chance.randint(5, 30)))
            self.pause(self.chance.choice((0, 0.01)))
        self.wait(lambda: not self.waiting)

    def import_some(self, number=0):
        """Import many entries, of which some are old."""
        number = number or self.chance.choice((20, 200, 1500))
        keys = self.new_keys(number)
        now = int(time.time())
        old = now - OLD
        # Each second one is old.
        with open("/run/import", "w") as file:
            file.writelines(f"{key}\t{old if position % 2 else now}\n" for position, key in enumerate(keys))
        self.call(["import", "/run/import"], first=self.next_key - number, count=number, stamps=[now, old])
        self.old += number // 2
        self.wait(lambda: not self.children)
        self.listed += self.chance.sample(keys[::2], min(5, number // 2))

    def expire(self):
        """Let old entries expire while others log in."""
        self.call(["expire", str(OLD_MINUTES)], minutes=OLD_MINUTES)
        if self.chance.random() < 0.5:
            self.log_in(self.new_keys(self.chance.randint(1, 6)))
        self.old = 0
        self.finish()

    def delete(self):
        """Delete some that are listed."""
        some = [self.listed.pop(self.chance.randrange(len(self.listed))) for _ in range(min(len(self.listed), 3))]
        some = sorted(set(some) - set(self.listed))
        if some:
            self.call(["delete", *some], keys=some)
            self.finish()

    def logins_delayed(self):
        """Log in while another program holds the database, so that the logins wait in the spool; return the addresses."""
        with open(look.path_of(look.MAIN), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            keys = self.new_keys(self.chance.randint(1, 5))
            self.log_in(keys)
            self.pause(self.chance.uniform(0.3, 0.6))
            # Any program may do so at any time. From now on the spool on the disk has these logins.
            os.sync()
        self.wait(lambda: not self.waiting)
        # delete() leaves them alone.
        self.listed = [key for key in self.listed if key not in keys]
        return keys

    def revoke_delayed(self):
        """Delete an address whose login waited in the spool, and end the round: the next login would write the spool anew."""
        key = self.logins_delayed()[0]
        self.call(["delete", key], keys=[key])
        self.finish()
        self.is_over = True

    def create(self):
        """Create a database, by a command or by a login."""
        name = f"{look.NEW}/{self.settings['round']}-{self.created}"
        if self.created == 0:
            self.log_in(self.new_keys(self.chance.randint(1, 5)), "new.example")
        elif self.created < self.settings["most_created"]:
            os.mkdir(f"{look.DISK}/{name}")
            os.sync()
            (key,) = self.new_keys(1)
            self.call(["add", key], name, key=key, ticks=None)
        self.created += 1
        self.finish()

    def repair(self):
        """Make a database, damage it, and have it repaired."""
        directory, path = f"{look.DISK}/{look.PATIENT}", look.path_of(look.PATIENT)
        report.say("patient anew")
        for name in os.listdir(directory):
            os.unlink(f"{directory}/{name}")
        os.sync()
        keys = self.new_keys(self.chance.choice((50, 400)))
        now = int(time.time())
        with open("/run/import", "w") as file:
            file.writelines(f"{key}\t{now}\n" for key in keys)
        self.call(["import", "/run/import"], look.PATIENT, first=self.next_key - len(keys), count=len(keys), stamps=[now, now])
        self.finish()
        report.say("damaging")
        with open(path, "r+b") as file:
            data = bytearray(file.read())
            at = self.chance.randrange(4096, len(data) - 64)
            file.seek(at)
            file.write(bytes(self.chance.randrange(256) for _ in range(64)))
            file.flush()
            os.fsync(file.fileno())
        report.say("damaged", digest=look.digest(path))
        self.see_patient()

    def see_patient(self):
        """Repair the database that was damaged, and say what is in it."""
        self.call(["repair"], look.PATIENT)
        self.finish()
        status, dumped = programs.run(["--database", look.path_of(look.PATIENT), "dump"])
        report.say("repaired", status=status, entries=look.entries_of(dumped))
