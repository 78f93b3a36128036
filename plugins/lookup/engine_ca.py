# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_ca
short_description: The text of the certificate that C(pop_before_smtp_engine_ca) gives or names
version_added: 0.2.0
description:
  - Returns the text of C(pop_before_smtp_engine_ca), or the content of the file on the controller that it names. It is empty if the variable is.
  - The roles and playbooks of this collection use it. Its result may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  of_engines:
    description:
      - Whether to return the certificates of the authorities of all engines of the group C(pop_before_smtp_engine) instead, by the name of each.
      - That of an engine that was not set up in this run is V(null), and so is the one under the name C(pop_before_smtp_engine_ca).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the certificate of the engines' authority
  ansible.builtin.debug:
    msg: "{{ query('vsmtp.relay.engine_ca') | first }}"
"""

RETURN = r"""
_raw:
  description: One text, or one dictionary.
  type: list
  elements: raw
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.vsmtp.relay.plugins.plugin_utils.sharing_table import GROUP

CA = "pop_before_smtp_engine_ca"
# The result of share_certificate on an engine.
CERTIFICATE = "pop_before_smtp_engine__certificate"
BEGIN = "-----BEGIN"


class LookupModule(LookupBase):
    """The certificate of the engines' authority."""

    def run(self, terms, variables=None, **kwargs):
        """Return the text in a list. Raises AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        if not self.get_option("of_engines"):
            return [self._text(self._templar.template(variables.get(CA) or ""), variables)]
        engines = variables["groups"].get(GROUP, [])
        return [{CA: None, **{engine: self._of_engine(variables["hostvars"][engine], variables) for engine in engines}}]

    def _of_engine(self, engine, variables):
        """Return the text for an engine, whose variables are ``engine``, or None."""
        certificate = engine.get(CERTIFICATE, {}).get("ca")
        if certificate is None:
            return None
        return certificate or self._text(engine.get(CA, ""), variables) or None

    def _text(self, given, variables):
        text = str(given).strip()
        if not text:
            return ""
        if BEGIN in text:
            return f"{text}\n"
        path = self.find_file_in_search_path(variables, "files", text, ignore_missing=True)
        if not path:
            raise AnsibleLookupError(f"{CA}: there is no file {text} on the controller")
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError as error:
            raise AnsibleLookupError(f"{CA}: {path} cannot be read: {error.strerror}") from None
