# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP session that stays open sees every change at once, however many there are in a second."""

import subprocess
import time

import pytest

from support.mail import REMOTE, Smtp

# Reads "add" or "delete" and does it, in turn by the module code, by the command, and by makemap.
CHANGER = """
import subprocess, sys
sys.path.insert(0, "/usr/local/lib")
from vsmtprelay.database import edits
from vsmtprelay.database import relayers_db as database
PATH, number = "/etc/mail/relayers.db", 0
for line in sys.stdin:
    command, key = line.split()
    number += 1
    if number % 3 == 0:
        text = f"{key} 4000000000\\n" if command == "add" else "10.0.0.1 1\\n"
        subprocess.run(["makemap", "hash", PATH], input=text.encode(), check=True)
    elif number % 3 == 1:
        subprocess.run(["vsmtprelay", command, key] + (["4000000000"] if command == "add" else []), check=True)
    else:
        database.change(PATH, edits.put({key: 4000000000}) if command == "add" else edits.delete([key]))
    print("done", flush=True)
"""


@pytest.mark.fault("open-session")
def test_no_answer_is_stale(host, client, full):
    rounds = 1000 if full else 100
    unthrottle = "sed -i 's/^O BadRcptThrottle=.*/O BadRcptThrottle=0/' /etc/mail/sendmail.cf"
    host.run(["sh", "-ec", f"{unthrottle}; kill -HUP $(head -n 1 /run/sendmail/mta/sendmail.pid)"])
    host.wait_until_ready()
    with subprocess.Popen(
        [*host.enter(), "python3", "-c", CHANGER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as changer:

        def change(command):
            changer.stdin.write(f"{command} {client.address4}\n")
            changer.stdin.flush()
            assert changer.stdout.readline() == "done\n"

        stale = 0
        begin = time.monotonic()
        with Smtp(client, host.address4) as session:
            stale += session.ask(REMOTE)[0] != 550
            for _ in range(rounds):
                change("add")
                stale += session.ask(REMOTE)[0] != 250
                change("delete")
                stale += session.ask(REMOTE)[0] != 550
        seconds = time.monotonic() - begin
        changer.stdin.close()
    print(f"{host.release}: {2 * rounds} changes, {2 * rounds / seconds:.0f} a second, {stale} stale answers")
    assert stale == 0
