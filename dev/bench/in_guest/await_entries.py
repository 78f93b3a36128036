# SPDX-License-Identifier: GPL-3.0-or-later
"""When the database of a host has so many entries of a network.

``await_entries.py NETWORK COUNT SECONDS`` prints epoch seconds when it has COUNT entries whose addresses begin with NETWORK; it
fails after SECONDS.
"""

import sys
import time

sys.path.insert(0, "/usr/local/lib")

from vsmtprelay.database import relayers_db

DATABASE = "/etc/mail/relayers.db"
PAUSE_SECONDS = 0.05


def main():
    network, count, seconds = f"{sys.argv[1]}.".encode(), int(sys.argv[2]), float(sys.argv[3])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = time.time()
        with relayers_db.read(DATABASE) as snapshot:
            found = sum(key.startswith(network) for key, _stamp in snapshot.items())
        if found >= count:
            print(now)
            return 0
        # Reading a large database often would hold up what is measured.
        time.sleep(max(PAUSE_SECONDS, (time.time() - now) * 4))
    return f"{found} of {count} entries"


if __name__ == "__main__":
    sys.exit(main())
