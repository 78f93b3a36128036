# SPDX-License-Identifier: GPL-3.0-or-later
"""Set or clear flags of files, as chattr(1), which not every guest has.

Arguments: ``+i`` (immutable), ``+a`` (append only) or ``-`` (neither), and the files.
"""

import fcntl
import os
import struct
import sys

GET, SET = 0x80086601, 0x40086602  # ioctl_iflags(2)
FLAGS = {"+i": 0x10, "+a": 0x20, "-": 0}

for path in sys.argv[2:]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, GET, struct.pack("l", 0)))
    fcntl.ioctl(descriptor, SET, struct.pack("l", flags & ~0x30 | FLAGS[sys.argv[1]]))
    os.close(descriptor)
