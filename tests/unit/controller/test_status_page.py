# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a fleet as a page; how it looks is tried in a browser, in tests/system/page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, engine, fleet, host, server, sharing, troubled
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_history import extended
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page

DAY = 86400
UGLY = "\"><script>alert('&')</script>"
COUNTS = {"since": MADE - 90_000, "recorded": 7, "delayed": 0, "ignored": 1, "refused": 3, "failed": 2}


class Seen(HTMLParser):
    """What a browser would see: the elements with their attributes, and the text."""

    VOID = frozenset(("meta", "input", "wbr"))

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open[-1:] not in (["style"], ["script"]) else ""

    def count(self, tag):
        return sum(name == tag for name, _attributes in self.elements)


def rows(text):
    """Return the cells of the rows of hosts, without what is empty."""
    found = re.findall(r"<tr>(<th class=\"name\".*?)</tr>", text, re.S)
    cells = (re.findall(r"<(?:th|td)\b[^>]*>(.*?)</(?:th|td)>", row, re.S) for row in found)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells]


def tiles(text):
    """Return the numbers of the tiles, and what stands below them, by title."""
    found = re.findall(
        r"<figcaption>(.*?)</figcaption>\s*<p class=\"value\">(.*?)</p>.*?<p class=\"faint\">(.*?)</p>", text, re.S
    )
    return {title: (value, note) for title, value, note in found}


def hostile(text):
    """Return a fleet in which all that comes from hosts and people is ``text``."""
    refused = {text: {text: 1}}
    return fleet(
        host(
            text, server(text, sendmail_cf=text, ruleset=text), server(text, fault=text), recorder=text, recorder_faults=[text]
        ),
        host(
            text,
            drift=[text],
            unknown=[text],
            sharing=sharing(engine(text, error=text, refused=refused), failed_servers={text: text}),
        ),
        host(text, drift_fault=text, sharing={"fault": text}),
        {"host": text, "fault": text},
    )


def test_what_people_and_hosts_named_is_text_and_never_markup():
    seen, plain = Seen(page(hostile(UGLY))), Seen(page(hostile("x")))
    names, plain_names = ([tag for tag, _attributes in each.elements if tag != "wbr"] for each in (seen, plain))
    assert names == plain_names
    assert seen.count("script") == 1
    assert seen.text.count(UGLY) >= 20


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_no_name_whatever_is_in_it_adds_an_element_or_an_attribute(text):
    seen, plain = Seen(page(hostile(text))), Seen(page(hostile("x")))
    parts = [(name, sorted(attributes)) for name, attributes in seen.elements if name != "wbr"]
    assert [part for part in parts if part[0] != "li"] == [
        (name, sorted(attributes)) for name, attributes in plain.elements if name not in ("wbr", "li")
    ]


def test_a_character_that_turns_the_direction_of_writing_is_shown_as_what_it_is():
    text = page(fleet(host("mail\u202egro.elpmaxe"), {"host": "b", "fault": "a\x00b\u2066"}))
    assert "mail\\u202egro" in Seen(text).text
    assert not set("\u202e\u2066\x00") & set(text)


def test_the_same_state_is_the_same_page():
    assert page(troubled()) == page(troubled())


def test_the_page_loads_nothing_from_anywhere():
    seen = Seen(page(hostile("x")))
    attributes = {name for _tag, attributes in seen.elements for name in attributes}
    assert not attributes & {"src", "srcset", "style", "action", "onclick", "onload", "onerror"}
    assert {attributes["href"][:6] for tag, attributes in seen.elements if "href" in attributes} == {"#host-"}
    assert not {tag for tag, _attributes in seen.elements} & {"link", "img", "iframe", "object", "base"}
    assert "url(" not in page(troubled())
    assert "@import" not in page(troubled())


