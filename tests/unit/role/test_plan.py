# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of the role does on a host."""

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role import plan

INSTALL, CONFIGURE, RUN = plan.PARTS


@pytest.mark.parametrize(
    ("run_tags", "skip_tags", "parts"),
    [
        (["all"], [], ["install", "configure", "run"]),
        ([INSTALL], [], ["install"]),
        ([RUN, "mine", CONFIGURE], [], ["configure", "run"]),
        (["all"], [RUN], ["install", "configure"]),
        ([INSTALL, RUN], [INSTALL], ["run"]),
        ([RUN], [RUN], []),
        (["always"], [], ["install", "configure", "run"]),
    ],
)
def test_tags_choose_the_parts_of_the_role(run_tags, skip_tags, parts):
    assert plan.parts_of(run_tags, skip_tags) == parts


@pytest.mark.parametrize(
    ("state", "recorder", "version", "used"),
    [
        ("present", "dovecot", "2.3.19.1", ["recorder", "dovecot", "tcp"]),
        ("present", "dovecot", "2.4.1-4", ["recorder", "dovecot"]),
        ("present", "pam", "", ["recorder"]),
        ("present", "pam", "2.3.19.1", ["recorder"]),
        ("present", "none", "2.3.19.1", []),
        ("absent", "dovecot", "2.3.19.1", []),
        ("absent", "pam", "", []),
    ],
)
def test_a_host_uses_what_its_recorder_needs(state, recorder, version, used):
    assert plan.used_of({"state": state, "recorder": recorder, "engines": [], "metrics": False}, version) == used


@pytest.mark.parametrize(
    ("state", "recorder", "version", "used"),
    [
        ("present", "dovecot", "2.3.19.1", ["recorder", "dovecot", "tcp", "share"]),
        ("present", "dovecot", "2.4.1-4", ["recorder", "dovecot", "share"]),
        ("present", "pam", "", ["recorder", "share"]),
        ("present", "none", "", ["recorder", "share"]),
        ("absent", "dovecot", "2.3.19.1", []),
        ("absent", "none", "", []),
    ],
)
def test_a_host_that_shares_its_logins_has_a_recorder_even_if_nothing_reports_to_it(state, recorder, version, used):
    variables = {"state": state, "recorder": recorder, "engines": [{"host": "engine1", "port": 6380}], "metrics": False}
    assert plan.used_of(variables, version) == used


@pytest.mark.parametrize(
    ("state", "recorder", "used"),
    [("present", "pam", ["recorder", "metrics"]), ("present", "none", ["metrics"]), ("absent", "pam", [])],
)
def test_a_host_has_metrics_with_or_without_a_recorder(state, recorder, used):
    assert plan.used_of({"state": state, "recorder": recorder, "engines": [], "metrics": "/srv/metrics"}, "") == used


@pytest.mark.parametrize(("version", "branch"), [("2.3.19.1", "2.3"), ("2.4.1", "2.4"), ("2.30.0", "2.4"), ("", "2.4")])
def test_dovecot_2_3_has_settings_of_its_own(version, branch):
    assert plan.dovecot_branch(version) == branch


@pytest.mark.parametrize(
    ("state", "recorder", "files"),
    [("present", "pam", ["/etc/pam.d/pop3", "/etc/pam.d/imap"]), ("present", "dovecot", []), ("absent", "pam", [])],
)
def test_pam_reports_logins_only_where_the_recorder_is_pam(state, recorder, files):
    assert plan.pam_files_of({"state": state, "recorder": recorder, "pam_services": ["pop3", "imap"]}) == files
