# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: the main job, step by step, on a real mail host."""
