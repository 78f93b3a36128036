# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates: what the ecosystem of Ansible asks of a collection, each called by one command."""
