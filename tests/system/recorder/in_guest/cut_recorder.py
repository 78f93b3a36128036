# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed recorder, which something happens to in the middle of an answer, at a send(2) of its own.

Takes the recorder's arguments. The client's address decides whether the answer to a login is cut: 198.18.WAY.BYTES has so many
bytes sent, and then what WAYS says. Other answers are as ever. Each cut is a line, "WAY BYTES SIZE", in a file "cuts".
"""

import json
import os
import signal
import socket
import sys

sys.path.insert(0, "/usr/local/lib")

from vsmtprelay.recorder import connection, http_service, main, port

WAYS = {200: "hangs", 201: "closes", 202: "is killed", 203: "is stopped"}
CUTS = os.path.join(os.environ["STATE_DIRECTORY"], "cuts")


def cut_of(request):
    """Return the way, as a number, and how many bytes are sent; None if the answer is to be whole."""
    try:
        address = json.loads(request.body.decode()).get("rip", "")
    except ValueError:
        return None
    words = address.split(".")
    if words[:2] != ["198", "18"] or int(words[2]) not in WAYS:
        return None
    return int(words[2]), int(words[3])


class CutSocket(socket.socket):
    """A connected socket whose next send() is cut if ``cut`` says so."""

    cut = None

    def send(self, data, *flags):
        """Send ``data``, or the bytes that it is cut to."""
        if self.cut is None:
            return super().send(data, *flags)
        (way, count), self.cut = self.cut, None
        # Before it is done, since some ways leave no time for it.
        file = os.open(CUTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, b"%d %d %d\n" % (way, count, len(data)))
        os.close(file)
        if count:
            super().send(data[:count])
        if WAYS[way] == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif WAYS[way] == "is stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif WAYS[way] == "closes":
            raise BrokenPipeError  # has the recorder close the connection
        # The recorder believes that all of it was sent.
        return len(data)


class CutConnection(connection.Connection):
    """A connection over a CutSocket."""

    __slots__ = ()

    def __init__(self, loop, each, *others):
        super().__init__(loop, CutSocket(fileno=each.detach()), *others)


class CutService(http_service.HttpService):
    """Knows which answer is to be cut."""

    def take(self, connection, request):
        """Take a request."""
        connection.socket.cut = cut_of(request)
        super().take(connection, request)


port.Connection = CutConnection
main.HttpService = CutService
sys.exit(main.main(sys.argv[1:]))