def test_only_the_style_and_the_script_of_the_page_are_allowed_by_its_policy():
    text = page(troubled())
    (policy,) = (each["content"] for tag, each in Seen(text).elements if each.get("http-equiv") == "Content-Security-Policy")
    hashes = {}
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        hashes[tag] = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}';"
        " base-uri 'none'; form-action 'none'"
    )
    # It has to stand before what it is about.
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_a_fleet_without_hosts_has_a_page():
    text = page(fleet())
    assert "Nothing needs attention" in text
    assert "<svg" not in text


def test_a_row_has_all_of_a_host_and_its_virtual_server():
    text = page(fleet(host("mail1.example.org", server("one"), recorder_counts=COUNTS)))
    cells = [
        "mail1.example.org",
        "fine",
        "up 25 h",
        "3",
        "2",
        "5 h ago",
        "none",
        "one",
        "24 h",
        "30",
        "24",
        "1 min",
        "30 h",
        "2",
        "live",
    ]
    assert rows(text) == [cells]
    assert text.count('<th scope="col"') == len(cells)


def test_further_virtual_servers_have_rows_below_their_host():
    text = page(fleet(host("mail1", server("one"), server("two"), server("three"))))
    assert re.findall(r'scope="rowgroup" rowspan="3">mail1<', text)
    assert text.count(">24 h</td>") == 3
    assert text.count("up 3 d") == 1


def test_a_host_without_virtual_servers_has_a_row():
    state = host("mail1")
    state["virtual_servers"] = []
    assert rows(page(fleet(state)))[0][:3] == ["mail1", "fine", "up 3 d"]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"window": 1440}, "24 h"),
        ({"window": 720}, "12 h"),
        ({"window": 90}, "90 min"),
        ({"window": 60_000}, "1,000 h"),
        ({"window": 0}, "no end"),
        ({"window": None, "ruleset": "missing"}, "none"),
        ({"window": None, "ruleset": "none"}, "none"),
        ({"window": None, "ruleset": "unknown"}, "?"),
        ({"window": None, "fault": "damaged"}, "?"),
    ],
)
def test_each_virtual_server_has_its_window(changes, shown):
    (row,) = rows(page(fleet(host("mail1", server("one", **changes)))))
    assert row[8] == shown


def test_a_window_without_an_end_is_sorted_as_the_longest():
    assert 'data-value="inf"' in page(fleet(host("mail1", server("one", window=0))))


def test_nothing_is_made_up_where_nothing_is_known():
    unknown = {"name": "a", "relayers_db": "/d", "sendmail_cf": "/c", "fault": "damaged"}
    (row,) = rows(page(fleet(host("mail1", unknown, recorder="down", recorder_counts=None, drift=None))))
    assert row == ["mail1", "broken", "down", "?", "?", "5 h ago", "not looked at", "a", "?", "?", "", "", "", "", "at fault"]


def test_what_needs_attention_comes_first_and_hosts_of_a_state_stay_in_the_order_of_the_inventory():
    late = {"last": MADE - 40 * 3600, "status": 0, "late": True}
    hosts = [host("d"), host("c", expiry=late), {"host": "b", "fault": "gone"}, host("a"), host("e", recorder="down")]
    assert [row[0] for row in rows(page(fleet(*hosts)))] == ["b", "e", "c", "d", "a"]


def test_each_host_that_needs_attention_is_listed_with_all_sentences_and_a_link_to_its_row():
    text = page(troubled())
    heads = re.findall(r'<li class="(\w+)"[^>]*><a class="name" href="#(host-\d+)" aria-label="([^"]*)"', text)
    assert [(state, name) for state, _key, name in heads][1:] == [
        ("broken", "late"),
        ("broken", "many-servers-have-a-long-name.example.org"),
        ("attention", "failed"),
        ("attention", "fails"),
        ("attention", "differs"),
    ]
    for _state, key, name in heads:
        assert re.search(rf'id="{key}">\s*<tr><th class="name" aria-label="{re.escape(name)}"', text)
    assert "the login recorder is down" in text
    assert "Needs attention: 6 of 8 hosts" in text


