# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what somebody should not say to the recorder, and prints what came back, as a JSON object: case -> status codes.

The statuses are numbers, "closed" where the recorder ended the connection, "silent" where it waits for more, or the name of
the error that kept the connection from being opened. With --key-file the right key is shown: only root can do that.
"""

import argparse
import json
import re
import socket
import threading
import zlib

PORT = 785
SOCKET = "/run/vsmtprelay-recorder.sock"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
LARGE = 100 << 20
WAIT_SECONDS = 1.0
REPORT = {"rip": "6.6.6.6", "lip": "", "service": "pop3", "user": "eve", "domain": ""}


def request(body, line=b"POST /login?command=allow HTTP/1.1", headers=b"", length=True):
    """Return a request as Dovecot sends it, with the parts replaced that are given; %KEY% stands for the key's line."""
    size = b"Content-Length: %d\r\n" % len(body) if length else b""
    return line + b"\r\nHost: x\r\n%KEY%" + headers + size + b"Connection: close\r\n\r\n" + body


def report(**members):
    return request(json.dumps(dict(REPORT, **members)).encode())


def forged():
    """Reports that would be right if the key were."""
    body = json.dumps(REPORT).encode()
    yield "report", report()
    for name, key in (("wrong", b"0" * 64), ("empty", b""), ("latin", b"\xe4" * 64), ("long", b"0" * 3000)):
        yield name + " key", request(body, headers=b"X-API-Key: " + key + b"\r\n")
    yield "key in another header", request(body, headers=b"Authorization: Bearer " + b"0" * 64 + b"\r\n")
    for method in (b"GET", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE"):
        yield method.decode(), request(body, line=method + b" /login?command=allow HTTP/1.1")
    for path in (b"/", b"/dovecot", b"/login/../login", b"//login", b"*"):
        yield path.decode(), request(body, line=b"POST " + path + b" HTTP/1.1")


def malformed():
    """What is no report of a login, whoever brings it."""
    yield from ((name, message) for name, message in forged() if name in ("GET", "PUT", "TRACE", "/", "/dovecot", "*"))
    for name, body in {
        "empty": b"",
        "no JSON": b"{",
        "no object": b'["6.6.6.6"]',
        "text": b'"6.6.6.6"',
        "number": b"1e999999",
        "long number": b"1" * 60000,
        "deep lists": b"[" * 60000,
        "deep objects": b'{"rip":' * 8000,
        "deep member": b'{"rip": "6.6.6.6", "service": "pop3", "x": ' + b"[" * 30000 + b"]" * 30000 + b"}",
        "twice": b'{"rip": "6.6.6.6", "rip": "x", "service": "pop3"}',
        "binary": bytes(range(256)) * 100,
        "UTF-16": json.dumps(REPORT).encode("utf-16"),
    }.items():
        yield name, request(body)
    for value in (None, 5, 6.6, True, [], {}, ["6.6.6.6"], {"6.6.6.6": 1}):
        yield f"rip {value!r}", report(rip=value)
    for value in (
        "6.6.6",
        "6.6.6.6/32",
        "6.6.6.6\n",
        "6.6.6.06",
        "6.6.6.6 ",
        "mail.example",
        "198.51.100.7%eth0",
        "::6.6.6.666",
        "\0",
    ):
        yield f"rip {value!r}", report(rip=value)
    for value in ("", None, "smtp", "POP3", "pop3\n", 3):
        yield f"service {value!r}", report(service=value)
    yield "lip", report(lip="x")
    yield "user is a list", report(user=["eve"])
    yield "another question", request(json.dumps(REPORT).encode(), line=b"POST /login?command=report HTTP/1.1")
    yield "many headers", request(b"", headers=b"".join(b"X-%d: x\r\n" % number for number in range(100000)))
    yield "long header", request(b"", headers=b"X-Long: " + b"x" * (10 << 20) + b"\r\n")
    yield "long path", request(b"", line=b"POST /login?" + b"x" * (1 << 20) + b" HTTP/1.1")
    yield "HTTP/0.9", b"GET /login\r\n"
    yield "no HTTP", b"\x16\x03\x01\x02\x00" + bytes(range(256)) * 20 + b"\r\n\r\n"
    yield "pipelined", b"".join(report(rip="x").replace(b"Connection: close\r\n", b"") for _ in range(50)) + report(rip="x")
    yield "two lengths", request(b"", headers=b"Content-Length: 5\r\n")
    yield "length and chunks", request(b"0\r\n\r\n", headers=b"Transfer-Encoding: chunked\r\n")
    yield "negative length", request(b"", headers=b"Content-Length: -5\r\n", length=False)
    yield "huge length", request(b"", headers=b"Content-Length: " + b"9" * 30 + b"\r\n", length=False)
    yield "bad chunk", request(b"zz\r\n", headers=b"Transfer-Encoding: chunked\r\n", length=False)
    yield "compressed", request(b"\x1f\x8b" + bytes(100), headers=b"Content-Encoding: gzip\r\n")
    bomb = zlib.compress(bytes(LARGE))
    yield "bomb", request(bomb, headers=b"Content-Encoding: deflate\r\n")
    yield (
        "half a report",
        request(b"", headers=b"Content-Length: 500\r\n", length=False) + b'{"rip": "6.6.6.6", "service": "pop3"',
    )


def large():
    """Bodies of LARGE bytes: the head, and what is sent again and again after it."""
    yield "100 MB", request(b"", headers=b"Content-Length: %d\r\n" % LARGE, length=False), b"x" * 65536
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    yield "100 MB in chunks", request(b"", headers=b"Transfer-Encoding: chunked\r\n", length=False), chunk
    bomb = request(b'{"rip": "6.6.6.6", "service": "pop3", "user": "', headers=b"Transfer-Encoding: chunked\r\n", length=False)
    yield "100 MB of text in chunks", bomb.replace(b'{"rip', b'2f\r\n{"rip') + b"\r\n", chunk


class Conversation:
    """One connection: says ``message``, then ``more`` again and again up to LARGE bytes."""

    def __init__(self, options, message, more=b""):
        self._message = message
        self._more = more
        self._family = socket.AF_UNIX if options.unix else socket.AF_INET
        self._address = SOCKET if options.unix else ("127.0.0.1", PORT)

    def statuses(self):
        with socket.socket(self._family) as self._connection:
            self._connection.settimeout(30)
            try:
                self._connection.connect(self._address)
            except OSError as error:
                return [type(error).__name__]
            # The recorder may answer and close before all is said.
            speaker = threading.Thread(target=self._speak)
            speaker.start()
            answer = self._listen()
            self._shut_down()
            speaker.join()
        return [int(code) for code in STATUS.findall(answer)] + self._ends

    def _speak(self):
        try:
            self._connection.sendall(self._message)
            for _ in range(LARGE // len(self._more) if self._more else 0):
                self._connection.sendall(self._more)
        except OSError:
            pass

    def _listen(self):
        answer, self._ends = b"", ["closed"]
        self._connection.settimeout(WAIT_SECONDS)
        try:
            while True:
                part = self._connection.recv(65536)
                if not part:
                    return answer
                answer += part
        except socket.timeout:
            self._ends = ["silent"]
        except OSError:
            pass
        return answer

    def _shut_down(self):
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["forged", "malformed", "large", "right"])
    parser.add_argument("--unix", action="store_true")
    parser.add_argument("--key-file")
    options = parser.parse_args()
    line = b""
    if options.key_file:
        with open(options.key_file, "rb") as file:
            line = b"X-API-Key: " + file.read().rpartition(b":")[2].strip() + b"\r\n"
    cases = {"forged": forged, "malformed": malformed, "large": large, "right": lambda: [("report", report())]}[options.what]()
    found = {}
    for name, message, *more in cases:
        assert name not in found, name
        found[name] = Conversation(options, message.replace(b"%KEY%", line), *more).statuses()
    print(json.dumps(found))


main()
