# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the database and the login recorder are: PYTHONPATH=tests python -m bench."""