def test_a_long_list_is_folded_up_behind_its_first_hosts():
    text = page(fleet(*({"host": f"mail{number:03}", "fault": "gone"} for number in range(300))))
    assert "<summary>288 more</summary>" in text
    assert text.index("mail011") < text.index("<summary>288 more") < text.index("mail012")
    assert text.count("<li>gone</li>") == 300


def test_what_a_user_who_is_not_root_cannot_know_needs_attention():
    text = page(fleet(host("mail1", unknown=["only root can prove that Dovecot reports logins"])))
    assert "only root can prove that Dovecot reports logins; connect as root, or use --become" in text
    assert rows(text)[0][1] == "attention"


def test_names_of_hosts_are_never_cut():
    name = ".".join(["a-very-long-label"] * 14)
    assert rows(page(fleet(host(name))))[0][0] == name


def test_the_numbers_of_the_fleet_stand_on_top():
    silent = host("c", recorder="none", recorder_counts=None)
    shown = tiles(page(fleet(host("a", recorder_counts=COUNTS), host("b", recorder_counts=COUNTS), silent)))
    assert shown == {
        "Need attention": ("0", "of 3 hosts"),
        "Clients, last 24 h": ("72", "by their last login"),
        "Clients, last hour": ("3", "by hour of the last day"),
        "Entries": ("90", "6 in the future"),
        "Refused reports": ("6", "since each recorder started"),
        "Failures": ("4", "since each recorder started"),
    }


def history(*states):
    lines = []
    for state in states:
        lines = extended(lines, state)
    return lines


def at(day, *hosts):
    return {**fleet(*hosts), "made": MADE + day * DAY}


def test_with_a_history_the_numbers_have_trends_and_a_table():
    more = {**COUNTS, "refused": 8, "failed": 2}
    states = [
        at(-2, host("a", recorder_counts=COUNTS)),
        at(-1, {"host": "a", "fault": "gone"}),
        at(0, host("a", server(entries=50), recorder_counts=more)),
    ]
    text = page(states[-1], history(*states))
    shown = tiles(text)
    assert shown["Need attention"] == ("0", "0 to 1")
    assert shown["Entries"] == ("50", "0 to 50")
    assert shown["Refused reports"] == ("5", "since the report before")
    assert shown["Failures"] == ("0", "since the report before")
    assert "The last 3 reports, since 2026-09-19 14:13" in text
    (first,) = re.findall(r'<tr><th scope="row">2026-09-21 14:13</th>(.*?)</tr>', text)
    assert re.findall(r">(\d*)</td>", first) == ["1", "0", "24", "50", "0", "0", "0", "5", "0"]
    assert text.index('"row">2026-09-21') < text.index('"row">2026-09-20') < text.index('"row">2026-09-19')
    assert text.count('<path class="line"') == 2
    # Those that need attention, what was refused, what failed, the hours of the fleet, and those of the virtual server.
    assert text.count('<path class="bar"') == 5


def test_a_history_that_begins_has_no_trends_yet():
    state = fleet(host("a"))
    text = page(state, history(state))
    assert "The history begins with this report" in text
    assert '<path class="line"' not in text
    assert tiles(text)["Refused reports"] == ("0", "since each recorder started")


def test_only_the_last_reports_of_a_long_history_are_shown():
    states = [at(day, host("a")) for day in range(-99, 1)]
    assert "The last 60 reports" in page(states[-1], history(*states))


def test_clocks_that_were_set_do_not_turn_lines_back():
    states = [at(day, host("a", server(entries=100 + day))) for day in (0, -5, 1)]
    (way,) = re.findall(r'class="line" d="M([^"]*)"', page(states[-1], history(*states)))[1:]
    places = [float(point.split()[0]) for point in way.split("L")]
    assert places == sorted(places) == [0.0, pytest.approx(83.3), 100.0]


def test_reports_of_the_same_second_are_drawn():
    states = [at(0, host("a")), at(0, host("a"))]
    assert page(states[-1], history(*states)).count('<path class="line"') == 2
