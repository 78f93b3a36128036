# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad disks and bad files: one line that names the file and the remedy, the right status, the old file as it was.

The cases stand in tables in in_guest/bad_files.py. What cannot be tried here: that the SELinux label of the file survives a
write. The test bed's kernel has no SELinux; the label is an extended attribute (security.selinux) like ``user.comment`` and
the ACL, which are tried and which the same code copies. A disk that fails while it is written (EIO) is not tried either.
"""

import pytest


@pytest.mark.fault("unwritable-database")
def test_bad_disks_and_bad_files_are_named_in_one_line_and_stay_as_they_are(host, run_script):
    counts = run_script(host, "bad_files").counts
    assert counts["faults"] == []
    assert counts["refusals"] > counts["cases"]
    assert counts["special files written"] > 0
