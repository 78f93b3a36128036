# SPDX-License-Identifier: GPL-3.0-or-later
"""How each block of code is run: by its language, and by what it holds. A block that no rule runs is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from .bed import Bed, Failed
from .blocks import CHECKOUT, Block

Rule = Callable[[Bed, Block], None]
ROLE = "pop_before_smtp_"
SPECIFICATION = CHECKOUT / "roles" / "pop_before_smtp" / "meta" / "argument_specs.yml"


class NoRule(AssertionError):
    """No rule runs a block: it needs a language, a fence, or a line in the table of TEXTS."""


def rule_of(block: Block) -> Rule:
    """Return what runs a block. Raises NoRule."""
    if _test_of(block):
        return by_a_test_of_its_own
    if block.language == "yaml":
        return _rule_of_yaml(block)
    if block.language == "text":
        for (page, beginning), rule in TEXTS.items():
            if block.page == page and block.text.startswith(beginning):
                return rule
    if block.language in LANGUAGES:
        return LANGUAGES[block.language]
    raise NoRule(
        f"{block}: no rule runs it. Give it one of the languages {', '.join(sorted({*LANGUAGES, 'yaml'}))}; "
        "for text that is read by some other program add a rule to TEXTS in dev/documentation/rules.py"
    )


# YAML: an inventory, a playbook, tasks or variables of the role


def _rule_of_yaml(block: Block) -> Rule:
    content = yaml.safe_load(block.text)
    if content and isinstance(content, dict):
        if all(isinstance(group, dict) and "hosts" in group for group in content.values()):
            return inventory
        if all(name.startswith(ROLE) for name in content):
            return variables
    if content and isinstance(content, list) and all(isinstance(part, dict) for part in content):
        if all("hosts" in play for play in content):
            return playbook
        if all("name" in task for task in content):
            return tasks
    raise NoRule(f"{block}: neither an inventory nor a playbook nor tasks nor variables of the role")


def inventory(bed: Bed, block: Block) -> None:
    """The inventory of the front page is what its commands, and those of all pages, work with; another one is tried."""
    check_variables(block, _variables_in(yaml.safe_load(block.text)))
    bed.set_up(block.page)
    if block.text != (bed.directory / "inventory").read_text(encoding="utf-8"):
        bed.write("other_inventory", block.text)
        _expect_success(bed, block, "ansible-playbook -i other_inventory vsmtp.relay.site --check")


def variables(bed: Bed, block: Block) -> None:
    """Variables of the role are given to it, in check mode, on a host that has the trees of the virtual servers."""
    content = yaml.safe_load(block.text)
    check_variables(block, content)
    servers = content.get(f"{ROLE}virtual_servers", [])
    bed.make_roots("mail2", [server["root"] for server in servers if "root" in server])
    bed.write("variables.yml", block.text)
    bed.set_up(block.page)
    output = _expect_success(
        bed, block, "ansible-playbook -i inventory vsmtp.relay.site --limit mail2.example.org --check --diff -e @variables.yml"
    )
    bed.shown[block.page] = bed.shown.get(block.page, "") + output


def playbook(bed: Bed, block: Block) -> None:
    """A playbook is run."""
    bed.set_up(block.page)
    bed.write("playbook.yml", block.text)
    _expect_success(bed, block, "ansible-playbook -i inventory playbook.yml")


def tasks(bed: Bed, block: Block) -> None:
    """Tasks are run in a play over one host."""
    bed.set_up(block.page)
    play = [{"hosts": "mail1.example.org", "gather_facts": False, "tasks": yaml.safe_load(block.text)}]
    bed.write("playbook.yml", yaml.safe_dump(play))
    _expect_success(bed, block, "ansible-playbook -i inventory playbook.yml")


def check_variables(block: Block, content: dict[str, Any]) -> None:
    """Raise Failed if one of the role's variables does not exist: Ansible itself would not notice."""
    options = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    known = {*options, f"{ROLE}hosts", f"{ROLE}serial", f"{ROLE}max_fail_percentage"}
    unknown = [name for name in content if name.startswith(ROLE) and name not in known]
    if unknown:
        raise Failed(f"{block}: the role has no {' and no '.join(unknown)}")


