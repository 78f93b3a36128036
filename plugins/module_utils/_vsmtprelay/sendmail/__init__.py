# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ruleset in a sendmail.cf or sendmail.mc, and the daemon that has to read it.

Face: ruleset.Ruleset, cf_text, judge (Judge, fitting()), daemon (Daemon, reload()). Imports errors, programs
and files.

Terms:

- ruleset: the lines that let a client relay if the database lists it;
- window: the minutes after its timestamp in which an entry permits relaying;
- hook: the existing ruleset that the lines extend, and what they do there: accept or refuse;
- place: the line of a file before which the ruleset can stand, with its hook;
- candidate: the text of a file with the ruleset at one place; the judge decides whether it works;
- judge: sendmail in address test mode, and m4 for a sendmail.mc;
- stranger: a client of another network with a recipient on another host, who must be refused.
"""
