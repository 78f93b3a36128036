# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows is run: each example of a plugin, and each block of code of each page."""
