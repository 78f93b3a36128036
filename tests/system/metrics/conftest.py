# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail host that is set up as docs/monitoring.md says, with node exporter and a Prometheus that reads it every second.

The numbers of the files are their order: what happens in the first ones is in the picture of the dashboard.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml
from documentation.blocks import blocks_of
from documentation.console import CONTROLLER, commands

from support.load import MANY
from support.places import CHECKOUT
from support.playbook import play
from support.throttles import bear_load, lift_throttles
from support.waiting import wait_until

from .prometheus import Prometheus

HOST = "mail1"
PAGE = CHECKOUT / "docs" / "monitoring.md"
MONITORING = CHECKOUT / "docs" / "monitoring"
SECTIONS = ("Set it up", "Alerts")
# The collector and Prometheus work once a minute and four times a minute; here nobody waits that long.
FASTER_TIMER = "[Timer]\nOnUnitInactiveSec=\nOnUnitInactiveSec=1s\nAccuracySec=100ms\n"
EACH_SECOND = {"scrape_interval": "1s", "evaluation_interval": "1s"}
SHORTEST = "for: 2s"


class Page:
    """The page, whose commands are typed on the host and on the controller."""

    def __init__(self, lab, host):
        self._lab, self._host = lab, host
        self.blocks = [block for block in blocks_of(PAGE) if block.section in SECTIONS]
        assert {block.section for block in self.blocks} == set(SECTIONS)
        assert self.blocks == blocks_of(PAGE)

    def yaml(self, beginning):
        """Return the content of the one YAML block that begins so."""
        (found,) = (block for block in self.blocks if block.language == "yaml" and block.text.startswith(beginning))
        return yaml.safe_load(found.text)

    def do(self, section):
        """Type the commands of a section, with the variables of the page; return the output of those of the controller."""
        variables = json.dumps(self.yaml("pop_before_smtp"))
        for block in self.blocks:
            if (block.section, block.language) != (section, "console"):
                continue
            for command in commands(block.text):
                if command.host == CONTROLLER:
                    words = command.text.split()
                    assert words[:3] == ["ansible-playbook", "-i", "inventory"]
                    run = play(self._lab, *words[3:], "--limit", HOST, "-e", variables)
                    assert run.status == 0, run.output
                    yield run
                    continue
                if command.text.startswith("cat "):
                    # It comes a second after the timer.
                    wait_until(lambda path=command.text[4:]: self._host.path(path).exists())
                done = self._host.run(["sh", "-c", f"cd /root; {command.text}"], check=False)
                assert done.returncode == 0, f"{command.text}: {done.stdout}{done.stderr}"
                assert command.prints(done.stdout), f"{command.text}: {done.stdout}"


@pytest.fixture(scope="session")
def bare_host(lab, client):
    """The host with sendmail and Dovecot alone."""
    guest = lab.guest(HOST, release="bookworm")
    lab.boot([guest])
    lift_throttles(guest, MANY)
    bear_load(guest)
    guest.run(["ip", "route", "add", MANY, "via", client.address4])
    guest.run(["apt-get", "update", "--quiet"])
    return guest


@pytest.fixture(scope="session")
def page(lab, bare_host):
    return Page(lab, bare_host)


@pytest.fixture(scope="session")
def site_run(page):
    """The run of the role that the page has."""
    (run,) = page.do("Set it up")
    return run


@pytest.fixture(scope="session")
def host(bare_host, site_run):
    """The host with metrics, collected every second."""
    bare_host.run(["mkdir", "-p", "/etc/systemd/system/vsmtprelay-metrics.timer.d"])
    bare_host.write("/etc/systemd/system/vsmtprelay-metrics.timer.d/faster.conf", FASTER_TIMER)
    bare_host.run(["sh", "-ec", "systemctl daemon-reload; systemctl restart vsmtprelay-metrics.timer"])
    return bare_host


@pytest.fixture(scope="session")
def prometheus(lab, host, page):
    """A Prometheus with the configuration of the page and the alerts, which wait for two seconds instead of minutes."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends prometheus"
    # It is started when it is configured.
    host.run(["sh", "-ec", f"ln -s /dev/null /etc/systemd/system/prometheus.service; {install}"])
    for file in MONITORING.glob("*.yml"):
        host.write(f"/root/{file.name}", file.read_text(encoding="utf-8"))
    configuration = {"global": EACH_SECOND, **page.yaml("rule_files")}
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": ["localhost:9100"]}]
    host.write("/etc/prometheus/prometheus.yml", yaml.safe_dump(configuration))
    rules = (MONITORING / "alerts.yml").read_text(encoding="utf-8")
    host.write("/etc/prometheus/alerts.yml", re.sub(r"for: \d+m", SHORTEST, rules))
    host.run(["sh", "-ec", "rm /etc/systemd/system/prometheus.service; systemctl daemon-reload; systemctl start prometheus"])
    prometheus = Prometheus(lab.controller, host)
    wait_until(prometheus.is_ready)
    wait_until(lambda: prometheus.value("vsmtprelay_recorder_up") == 1)
    return prometheus
