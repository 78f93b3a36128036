# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the command what hypothesis made up, in this one process, and have libc, makemap and sendmail judge what it does.

The batch is a JSON list of lists of arguments. A call of add, list or expire is judged by what its texts mean; of any other,
only that it ends in order.
"""

import argparse
import contextlib
import io
import json
import os
import re
import socket
import struct
import time

import common
from vsmtprelay.command import main as command
from vsmtprelay.command import usage

LAST_TIMESTAMP = 253402300799
DIGITS = re.compile("[0-9]{1,12}")
parser = argparse.ArgumentParser()
parser.add_argument("--batch", required=True)
with open(parser.parse_args().batch) as file:
    batch = json.load(file)
reader = common.Sendmail()
# All entries, as makemap reads them.
there = {}
counts = {"calls": len(batch), "added": 0, "listed": 0, "expired": 0, "refused": 0, "faults": []}


def client_addr(text):
    """Return the address as sendmail writes it in ${client_addr}, or None where libc does not take it for one."""
    tagged = text[:5].lower() == "ipv6:"
    try:
        packed = socket.inet_pton(socket.AF_INET6, text[5:] if tagged else text)
    except (OSError, ValueError):
        packed = None
    if packed and packed[:12] == bytes(10) + b"\xff\xff":
        return socket.inet_ntoa(packed[12:])
    if packed:
        return "IPv6:" + ":".join(f"{group:x}" for group in struct.unpack(">8H", packed))
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None
    return None if tagged else text


def number(text, largest):
    return int(text) if DIGITS.fullmatch(text) and int(text) <= largest else None


def state():
    status = os.stat(common.DATABASE)
    return (
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        sorted(os.listdir("/etc/mail")),
        os.listdir("."),
    )


def run(words):
    """Return the exit status, the output and the error output of a call."""
    output, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = command.main([f"--database={common.DATABASE}", *words])
    output.flush()
    return status, output.buffer.getvalue(), errors.getvalue()


def refusal(words, before, answer):
    status, output, errors = answer
    if status not in (64, 65):
        yield f"exit {status}, not a refusal: {errors[-300:]!r}"
    elif output or not (errors == usage.USAGE or (errors.startswith("vsmtprelay: ") and errors.endswith("\n"))):
        yield f"output {output!r}, errors {errors!r}"
    elif errors != usage.USAGE and len(errors.splitlines()) != 1:
        yield f"not one line: {errors!r}"
    elif state() != before:
        yield "refused, and something written"
    counts["refused"] += 1


def accepted_add(address, timestamps, answer):
    if answer != (0, b"", ""):
        yield f"well-formed, but answered {answer}"
        return
    now = common.dump()
    value = now.get(address.lower())
    if value not in timestamps:
        yield f"makemap -u reads {value!r} under {address.lower()!r}"
    if now != {**there, address.lower(): value}:
        yield f"other entries changed: {set(now.items()) ^ set(there.items())}"
    found = reader.look_up(address)
    if found != value:
        yield f"sendmail finds {found!r} instead of {value!r} under {address}"
    there.clear()
    there.update(now)
    counts["added"] += 1


def old(minutes, around):
    return {key for key, value in there.items() if int(value) <= around - 60 * minutes}


def accepted_list(minutes, begin, answer):
    status, output, errors = answer
    shown = dict(line.split() for line in output.decode().splitlines() if not line.startswith("#"))
    if (status, errors) != (0, ""):
        yield f"well-formed, but answered {answer}"
    elif not old(minutes, begin) <= set(shown) <= old(minutes, time.time()):
        yield f"shows {sorted(shown)}"
    elif any(there[key] != value for key, value in shown.items()):
        yield "shows other values than makemap -u"
    counts["listed"] += 1


def accepted_expire(minutes, begin, answer):
    now = common.dump()
    gone = set(there) - set(now)
    if answer != (0, b"", ""):
        yield f"well-formed, but answered {answer}"
    elif not old(minutes, begin) <= gone <= old(minutes, time.time()):
        yield f"took away {sorted(gone)}"
    elif {**now, **{key: there[key] for key in gone}} != there:
        yield "changed other entries"
    there.clear()
    there.update(now)
    counts["expired"] += 1


def judged(words):
    """Make the call and yield what is wrong with the answer."""
    before, begin = state(), int(time.time())
    answer = run(words)
    if words[:1] == ["add"] and len(words) in (2, 3):
        address = client_addr(words[1])
        ticks = number(words[2], LAST_TIMESTAMP) if len(words) == 3 else 0
        if address is not None and ticks is not None:
            timestamps = [ticks] if len(words) == 3 else range(begin, int(time.time()) + 1)
            yield from accepted_add(address, [str(timestamp) for timestamp in timestamps], answer)
            return
    elif words[:1] in (["list"], ["expire"]) and len(words) == 2:
        minutes = number(words[1], 10**12)
        if minutes is not None:
            yield from (accepted_list if words[0] == "list" else accepted_expire)(minutes, begin, answer)
            return
    elif answer[0] in (0, 1):
        now = common.dump()
        there.clear()
        there.update(now)
        return
    yield from refusal(words, before, answer)


os.makedirs("/run/input", exist_ok=True)
os.chdir("/run/input")
run(["add", "192.0.2.1", str(LAST_TIMESTAMP)])
there.update(common.dump())
for words in batch:
    counts["faults"] += [f"{words!a}: {fault}" for fault in judged(words)]
if not common.is_sound() or common.leftovers():
    counts["faults"].append("the database is damaged, or something was left beside it")
reader.close()
print(json.dumps(counts))
