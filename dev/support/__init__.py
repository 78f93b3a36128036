# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests, demonstration and benchmarks have in common."""
