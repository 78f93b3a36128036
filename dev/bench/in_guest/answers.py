# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the recorder: answers every report at once, and does nothing with it.

It listens where the recorder's socket unit, which has to be stopped, does.
"""

import asyncio
import os
import subprocess

UNIT = "vsmtprelay-recorder.socket"
END_OF_HEAD = b"\r\n\r\n"
BODY = b'{"status": 0, "msg": ""}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Answers(asyncio.Protocol):
    def connection_made(self, transport):
        self._transport = transport
        self._said = b""

    def data_received(self, data):
        self._said += data
        head, end, body = self._said.partition(END_OF_HEAD)
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0]):
            self._said = b""
            self._transport.write(ANSWER)


async def main():
    loop = asyncio.get_running_loop()
    show = ["systemctl", "show", "--property=Listen", "--value", UNIT]
    for line in subprocess.run(show, capture_output=True, text=True, check=True).stdout.splitlines():
        place = line.split()[0]
        if place.startswith("/"):
            await loop.create_unix_server(Answers, place)
            os.chmod(place, 0o666)
        else:
            host, _colon, port = place.rpartition(":")
            await loop.create_server(Answers, host, int(port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
