# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program reads and which one sends, on a computer with an address of its own."""

from __future__ import annotations

import dataclasses

from . import printer, readers, senders


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """With ``stays_open`` the session of the reader stays open while others' permissions end."""

    reader: readers.Reader | printer.Printer
    sender: senders.Sender | printer.Printer
    stays_open: bool = False

    def __str__(self):
        return f"{self.reader.program}, {self.reader.protocol}; {self.sender.program}, {self.sender.protocol}"


PAIRS = (
    Pair(readers.FETCHMAIL, senders.MSMTP),
    Pair(readers.GETMAIL, senders.SWAKS),
    Pair(readers.MPOP, senders.MSMTP),
    Pair(readers.MUTT, senders.MUTT),
    Pair(readers.MUTT_THAT_IDLES, senders.MUTT, stays_open=True),
    Pair(readers.OFFLINEIMAP, senders.MSMTP),
    Pair(readers.MBSYNC, senders.SWAKS_TLS),
    Pair(readers.CURL_POP, senders.CURL),
    Pair(readers.CURL_IMAP, senders.CURL_TLS),
    Pair(printer.READS, printer.SENDS),
)
