# SPDX-License-Identifier: GPL-3.0-or-later
"""Many logins from a client that has a whole network of addresses, while a test does something else."""

from __future__ import annotations

import json
import sys
from typing import Any

from guests import Client

from .places import CHECKOUT

# Belongs to the client as a whole; RFC 2544 sets it aside for measurements.
MANY = "198.18.0.0/16"
PATIENCE_SECONDS = 4500


class Load:
    """Logins one after the other and at a certain rate, by a process in the client's network: see support.logins."""

    def __init__(self, client: Client, server: str, *options: object, network: str = MANY) -> None:
        words = [sys.executable, "-m", "support.logins", f"--network={network}", f"--server={server}", *map(str, options)]
        self._process = client.popen(words, cwd=CHECKOUT / "dev")

    def result(self) -> list[dict[str, Any]]:
        """Wait for the end; return a list of dictionaries with address, ok and seconds, and perhaps refused."""
        output = self._process.communicate(timeout=PATIENCE_SECONDS)[0]
        assert self._process.returncode == 0
        return json.loads(output)

    def stop(self) -> None:
        """End it, if it has not ended: after a test that failed meanwhile."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
