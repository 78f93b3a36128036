# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measurements were made with."""

import os
import platform
import re
import subprocess

PERL_VERSIONS = 'printf "%vd, DB_File %s, Berkeley DB %s", $^V, $DB_File::VERSION, $DB_File::db_version'


def describe():
    """Return name → text: machine, kernel, file system, versions."""
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}, {_memory()} of memory",
        "kernel": f"Linux {platform.release()}",
        "guest": _first_line("sh", "-c", '. /etc/os-release; echo "$PRETTY_NAME, $(cat /etc/debian_version)"'),
        "file system": _first_line("findmnt", "--noheadings", "--output", "FSTYPE", "--target", "/etc/mail"),
        "sendmail": _version(r"Version (\S+)", "sendmail", "-d0.1", "-bv", "root"),
        "Python": f"{platform.python_version()}, {_binding()}",
        "Perl": _first_line("perl", "-MDB_File", "-e", PERL_VERSIONS),
    }


def _binding():
    from bsddb3 import db

    return f"bsddb3 {db.__version__}, Berkeley DB {'.'.join(map(str, db.version()))}"


def _processor():
    with open("/proc/cpuinfo") as file:
        return re.search(r"model name\s*: (.*)", file.read()).group(1)


def _memory():
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB"


def _first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[0]


def _version(pattern, *command):
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return re.search(pattern, output).group(1)
