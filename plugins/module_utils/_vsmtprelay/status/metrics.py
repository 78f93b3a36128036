# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of this host as metrics, in the text format of Prometheus.

docs/monitoring.md lists METRICS. A label holds the name of a virtual server or of an engine, or one of a few fixed words: never
a user name or an address, and no more of them than the configuration has.
"""

from __future__ import annotations

import ipaddress
import itertools
from typing import NamedTuple

from .. import __version__
from ..errors import MissingPackageError
from ..recorder.login import SERVICES
from .attention import of_host, of_server, verdict
from .host import NO_RULESET
from .state import LIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    # The name of a metric, the values of its labels, and its value.
    Sample = tuple[str, tuple[str, ...], float]

PACKAGE = "python3-prometheus-client"
COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
SERVER, ENGINE = "virtual_server", "engine"
RECORD_SECONDS = "vsmtprelay_record_duration_seconds"
LOGINS = "vsmtprelay_logins_total"
# What a virtual server can have from the start. Prometheus sees the increase of a counter only if it has seen it before.
RESULTS_OF_LOGINS = ("recorded", "delayed", "failed")
RESULTS_OF_REPORTS = ("failed", "ignored", "refused")
PORT_SEPARATOR = ":"


class Metric(NamedTuple):
    """A metric: its name, its kind, the names of its labels, and its meaning in a sentence."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


METRICS = (
    Metric("vsmtprelay_info", GAUGE, ("version",), "The version of vsmtprelay; always 1."),
    Metric("vsmtprelay_collected_timestamp_seconds", GAUGE, (), "When all of this was collected."),
    Metric("vsmtprelay_status", GAUGE, (), "What vsmtprelay status ends with: 0 fine, 1 needs attention, 2 broken."),
    Metric("vsmtprelay_recorder_up", GAUGE, (), "Whether the units of the login recorder are up."),
    Metric("vsmtprelay_recorder_proven", GAUGE, (), "Whether a login that was tried at Dovecot reached the recorder."),
    Metric("vsmtprelay_recorder_restarts_total", COUNTER, (), "How often systemd restarted the recorder."),
    Metric("vsmtprelay_recorder_start_timestamp_seconds", GAUGE, (), "When the recorder that runs started to count."),
    Metric(LOGINS, COUNTER, ("result", SERVER, "service"), "Reports by their result, since the recorder started."),
    Metric(RECORD_SECONDS, HISTOGRAM, (), "The time from the report of a login until it is on the disk."),
    Metric("vsmtprelay_virtual_server_status", GAUGE, (SERVER,), "0 fine, 1 needs attention, 2 broken."),
    Metric("vsmtprelay_entries", GAUGE, (SERVER,), "Entries of the database."),
    Metric("vsmtprelay_future_entries", GAUGE, (SERVER,), "Entries with a time in the future, the permanent ones too."),
    Metric("vsmtprelay_permanent_entries", GAUGE, (SERVER,), "Permanent entries, those declared in the inventory."),
    Metric("vsmtprelay_oldest_entry_timestamp_seconds", GAUGE, (SERVER,), "The oldest entry that is not in the future."),
    Metric("vsmtprelay_newest_entry_timestamp_seconds", GAUGE, (SERVER,), "The newest entry that is not in the future."),
    Metric("vsmtprelay_ruleset_live", GAUGE, (SERVER,), "Whether the running sendmail has the ruleset."),
    Metric("vsmtprelay_expiry_timestamp_seconds", GAUGE, (), "When the nightly expiry last ended."),
    Metric("vsmtprelay_expiry_exit_status", GAUGE, (), "How it ended: 0 is well."),
    Metric("vsmtprelay_expiry_late", GAUGE, (), "Whether it missed its last time."),
    Metric("vsmtprelay_share_up", GAUGE, (), "Whether the sharing of logins runs."),
    Metric("vsmtprelay_share_alone", GAUGE, (), "Whether no engine can be used."),
    Metric("vsmtprelay_share_recorder_reachable", GAUGE, (), "Whether the recorder takes logins of other hosts."),
    Metric("vsmtprelay_share_failed_virtual_servers", GAUGE, (), "Virtual servers whose database takes none."),
    Metric("vsmtprelay_share_pending", GAUGE, (), "Logins of other hosts that are still to be written."),
    Metric("vsmtprelay_share_connected", GAUGE, (ENGINE,), "Whether the engine is connected and does what it should."),
    Metric("vsmtprelay_share_lag_seconds", GAUGE, (ENGINE,), "How late the last login of another host was."),
    Metric("vsmtprelay_share_unsent", GAUGE, (ENGINE,), "Addresses whose change the engine does not have yet."),
    Metric("vsmtprelay_share_refused_total", COUNTER, (ENGINE, "reason"), "Entries of other hosts that were refused."),
)


