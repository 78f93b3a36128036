# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports to the installed recorder, as Dovecot 2.3 sends them: over kept connections, the next when the last is answered.

The load is to cost little beside the recorder, which shares its cores: all requests are put together before, sockets are
spoken to as they are, and one loop waits for all of them.
"""

import select
import socket
from time import perf_counter

PORT = 785
KEY_FILE = "/etc/vsmtprelay/recorder-key.conf"
ANSWER_END = b'"msg": ""}'
# Written as Dovecot 2.3 writes them.
HEAD = (
    "POST /login?command=allow HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nDate: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
    "User-Agent: dovecot/auth-policy-client\r\nX-API-Key:{key}\r\nContent-Type: application/json\r\n"
    "Connection: Keep-Alive\r\nContent-Length: {length}\r\n\r\n"
)
BODY = (
    '{{"rip":"{address}","lip":"192.0.2.10","service":"pop3","user":"alice","domain":"","session":"{session:016x}",'
    '"success":true,"policy_reject":false,"tls":false}}'
)


def addresses(first, count):
    """Return ``count`` addresses of a network that no other measurement uses, from number ``first`` on."""
    return [f"240.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(first, first + count)]


def send(reported, connections):
    """Report logins from the addresses ``reported`` over so many ``connections``.

    Return the seconds that all took, and the seconds from request to answer of each. Raises SystemExit if one is refused.
    """
    requests = _requests(reported)
    requests.reverse()
    waiting = select.epoll()
    sockets = {}
    for _ in range(min(connections, len(requests))):
        connection = socket.create_connection(("127.0.0.1", PORT))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[connection.fileno()] = connection
        waiting.register(connection.fileno(), select.EPOLLIN)
    sent, took, answers = {}, [], dict.fromkeys(sockets, b"")
    begin = perf_counter()
    for number, connection in sockets.items():
        sent[number] = perf_counter()
        connection.send(requests.pop())
    while sent:
        for number, _event in waiting.poll():
            answer = answers[number] + sockets[number].recv(4096)
            if not answer.endswith(ANSWER_END):
                if not answer or not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
                    raise SystemExit(f"the recorder refused a report: {answer!r}")
                answers[number] = answer
                continue
            answers[number] = b""
            now = perf_counter()
            took.append(now - sent.pop(number))
            if requests:
                sent[number] = now
                sockets[number].send(requests.pop())
    seconds = perf_counter() - begin
    for connection in sockets.values():
        connection.close()
    return seconds, took


def _requests(reported):
    with open(KEY_FILE) as file:
        key = file.read().rpartition(":")[2].strip()
    requests = []
    for number, address in enumerate(reported):
        body = BODY.format(address=address, session=number)
        requests.append((HEAD.format(port=PORT, key=key, length=len(body)) + body).encode())
    return requests
