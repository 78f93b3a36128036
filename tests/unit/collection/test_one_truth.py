# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to stand in two places is the same in both."""

from pathlib import Path

import yaml

from ansible_collections.vsmtp.relay.plugins.module_utils import _vsmtprelay
from ansible_collections.vsmtp.relay.plugins.module_utils._module import role_variables as role
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import login
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role import variables as role_variables
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers import permissions, virtual_servers

CHECKOUT = Path(__file__).parents[3]
ROLE = CHECKOUT / "roles" / "pop_before_smtp"


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_command_has_the_version_of_the_collection():
    assert load(CHECKOUT / "galaxy.yml")["version"] == _vsmtprelay.__version__


def test_every_variable_of_the_role_is_documented_with_its_default():
    options = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option.get("default") for name, option in options.items()} == load(ROLE / "defaults" / "main.yml")


def test_the_role_documents_the_fields_of_a_virtual_server():
    options = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert tuple(options["pop_before_smtp_virtual_servers"]["options"]) == virtual_servers.SERVER_FIELDS


def test_the_role_documents_the_fields_of_a_permission():
    options = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert tuple(options["pop_before_smtp_permissions"]["options"]) == permissions.PERMISSION_FIELDS


def test_the_shared_code_imports_no_ansible():
    for path in (CHECKOUT / "plugins" / "module_utils" / "_vsmtprelay").rglob("*.py"):
        assert "import ansible" not in path.read_text(encoding="utf-8"), path
        assert "from ansible" not in path.read_text(encoding="utf-8"), path


def test_the_role_installs_every_file_of_the_shared_code():
    library = load(ROLE / "vars" / "main.yml")["pop_before_smtp__command_files"][0]
    assert library["path"] == "{{ pop_before_smtp__library }}"
    assert library["source"] == "{{ role_path }}/../../plugins/module_utils/_vsmtprelay"


def test_the_modules_know_the_role_s_variables_their_types_and_their_defaults():
    options = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    prefix, said = role_variables.PREFIX, {"description", "default", "choices", "options"}

    def types(options):
        """Return the types alone, at every depth."""
        return {
            name: {
                **{key: value for key, value in option.items() if key not in said},
                "options": types(option.get("options", {})),
            }
            for name, option in options.items()
        }

    assert types({name[len(prefix) :]: option for name, option in options.items()}) == types(role.SPECIFICATION)
    defaults = {name[len(prefix) :]: value for name, value in load(ROLE / "defaults" / "main.yml").items()}
    assert {**defaults, "virtual_servers": None} == role_variables.DEFAULTS


def test_the_role_hands_all_its_variables_to_the_preflight():
    wishes = load(ROLE / "tasks" / "preflight.yml")[0]["vsmtp.relay.mail_host_info"]["role"]
    assert wishes == {name: f"{{{{ pop_before_smtp_{name} }}}}" for name in role_variables.DEFAULTS}


def test_the_role_has_logins_reported_where_the_recorder_takes_them():
    variables = load(ROLE / "vars" / "main.yml")
    assert variables["pop_before_smtp__socket"] == login.SOCKET
    assert all(url.endswith(f"/{login.PATH.lstrip('/')}") for url in variables["pop_before_smtp__dovecot_urls"].values())
