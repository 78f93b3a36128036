# SPDX-License-Identifier: GPL-3.0-or-later
"""Root's work on the files of virtual servers, over and over, while their owner attacks.

Arguments: how many rounds. Prints JSON: ``operations`` as a number, ``statuses`` of the command with how often each came,
``slowest`` in seconds and ``slowest_is`` the operation, and ``strange`` lines: those of an error output that are no message.
"""

import collections
import json
import subprocess
import sys
import time

sys.path.insert(0, "/usr/local/lib")

from vsmtprelay.errors import RelayError
from vsmtprelay.files import text_file
from vsmtprelay.sendmail.daemon import Daemon

ETC = "/srv/mallory/etc"
MALLORY = ["vsmtprelay", "--lock-timeout", "1", "--server", "mallory"]
COMMANDS = (
    ["vsmtprelay", "--lock-timeout", "1", "--all", "expire", "1440"],
    [*MALLORY, "add", "192.0.2.201"],
    [*MALLORY, "list"],
    [*MALLORY, "import"],
    [*MALLORY, "delete", "192.0.2.201"],
    [*MALLORY, "dump"],
    ["vsmtprelay", "--lock-timeout", "1", "--server", "victor", "import", f"{ETC}/relayers.db"],
    [*MALLORY, "verify"],
    [*MALLORY, "repair"],
)
IMPORTED = b"192.0.2.202 OK\n"
PATIENCE_SECONDS = 60
# So often after each command; it takes a few milliseconds.
TEXT_FILES = 5

statuses, strange = collections.Counter(), []
seconds_of = collections.defaultdict(list)


def work_on_text_files():
    """Do what the role does with a sendmail.cf, but for sendmail itself, which takes long."""
    for name in ("sendmail.cf", "sendmail.mc"):
        path = f"{ETC}/{name}"
        try:
            content, attributes = text_file.read(path, text_file.LARGEST_CONFIGURATION), text_file.attributes_of(path)
            if content is not None and attributes is not None:
                text_file.create_directory(ETC)
                text_file.replace(path, content, attributes)
            if name == "sendmail.cf":
                Daemon(path).process_id()
        except RelayError as error:
            statuses[type(error).__name__] += 1


def timed(name, work):
    begin = time.monotonic()
    work()
    seconds_of[name].append(time.monotonic() - begin)


def call(words):
    try:
        done = subprocess.run(
            words, input=IMPORTED, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        statuses["held up"] += 1
        return
    statuses[str(done.returncode)] += 1
    for line in done.stderr.decode("utf-8", "backslashreplace").split("\n")[:-1]:
        if not line.startswith("vsmtprelay: ") or not line.isprintable():
            strange.append(line)


for _round in range(int(sys.argv[1])):
    for command in COMMANDS:
        timed(" ".join(command), lambda command=command: call(command))
        for _time in range(TEXT_FILES):
            timed("text files", work_on_text_files)
slowest, slowest_is = max((max(seconds), name) for name, seconds in seconds_of.items())
result = {"operations": sum(map(len, seconds_of.values())), "statuses": statuses, "strange": strange[:20]}
print(json.dumps({**result, "slowest": round(slowest, 2), "slowest_is": slowest_is}))
