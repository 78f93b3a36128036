# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of files who never lets go of them: holds each file that is named by a lock or a lease, until standard input ends.

Arguments: ``flock:PATH`` or ``lease:PATH``, any number. Prints "ready" once, and at the end how many were broken by the kernel.
"""

import fcntl
import os
import signal
import sys

BROKEN = []

# The kernel asks for a lease with this signal, and takes it away after fs.lease-break-time.
signal.signal(signal.SIGIO, lambda *_unused: BROKEN.append(1))
held = []
for word in sys.argv[1:]:
    kind, _colon, path = word.partition(":")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    held.append(descriptor)
    if kind == "flock":
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    else:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("ready", flush=True)
sys.stdin.read()
print(len(BROKEN), flush=True)
