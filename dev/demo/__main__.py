# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: boot a mail host, apply the role, and show how a login opens the relay, for one address and for a while.

Then the same on three hosts that share logins: one only serves POP, one only relays, one does both.
Ends with 0 only if every step was seen to do what it says.
"""

from __future__ import annotations

import sys

from guests import GuestsError, Lab

from .one_host import demonstrate as demonstrate_one_host
from .steps import StepFailed, step
from .three_hosts import demonstrate as demonstrate_three_hosts


def main() -> int:
    """Run the demonstration; return the exit status."""
    try:
        with Lab() as lab:
            demonstrate_one_host(lab)
            demonstrate_three_hosts(lab)
            step("Every step was seen. Cleaning up")
    except (StepFailed, GuestsError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
