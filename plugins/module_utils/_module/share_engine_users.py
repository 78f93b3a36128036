# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users of an engine: its ACL file, which the running server loads if it changed."""

from __future__ import annotations

import hashlib
import os
import socket

from .._vsmtprelay.errors import RelayError, UnwritableError
from .._vsmtprelay.files import text_file
from .._vsmtprelay.sharing import access
from .._vsmtprelay.sharing.engine_users import ADMIN, acl_text, hosts_of
from .host_files import ensure_bare_secret
from .results import Outcome, finish
from .undoable_files import UndoableFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

ANSWER_SECONDS = 20.0
OK = b"+OK\r\n"


def load_acl(path: str, secret: str) -> None:
    """Have the server whose socket is at ``path`` load its ACL file, as its user ADMIN with ``secret``.

    Nothing is done if none listens. Raises UnwritableError if it refuses.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return  # it loads the file when it starts
        except OSError as error:
            raise UnwritableError(f"{path}: cannot be connected to: {error.strerror}; restart the engine") from None
        try:
            with connection.makefile("rb") as answers:
                for words in (["AUTH", ADMIN, secret], ["ACL", "LOAD"]):
                    connection.sendall(_command(words))
                    answer = answers.readline()
                    if answer != OK:
                        said = answer.decode("utf-8", "replace").strip() or "nothing"
                        raise UnwritableError(f"the engine does not load its ACL file, it answers {said}; restart it")
        except OSError as error:
            raise UnwritableError(f"{path}: the engine does not answer: {error}; restart it") from None


def _command(words: list[str]) -> bytes:
    """Return a command as the Redis protocol has it."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def changed_hosts(before: str, after: str) -> list[str]:
    """Return the hosts whose hashes differ in two ACL files, and those that are in one of them only."""
    old, new = hosts_of(before), hosts_of(after)
    return sorted(host for host in {*old, *new} if old.get(host) != new.get(host))


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters, files = module.params, UndoableFiles(module.check_mode)
    path, noted = parameters["path"], parameters["memory"]
    loaded = False
    try:
        changed = ensure_bare_secret(files, parameters["admin"])
        # In check mode there may be none yet.
        admin = access.load_secret(parameters["admin"]) if os.path.exists(parameters["admin"]) else ""
        before = (text_file.read(path) or b"").decode("utf-8", "replace")
        text = acl_text(before, parameters["hosts"], access.hash_of(admin), parameters["keep_old"])
        attributes = text_file.Attributes.named("root", parameters["group"], "0640")
        written = files.ensure(path, text.encode(), attributes, shown=False)
        # Noted after the server loaded it, so that the next run completes an interrupted one.
        digest = f"{hashlib.sha256(text.encode()).hexdigest()}\n".encode()
        if not module.check_mode and text_file.read(noted) != digest:
            loaded = os.path.exists(parameters["socket"])
            load_acl(parameters["socket"], admin)
            text_file.create_directory(os.path.dirname(noted))
            text_file.replace(noted, digest, text_file.Attributes(uid=os.geteuid(), gid=os.getegid(), mode=0o644))
    except RelayError as error:
        module.fail_json(msg=str(error))
    outcome = Outcome()
    hosts = changed_hosts(before, text)
    if written:
        names = "".join(f"{host}\n" for host in hosts)
        outcome.diff = [
            {"before_header": "", "after_header": f"{path}: users that come, change or go", "before": "", "after": names}
        ]
    finish(module, changed or written or loaded, outcome, changed_hosts=hosts, loaded=loaded)
