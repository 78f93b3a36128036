# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the database is, beside Perl's DB_File and makemap: PYTHONPATH=tests python -m bench."""
