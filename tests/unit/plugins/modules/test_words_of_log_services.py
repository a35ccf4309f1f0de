# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every word of a list that is sent to the services of logs, or told apart in their answers, is on their pages.

For Qualys see ``_qualys/test_words.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import fields as carbon_black
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import listing
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import fields as edgecast
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import fields as indusface
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import fields as scutum
from tests.tools import house_rules

ROOT = Path(__file__).resolve().parents[4]
ROW = re.compile(r"^\| `?([A-Za-z_ ]+)`? \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def page(name: str, section: str) -> dict[str, dict[str, str]]:
    """The words of a page, and what they mean, by where they are."""
    text = (ROOT / "docs" / "vendors" / f"{name}.md").read_text("utf-8")
    found: dict[str, dict[str, str]] = {}
    (whole,) = re.findall(rf"^#+ {re.escape(section)} .+?(?=^## )", text, re.MULTILINE | re.DOTALL)
    for where, word, meaning in ROW.findall(whole):
        if where != "where":
            found.setdefault(where, {})[word] = meaning.partition(",")[0].removesuffix(" (**assumed**)")
    return found


def first(table: dict[str, Any]) -> dict[str, str]:
    return {word: value[0] if isinstance(value, tuple) else value for word, value in table.items()}


def by_letters(words: dict[str, str]) -> dict[str, str]:
    return {indusface.letters(word): meaning for word, meaning in words.items()}


# Page, section and place, with what the code makes of each word there.
MEANINGS: dict[tuple[str, str, str], dict[str, str]] = {
    ("scutum_waf", "7.1", "category"): scutum.CATEGORY_LABELS,
    ("indusface_was", "8.4", "ScanStatus"): first(indusface.SCAN_STATUSES),
    ("indusface_was", "8.4", "OpenStatus"): indusface.OPEN_STATUSES,
    ("indusface_was", "8.4", "Severity"): indusface.SEVERITIES,
    ("edgecast_waf", "8", "Action Type"): dict(edgecast.ACTIONS),
    ("edgecast_waf", "8", "Rule Severity"): {str(key): word for key, word in enumerate(edgecast.SEVERITIES)},
    ("carbon_black", "8", "severity"): dict(carbon_black.SEVERITIES),
}
# The same where the code only knows the words.
WORDS: dict[tuple[str, str, str], set[str]] = {
    ("indusface_was", "8.4", "ServiceType"): set(indusface.SERVICE_TYPES),
    ("edgecast_waf", "8", "Profile Type"): {edgecast.AUDIT, "PRODUCTION"},
    ("carbon_black", "8", "source"): set(carbon_black.SOURCES),
    ("carbon_black", "8", "order"): set(listing.ORDERS),
    ("scutum_waf", "7.1", "time_order"): {"asc", "desc"},
}
# The options of the modules that offer words of a service, and the place on its page.
OPTIONS = {"time_order": ("scutum_waf", "7.1", "time_order"), "sort.order": ("carbon_black", "8", "order")}
# Words of our own.
OURS = {"sensitive", "details", "first_run", "on_failed_window"}


@pytest.mark.parametrize("place", MEANINGS, ids=" ".join)
def test_a_word_means_what_the_page_says(place: tuple[str, str, str]) -> None:
    name, section, where = place
    told = page(name, section)[where]
    assert MEANINGS[place] == (by_letters(told) if name == "indusface_was" else told)


@pytest.mark.parametrize("place", WORDS, ids=" ".join)
def test_the_page_has_every_word(place: tuple[str, str, str]) -> None:
    name, section, where = place
    assert WORDS[place] == set(page(name, section)[where])


def choices(options: dict[str, Any], above: str = "") -> Iterator[tuple[str, set[str]]]:
    for name, option in (options or {}).items():
        path = f"{above}.{name}".lstrip(".")
        if option.get("choices"):
            yield path, set(map(str, option["choices"]))
        yield from choices(option.get("suboptions") or {}, path)


def test_every_choice_of_a_module_is_on_the_page_or_is_our_own() -> None:
    walked = set()
    for vendor in ("scutum", "indusface", "edgecast", "carbon_black"):
        for path in sorted((ROOT / "plugins" / "modules").glob(f"{vendor}_*.py")):
            for option, words in choices(house_rules.documented(ROOT, path, "options")):
                walked.add(option)
                if option not in OURS:
                    name, section, where = OPTIONS[option]
                    assert words == set(page(name, section)[where]), (path.name, option)
    assert walked == {*OURS, *OPTIONS}


def test_every_table_of_words_on_a_page_is_looked_at() -> None:
    pages = {(name, section) for name, section, _where in (*MEANINGS, *WORDS)}
    told = {(name, section, where) for name, section in pages for where in page(name, section)}
    assert told == {*MEANINGS, *WORDS}
