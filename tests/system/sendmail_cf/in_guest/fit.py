# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the ruleset into texts, and ask ``sendmail -bt`` about texts: a line of JSON for each call, a line for each result.

{"fit": text} → {"text": ...} or {"refused": reason}. {"ask": text, "questions": [[client, sender, recipient], ...]} →
{"replies": [...]}, each empty or the error; a client is [name, address, resolve].
"""

import json
import re
import subprocess
import sys

sys.path.insert(0, "/srv/random/lib")

from vsmtprelay.errors import RelayError
from vsmtprelay.sendmail.fitting import fitting
from vsmtprelay.sendmail.judge import Judge
from vsmtprelay.sendmail.ruleset import Ruleset

PATH, DATABASE = "/srv/random/sendmail.cf", "/srv/random/relayers.db"
RULESET = Ruleset(DATABASE, 60)
# What a daemon sets the macro for the sender to with this file.
SENDERS = {"": "<@>"}


def ask(text, questions):
    with open("/srv/random/asked.cf", "w") as file:
        file.write(text)
    lines = []
    for (name, address, resolve), sender, recipient in questions:
        macros = {"{client_name}": name, "{client_addr}": address, "{client_resolve}": resolve, "{mail_from}": f"<{sender}>"}
        lines += [f".D{macro}{value}" for macro, value in {**macros, "f": SENDERS.get(sender, sender)}.items()]
        lines.append(f"check_rcpt {recipient}")
    command = ["/usr/sbin/sendmail", "-C/srv/random/asked.cf", "-bt"]
    answer = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False).stdout
    results = re.findall(r"^check_rcpt +returns: (.*)$|^(?:> )*Undefined ruleset (check_rcpt)", answer, re.MULTILINE)
    assert len(results) == len(questions), answer
    return [result if result.startswith("$#") else "" for result, _undefined in results]


for line in sys.stdin:
    call = json.loads(line)
    if "fit" in call:
        try:
            # A judge of its own for each, so that nothing is remembered.
            result = {"text": fitting(Judge("/usr/sbin/sendmail", None), PATH, call["fit"], RULESET)}
        except RelayError as error:
            result = {"refused": str(error)}
    else:
        result = {"replies": ask(call["ask"], call["questions"])}
    print(json.dumps(result), flush=True)
