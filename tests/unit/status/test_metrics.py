# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host as metrics: every sample is one that the documentation has, and says what the state says."""

from __future__ import annotations

import json
import re
import sys

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.vsmtp.relay.dev.support.documentation import table
from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, engine, server, sharing
from ansible_collections.vsmtp.relay.dev.support.places import CHECKOUT
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MissingPackageError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import metrics

MONITORING = CHECKOUT / "docs" / "monitoring"
NAMES = {metric.name for metric in metrics.METRICS}
COUNTED = {
    "started": MADE - 60,
    "logins": [("recorded", "main", "imap", 7), ("ignored", "", "", 2), ("recorded", "removed", "imap", 1)],
    "bounds": [0.001, 0.2],
    "records": [4, 2, 1],
    "record_seconds": 0.9,
}


def state(**others):
    """Return the state of a host on which all is well."""
    return {
        "recorder": "up",
        "recorder_faults": [],
        "recorder_restarts": 0,
        "recorder_proven": True,
        "expiry": {"last": MADE - 60, "status": 0, "late": False},
        "sharing": None,
        "virtual_servers": [server()],
        "unknown": [],
        **others,
    }


def found(has_counted=True, **others):
    """Return the samples of a host by name and labels, as a reader of the text sees them."""
    text = metrics.exposition(state(**others), COUNTED if has_counted else None, MADE).decode()
    return {
        (sample.name, *(value for _name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_host_on_which_all_is_well():
    samples = found()
    assert samples["vsmtprelay_status",] == 0
    assert samples["vsmtprelay_collected_timestamp_seconds",] == MADE
    assert (samples["vsmtprelay_recorder_up",], samples["vsmtprelay_recorder_proven",]) == (1, 1)
    assert samples["vsmtprelay_recorder_start_timestamp_seconds",] == MADE - 60
    assert [samples[f"vsmtprelay_{name}entries", "main"] for name in ("", "future_", "permanent_")] == [30, 2, 1]
    assert samples["vsmtprelay_newest_entry_timestamp_seconds", "main"] == MADE - 90
    assert samples["vsmtprelay_ruleset_live", "main"] == 1
    assert samples["vsmtprelay_expiry_timestamp_seconds",] == MADE - 60
    assert not [name for name, *_labels in samples if name.startswith("vsmtprelay_share")]


def test_logins_have_a_zero_before_the_first_one_and_those_of_a_removed_server_are_left_out():
    samples = {tuple(labels): value for (name, *labels), value in found().items() if name == metrics.LOGINS}
    assert samples["recorded", "imap", "main"] == 7
    assert samples["ignored", "", ""] == 2
    assert samples["recorded", "pop3", "main"] == samples["failed", "", "main"] == samples["refused", "", ""] == 0
    assert len(samples) == 7 + 3
    assert {server for _result, _service, server in samples} == {"main", ""}


def test_the_buckets_of_the_histogram_are_cumulative():
    samples = found()
    name = metrics.RECORD_SECONDS
    assert [samples[f"{name}_bucket", bound] for bound in ("0.001", "0.2", "+Inf")] == [4, 6, 7]
    assert (samples[f"{name}_count",], samples[f"{name}_sum",]) == (7, 0.9)


def test_a_recorder_that_is_down_has_counted_nothing_that_is_known():
    samples = found(has_counted=False, recorder="down", recorder_restarts=9, recorder_proven=None)
    assert (samples["vsmtprelay_recorder_up",], samples["vsmtprelay_recorder_restarts_total",]) == (0, 9)
    assert samples["vsmtprelay_status",] == 2
    names = {name for name, *_labels in samples}
    assert not names & {"vsmtprelay_recorder_proven", metrics.LOGINS, f"{metrics.RECORD_SECONDS}_count"}


def test_a_host_without_a_recorder_or_a_ruleset_has_neither():
    samples = found(has_counted=False, recorder="none", recorder_proven=None, virtual_servers=[server(ruleset="none")])
    names = {name for name, *_labels in samples}
    assert not names & {"vsmtprelay_recorder_up", "vsmtprelay_recorder_restarts_total", "vsmtprelay_ruleset_live"}
    assert "vsmtprelay_entries" in names


def test_what_is_not_known_of_a_virtual_server_is_left_out():
    servers = [
        {"name": "damaged", "relayers_db": "/d", "sendmail_cf": "/c", "fault": "damaged", "ruleset": "live"},
        server("empty", oldest=None, newest=None),
        server("not-read", ruleset="not read yet"),
    ]
    samples = found(virtual_servers=servers)
    assert ("vsmtprelay_entries", "damaged") not in samples
    assert ("vsmtprelay_oldest_entry_timestamp_seconds", "empty") not in samples
    status = [samples["vsmtprelay_virtual_server_status", each["name"]] for each in servers]
    assert status == [2, 0, 1]
    assert samples["vsmtprelay_ruleset_live", "not-read"] == 0


def test_an_expiry_that_never_ran_has_no_time():
    samples = found(expiry={"last": None, "status": None, "late": True})
    assert samples["vsmtprelay_expiry_late",] == 1
    assert ("vsmtprelay_expiry_timestamp_seconds",) not in samples


def test_each_engine_has_its_lag_and_what_it_lacks_and_refused():
    refused = {"mail2": {"server": 2, "future": 1}, "198.51.100.7": {"server": 3}}
    samples = found(
        sharing=sharing(
            engine("engine1.example.org:6380", unsent=7, refused=refused),
            engine("192.0.2.1:6380", connected=False, lag_ms=None),
            engine("2001:db8::1:6380", error="no disk"),
            failed_servers={"main": "locked"},
            todo=4,
        )
    )
    assert (samples["vsmtprelay_share_up",], samples["vsmtprelay_share_alone",]) == (1, 0)
    assert (samples["vsmtprelay_share_pending",], samples["vsmtprelay_share_failed_virtual_servers",]) == (4, 1)
    # An address is in no label, whether the engine's or that of who was refused.
    connected = {labels[0]: value for (name, *labels), value in samples.items() if name == "vsmtprelay_share_connected"}
    assert connected == {"engine1.example.org:6380": 1, "engine 2:6380": 0, "engine 3:6380": 0}
    assert samples["vsmtprelay_share_lag_seconds", "engine1.example.org:6380"] == 0.012
    assert ("vsmtprelay_share_lag_seconds", "engine 2:6380") not in samples
    assert samples["vsmtprelay_share_unsent", "engine1.example.org:6380"] == 7
    numbers = [samples["vsmtprelay_share_refused_total", "engine1.example.org:6380", reason] for reason in ("server", "future")]
    assert numbers == [5, 1]


def test_a_sharer_that_is_down_has_nothing_else():
    samples = found(sharing={"fault": "it is down"})
    assert [key for key in samples if key[0].startswith("vsmtprelay_share")] == [("vsmtprelay_share_up",)]
    assert samples["vsmtprelay_share_up",] == 0


def test_every_sample_is_of_a_metric_that_is_listed():
    yielded = {
        name
        for name, _labels, _value in metrics.samples(state(sharing=sharing(engine(refused={"a": {"form": 1}}))), COUNTED, MADE)
    }
    assert yielded == NAMES - {metrics.RECORD_SECONDS}


def test_a_thousand_virtual_servers_have_a_bounded_number_of_series():
    few, many = (len(found(virtual_servers=[server(f"s{number}") for number in range(count)])) for count in (1, 1001))
    assert (many - few) / 1000 <= 15


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingPackageError, match="the distribution's package python3-prometheus-client") as error:
        metrics.exposition(state(), COUNTED, MADE)
    assert error.value.exit_status == 69


# The documentation


def test_the_page_lists_every_metric_as_it_is():
    rows = [[cell.strip() for cell in row] for row in table("monitoring.md", "metric")]
    assert rows == [
        [f"`{each.name}`", each.kind, ", ".join(f"`{label}`" for label in each.labels), each.meaning]
        for each in metrics.METRICS
    ]


def alerts():
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def test_every_alert_says_what_to_do_and_has_a_row_in_troubleshooting():
    rows = [row[0] for row in table("troubleshooting.md", "alert")]
    assert rows == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"].endswith("/docs/troubleshooting.md#what-the-alerts-say")
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_alert_has_a_test():
    text = (MONITORING / "alerts_test.yml").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in alerts() if rule["alert"] not in text] == []


@pytest.mark.parametrize("name", ["alerts.yml", "alerts_test.yml", "dashboard.json"])
def test_only_metrics_that_there_are_are_asked_for(name):
    text = (MONITORING / name).read_text(encoding="utf-8")
    asked = {re.sub("_(bucket|count|sum)$", "", metric) for metric in re.findall(r"\bvsmtprelay_\w+", text)}
    assert len(asked) > 10
    assert asked - NAMES == set()


def test_the_dashboard_asks_for_the_hosts_that_are_chosen():
    dashboard = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert all('instance=~"$instance"' in expression for expression in targets)
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "instance"}
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]}
    assert len(places) == len(dashboard["panels"])
