# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP API of a Prometheus that runs in a guest."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from typing import Any

from guests.guest import Guest
from guests.namespace import Namespace

PORT = 9090


class Prometheus:
    """Asks the Prometheus of ``guest`` from ``namespace``."""

    def __init__(self, namespace: Namespace, guest: Guest) -> None:
        self._namespace = namespace
        # Epoch seconds.
        self.began = time.time()
        self._address = guest.address4

    def query(self, expression: str) -> dict[tuple[str, ...], float]:
        """Return the values of ``expression`` now, by the values of the labels in the order of the labels' names."""
        found = self._ask("query", query=expression)["result"]
        return {_labels(each["metric"]): float(each["value"][1]) for each in found}

    def value(self, expression: str) -> float | None:
        """Return the one value of ``expression`` now, or None if there is none."""
        values = list(self.query(expression).values())
        assert len(values) < 2, values
        return values[0] if values else None

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of ``expression``: ``metric`` (labels) and ``values`` (pairs of epoch seconds and a text)."""
        return self._ask("query_range", query=expression, start=start, end=end, step=step)["result"]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"}

    def is_ready(self) -> bool:
        """Return whether it answers."""
        try:
            return self._get("/-/ready")[0] == http.client.OK
        except OSError:
            return False

    def _ask(self, what: str, **parameters: Any) -> Any:
        answer = json.loads(self._get(f"/api/v1/{what}?{urllib.parse.urlencode(parameters)}")[1])
        assert answer["status"] == "success", answer
        return answer["data"]

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, PORT)
        connection.sock = self._namespace.connect(self._address, PORT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _labels(metric: dict[str, str]) -> tuple[str, ...]:
    return tuple(metric[name] for name in sorted(metric) if name not in ("__name__", "instance", "job"))