def _variables_in(groups: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in groups.values():
        for values in (group.get("vars"), *group["hosts"].values()):
            found.update(values or {})
    return found


def _expect_success(bed: Bed, block: Block, command: str) -> str:
    process = bed.shell(command)
    if process.returncode != 0:
        raise Failed(f"{block}: {command!r} ended with status {process.returncode}:\n{process.stdout}{process.stderr}")
    return process.stdout


# What is typed


def console(bed: Bed, block: Block) -> None:
    """Commands are run where they are typed, and have to print what the page shows."""
    bed.set_up(block.page)
    bed.run_console(block)


# Configuration of other programs: these say what they think of it


def systemd_unit(bed: Bed, block: Block) -> None:
    """systemd looks at a unit, under a name that has an instance if it needs one."""
    guest = bed.guests["mail1"]
    path = "/etc/systemd/system/documented@.service"
    guest.write(path, block.text)
    process = guest.run(["systemd-analyze", "verify", path.replace("@", "@a")], check=False)
    guest.run(["rm", path])
    if process.returncode != 0 or process.stderr:
        raise Failed(f"{block}: {process.stderr}")


def sendmail_mc(bed: Bed, block: Block) -> None:
    """The lines of a virtual server in Debian's sendmail.mc: m4 makes a sendmail.cf of it, and sendmail reads that."""
    guest = bed.guests["mail1"]
    bed.make_roots("mail1", ["/srv/a"])
    guest.run(["sh", "-ec", "mkdir -p /srv/a/run; mkdir -p -m 700 /srv/a/mqueue"])
    stock = guest.read("/etc/mail/sendmail.mc").splitlines(keepends=True)
    others = "".join(line for line in stock if not line.startswith("DAEMON_OPTIONS"))
    made = guest.run(["m4", "-"], input=others.replace("MAILER_DEFINITIONS\n", f"{block.text}MAILER_DEFINITIONS\n"))
    guest.write("/tmp/documented.cf", made.stdout)
    process = guest.run(["sendmail", "-C", "/tmp/documented.cf", "-bt", "-d0.10"], input="=M\n", check=False)
    guest.run(["rm", "/tmp/documented.cf"])
    if made.stderr or process.returncode != 0 or "line " in process.stderr:
        raise Failed(f"{block}: {made.stderr}{process.stdout}{process.stderr}")
    for option in ("QueueDirectory=/srv/a/mqueue", "PidFile=/srv/a/run/sendmail.pid", "DaemonPortOptions=Family=inet6"):
        if f"O {option}" not in made.stdout:
            raise Failed(f"{block}: m4 made no O {option} of it")


def added_by_role(bed: Bed, block: Block) -> None:
    """The lines are among those that the role would add with the variables that the same page shows before."""
    shown = bed.shown.get(block.page, "")
    added = [line[1:] for line in shown.splitlines() if line.startswith("+")]
    lines = block.text.splitlines()
    if not any(added[start : start + len(lines)] == lines for start in range(len(added))):
        raise Failed(f"{block}: the role would add something else:\n{shown}")


def shows_what_pam_is_told(bed: Bed, block: Block) -> None:
    """The line goes into the file of a server that uses PAM, and its log has the client's address after a login."""
    guest = bed.guests["mail1"]
    before = guest.read("/etc/pam.d/dovecot")
    guest.write("/etc/pam.d/dovecot", before + block.text)
    try:
        if not bed.log_in("mail1"):
            raise Failed(f"{block}: with this line no login succeeds")
        logged = guest.read("/run/pam-test")
    finally:
        guest.write("/etc/pam.d/dovecot", before)
    if "PAM_RHOST=192.0.2.101\n" not in logged:
        raise Failed(f"{block}: the log has {logged!r}")


def demonstration(bed: Bed, block: Block) -> None:
    """What the demonstration prints: each step is one that it has. tests/system/mail runs it, and looks for its steps."""
    program = "".join(file.read_text(encoding="utf-8") for file in sorted((CHECKOUT / "dev" / "demo").glob("*.py")))
    steps = [line[4:] for line in block.text.splitlines() if line.startswith("==> ")]
    missing = [step for step in steps if step[:30] not in program]
    if missing or len(steps) < 5:
        raise Failed(f"{block}: the demonstration has no step {missing}")


def by_a_test_of_its_own(bed: Bed, block: Block) -> None:
    """A separate test goes through the page or section, on a host in its initial state."""
    test = _test_of(block)
    if f'"{block.section}"' not in (CHECKOUT / test).read_text(encoding="utf-8"):
        raise Failed(f"{block}: {test} does not go through the section {block.section!r}")


def _test_of(block: Block) -> str:
    """Return the test that goes through the page of a block or its section, "" if none does."""
    return SECTIONS_WITH_A_TEST.get((block.page, block.section)) or PAGES_WITH_A_TEST.get(block.page, "")


def ansible_configuration(bed: Bed, block: Block) -> None:
    """Settings of Ansible: it knows each of them, and the role runs with them."""
    bed.set_up(block.page)
    settings = f"ANSIBLE_CONFIG={bed.write('settings.cfg', block.text)}"
    _expect_success(bed, block, f"{settings} ansible-config validate --format ini --type all")
    _expect_success(bed, block, f"{settings} ansible-playbook -i inventory vsmtp.relay.site --check")


# Each of them takes the commands from the page, and knows its sections by their headings.
PAGES_WITH_A_TEST = {
    "docs/fleet.md": "tests/system/sharing/test_pages.py",
    "docs/migrating.md": "tests/system/mail/test_migrating.py",
    "docs/monitoring.md": "tests/system/metrics/conftest.py",
}
SECTIONS_WITH_A_TEST = {
    ("docs/migrating.md", "From DRAC, with POP and SMTP on different hosts"): "tests/system/sharing/test_pages.py",
    ("docs/logins.md", "Several Dovecot instances"): "tests/system/logins/test_2_situations.py",
    ("docs/provider.md", "Begin"): "tests/system/provider/test_1_set_up.py",
    ("docs/provider.md", "Set it up"): "tests/system/provider/test_1_set_up.py",
    ("docs/provider.md", "Roll out a change"): "tests/system/provider/test_2_roll_out.py",
    ("docs/provider.md", "Forms for the help desk"): "tests/system/provider/test_3_forms.py",
    ("docs/provider.md", "On call: somebody cannot send"): "tests/system/provider/test_4_on_call.py",
    ("docs/operations.md", "Without a controller"): "tests/system/mail/test_from_the_host_itself.py",
}
LANGUAGES: dict[str, Rule] = {"console": console, "cfg": ansible_configuration, "ini": systemd_unit, "m4": sendmail_mc}
# By page, and what they begin with.
TEXTS: dict[tuple[str, str], Rule] = {
    ("docs/other_servers.md", "# BEGIN vsmtp.relay"): added_by_role,
    ("docs/other_servers.md", "account optional pam_exec.so"): shows_what_pam_is_told,
    ("docs/quick_start.md", "==> Boot a mail host"): demonstration,
}
