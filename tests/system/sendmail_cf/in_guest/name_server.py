# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server with the names of the test bed, at 127.0.0.1: a client has a name, and a domain has this host as its exchanger.

The arguments are this host's own address and name.
"""

import socket
import sys

sys.path.insert(0, "/srv/kinds/lib")

from vsmtprelay.sendmail import resolver

ADDRESSES = {
    sys.argv[2]: sys.argv[1],
    "reader.clients.example": "192.0.2.101",
    "remote.example": "192.0.2.203",
    "example.org": "192.0.2.200",
}
resolver.ADDRESSES.clear()
resolver.ADDRESSES.update(ADDRESSES)
resolver.EXCHANGERS.clear()
resolver.EXCHANGERS.update({"backup.example": sys.argv[2], "remote.example": "remote.example"})
resolver.POINTERS.clear()
resolver.POINTERS.update({"101.2.0.192.in-addr.arpa": "reader.clients.example"})
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((resolver.ADDRESS, resolver.PORT))
while True:
    query, client = server.recvfrom(resolver.LARGEST_QUERY)
    answer = resolver.answer_to(query)
    if answer:
        server.sendto(answer, client)