def exposition(state: Mapping[str, Any], counted: Mapping[str, Any] | None, now: int) -> bytes:
    """Return the metrics of a host with ``state``, as host.of_host() returns it, at ``now`` (epoch seconds).

    ``counted`` is what counts_file.load() returns. Raises MissingPackageError.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    except ImportError:
        raise MissingPackageError(f"metrics needs the distribution's package {PACKAGE}: install it first") from None

    class Host:
        def collect(self) -> Iterator[Any]:
            families = {COUNTER: CounterMetricFamily, GAUGE: GaugeMetricFamily}
            values = _by_metric(samples(state, counted, now))
            for metric in METRICS:
                if metric.kind == HISTOGRAM:
                    if counted is not None:
                        yield HistogramMetricFamily(metric.name, metric.meaning, _buckets(counted), counted["record_seconds"])
                elif metric.name in values:
                    family = families[metric.kind](metric.name, metric.meaning, labels=metric.labels)
                    for labels, value in values[metric.name]:
                        family.add_metric(labels, value)
                    yield family

    registry = CollectorRegistry()
    registry.register(Host())
    return bytes(generate_latest(registry))


def samples(state: Mapping[str, Any], counted: Mapping[str, Any] | None, now: int) -> Iterator[Sample]:
    """Yield the name, the values of the labels and the value of each sample but those of the histogram.

    What a host does not have, or what is not known, has none. The arguments are those of exposition().
    """
    yield "vsmtprelay_info", (__version__,), 1
    yield "vsmtprelay_collected_timestamp_seconds", (), now
    yield "vsmtprelay_status", (), verdict(of_host(state, now))
    if state["recorder"] != "none":
        yield "vsmtprelay_recorder_up", (), state["recorder"] != "down"
        yield "vsmtprelay_recorder_restarts_total", (), state["recorder_restarts"]
    if state["recorder_proven"] is not None:
        yield "vsmtprelay_recorder_proven", (), state["recorder_proven"]
    servers = state["virtual_servers"]
    if counted is not None:
        yield "vsmtprelay_recorder_start_timestamp_seconds", (), counted["started"]
        yield from _of_logins(counted["logins"], [server["name"] for server in servers])
    for server in servers:
        yield from _of_server(server)
    expiry = state["expiry"]
    if expiry["last"] is not None:
        yield "vsmtprelay_expiry_timestamp_seconds", (), expiry["last"]
        yield "vsmtprelay_expiry_exit_status", (), expiry["status"]
    yield "vsmtprelay_expiry_late", (), expiry["late"]
    if state["sharing"]:
        yield from _of_sharing(state["sharing"])


def _of_logins(logins: Sequence[tuple[str, str, str, int]], servers: Sequence[str]) -> Iterator[Sample]:
    """Yield the counters of reports: those of ``servers``, and of no virtual server, with zeros for what can come."""
    numbers = dict.fromkeys(itertools.product(RESULTS_OF_LOGINS, servers, SERVICES), 0)
    numbers.update(dict.fromkeys(itertools.product(["failed"], servers, [""]), 0))
    numbers.update(dict.fromkeys(itertools.product(RESULTS_OF_REPORTS, [""], [""]), 0))
    # Those of a server that is removed are left out until the recorder is restarted, which the role does.
    known = {"", *servers}
    numbers.update({(what, server, service): number for what, server, service, number in logins if server in known})
    for labels, number in numbers.items():
        yield LOGINS, labels, number


def _of_server(server: Mapping[str, Any]) -> Iterator[Sample]:
    labels = (server["name"],)
    yield "vsmtprelay_virtual_server_status", labels, verdict(of_server(server))
    if server.get("ruleset", NO_RULESET) != NO_RULESET:
        yield "vsmtprelay_ruleset_live", labels, server["ruleset"] == LIVE
    for name, member in (
        ("vsmtprelay_entries", "entries"),
        ("vsmtprelay_future_entries", "pinned"),
        ("vsmtprelay_permanent_entries", "permanent"),
        ("vsmtprelay_oldest_entry_timestamp_seconds", "oldest"),
        ("vsmtprelay_newest_entry_timestamp_seconds", "newest"),
    ):
        if server.get(member) is not None:
            yield name, labels, server[member]


def _of_sharing(sharing: Mapping[str, Any]) -> Iterator[Sample]:
    yield "vsmtprelay_share_up", (), not sharing["fault"]
    if sharing["fault"]:
        return
    yield "vsmtprelay_share_alone", (), sharing["alone_since"] is not None
    yield "vsmtprelay_share_recorder_reachable", (), sharing["recorder"]["reachable"]
    yield "vsmtprelay_share_failed_virtual_servers", (), len(sharing["failed_servers"])
    yield "vsmtprelay_share_pending", (), sharing["todo"]
    for number, engine in enumerate(sharing["engines"], 1):
        name = _engine_label(engine["engine"], number)
        yield "vsmtprelay_share_connected", (name,), engine["connected"] and not engine["error"]
        yield "vsmtprelay_share_unsent", (name,), engine["unsent"]
        if engine["lag_ms"] is not None:
            yield "vsmtprelay_share_lag_seconds", (name,), engine["lag_ms"] / 1000
        for reason, refused in _by_reason(engine["refused"]).items():
            yield "vsmtprelay_share_refused_total", (name, reason), refused


def _by_reason(refused: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the numbers of refused entries by reason: an origin that was taken over can have any name."""
    numbers: dict[str, int] = {}
    for reasons in refused.values():
        for reason, number in reasons.items():
            numbers[reason] = numbers.get(reason, 0) + number
    return numbers


def _engine_label(name: str, number: int) -> str:
    """Return the name and port of an engine; if it has only an address, its ``number`` in the list of engines."""
    host, _separator, port = name.rpartition(PORT_SEPARATOR)
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return name
    return f"engine {number}{PORT_SEPARATOR}{port}"


def _by_metric(found: Iterator[Sample]) -> dict[str, list[tuple[tuple[str, ...], float]]]:
    values: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for name, labels, value in found:
        values.setdefault(name, []).append((labels, value))
    return values


def _buckets(counted: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the upper bounds of a histogram with the numbers of all logins up to each (Prometheus, "Exposition formats")."""
    bounds = [*(repr(bound) for bound in counted["bounds"]), "+Inf"]
    return list(zip(bounds, itertools.accumulate(counted["records"])))
