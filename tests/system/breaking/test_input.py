# SPDX-License-Identifier: GPL-3.0-or-later
"""Any text is either accepted, and makemap and sendmail read what it says, or refused, and nothing is written.

hypothesis makes the texts up here; a script in the guest gives them to the command, all in one process.
"""

import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

octet = st.one_of(
    st.integers(0, 300).map(str),
    st.sampled_from(["", "00", "01", "256", "0x1", "1e1", "\u0663", "\uff11", "-1", "+1", " 1", "1\n"]),
)
group = st.one_of(
    st.integers(0, 0x1FFFF).map("{:x}".format),
    st.integers(0, 0xFFFF).map("{:04X}".format),
    st.sampled_from(["", "0", "00000", "g"]),
)
any_text = st.text(st.characters(), max_size=40)
tag = st.sampled_from(["", "", "IPv6:", "ipv6:", "IPV6:", "IPv4:", "IPv6:IPv6:"])
ip4 = st.ip_addresses(v=4).map(str)
ip6 = st.one_of(
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
    st.lists(st.sampled_from(["0", "0000", "1", "ffff", "ABCD"]), min_size=1, max_size=7).map(
        lambda groups: ":".join(groups) + "::"
    ),
    ip4.map("::ffff:{}".format),
    ip4.map("::{}".format),
    ip4.map("64:ff9b::{}".format),
)
tail = st.sampled_from([" ", "\n", "\0", "\r", "\t", "/32", "%eth0", ":25", "]", "\u200b", "\u2028", "."])
address = st.one_of(
    ip4,
    ip6,
    st.tuples(tag, st.one_of(ip4, ip6)).map("".join),
    st.lists(octet, min_size=3, max_size=5).map(".".join),
    st.tuples(tag, st.lists(group, min_size=2, max_size=9).map(":".join)).map("".join),
    st.tuples(st.one_of(ip4, ip6), tail).map("".join),
    st.tuples(tail, st.one_of(ip4, ip6)).map("".join),
    any_text,
)
number = st.one_of(
    st.integers(0, 2 * 10**9).map(str),
    st.integers(-5, 10**13).map(str),
    st.integers(0, 10**12).map("{:014}".format),
    st.sampled_from(
        ["", "0", "253402300799", "253402300800", "999999999999", "000000000005", "0x10", "1_000", "\u0663", "\u00b2"]
    ),
    st.text("0123456789\u0663\u00b2eE.+-_ x", max_size=14),
    st.tuples(st.integers(0, 10**10).map(str), tail).map("".join),
    any_text,
)
known = st.sampled_from(
    ["add", "delete", "list", "expire", "dump", "verify", "--all", "--server", "--lock-timeout", "--", "-h", "-x"]
)
calls = {
    "add": st.tuples(st.just("add"), address, number),
    "add now": st.tuples(st.just("add"), address),
    "list": st.tuples(st.just("list"), number),
    "expire": st.tuples(st.just("expire"), number),
    "delete": st.lists(address, min_size=1, max_size=3).map(lambda addresses: ["delete", *addresses]),
    "lock timeout": st.tuples(st.just("--lock-timeout"), number, st.just("dump")),
    "words": st.lists(st.one_of(known, address, any_text), max_size=4),
}
NUMBERS = {"add": 150, "add now": 50, "list": 50, "expire": 50, "delete": 50, "lock timeout": 30, "words": 60}


def made_up(strategy, number):
    """Return ``number`` examples, or fewer where there are no more."""
    examples = []

    @settings(
        max_examples=number, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(example):
        examples.append(list(example))

    collect()
    return examples


def test_any_text_is_read_back_as_the_same_entry_or_refused(host, run_script, full):
    batch = [call for name, strategy in calls.items() for call in made_up(strategy, NUMBERS[name] * (20 if full else 1))]
    # Turn by turn, so that there is something to list and to expire.
    batch = [call for turn in range(10) for call in batch[turn::10]]
    host.write("/root/batch.json", json.dumps(batch))
    counts = run_script(host, "input", batch="/root/batch.json").counts
    assert counts["faults"] == []
    assert min(counts["added"], counts["listed"], counts["expired"], counts["refused"]) > 0


def test_entries_and_files_of_other_makers_are_kept_and_shown(host, run_script):
    counts = run_script(host, "foreign_entries").counts
    assert counts["faults"] == []
    assert counts["foreign entries kept"] > 0
