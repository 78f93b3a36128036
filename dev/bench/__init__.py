# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the database and the login recorder are: PYTHONPATH=dev python -m bench."""
