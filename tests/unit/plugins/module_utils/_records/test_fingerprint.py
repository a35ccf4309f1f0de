# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a finding survives what does not matter, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records.fingerprint import fingerprint, stable_url

URL = "https://shop.test/cart/view?item=5&page=2"
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
TEXTS = st.none() | WORDS
NAMES = st.lists(st.text("abcdefghij", min_size=1, max_size=5), unique=True, max_size=5)


@pytest.mark.parametrize(
    "same",
    [
        "https://shop.test/cart/view?page=2&item=5",
        "https://shop.test/cart/view?item=999&page=7",
        "https://shop.test/cart/view?item=5&page=2#top",
        "https://SHOP.test:443/cart/view?item=5&page=2",
        "HTTPS://shop.test/cart/view?item=5&page=2",
        "https://shop.test/cart/view;jsessionid=0F1E2D3C?item=5&page=2",
        "https://shop.test/(S(lit3py55t21z5v55vlm25s55))/cart/view?item=5&page=2",
        "https://shop.test/(S(lit3py55)F(t21z5v55vlm))/cart/view?item=5&page=2",
        "https://shop.test/cart/view?item=5&page=2&sid=abc&PHPSESSID=00012&_=1730000000",
        "https://user:secret@shop.test/cart/view?item=5&page=2",
        "https://shop.test/cart/vie%77?item=5&page=2",
        " https://shop.test/cart/view?item=5&page=2 ",
        "https://shop.test/cart/view?item=5&&page=2&item=6",
    ],
)
def test_what_changes_from_scan_to_scan_does_not_change_the_place(same: str) -> None:
    assert stable_url(same) == stable_url(URL)


@pytest.mark.parametrize(
    "other",
    [
        "https://shop.test/cart/edit?item=5&page=2",
        "https://api.test/cart/view?item=5&page=2",
        "https://shop.test:8443/cart/view?item=5&page=2",
        "http://shop.test:443/cart/view?item=5&page=2",
        "https://shop.test/cart/view?item=5",
        "https://shop.test/cart/view?item=5&page=2&session_name=x&debug=1",
    ],
)
def test_another_host_path_or_parameter_is_another_place(other: str) -> None:
    assert stable_url(other) != stable_url(URL)


@pytest.mark.parametrize("url", ["http://[", "https://[::1", "not a url", "", "?", "//", "javascript:alert(1)//"])
def test_a_url_that_cannot_be_parsed_still_has_a_place(url: str) -> None:
    assert isinstance(stable_url(url), str)


def test_an_empty_path_is_the_root() -> None:
    assert stable_url("https://shop.test") == stable_url("https://shop.test/")


@given(st.text())
def test_no_text_breaks_the_normalisation_of_urls(url: str) -> None:
    assert isinstance(stable_url(url), str)


@given(NAMES, st.randoms(use_true_random=False), WORDS)
def test_order_and_values_of_parameters_never_matter(names: list[str], random: object, value: str) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = "https://a.test/x?" + "&".join(f"{name}=1" for name in names)
    two = "https://a.test/x?" + "&".join(f"{name}={quote(value, safe='')}" for name in shuffled)
    assert stable_url(one) == stable_url(two)


HOSTILE = ["https://a.test/" + "(A(" * 300_000, "https://a.test/?" + "sess" * 200_000, ";" * 900_000]


@pytest.mark.parametrize("url", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_url_is_normalised_in_time(url: str) -> None:
    # Quadratic backtracking would take minutes here, and not fail but hang.
    assert stable_url(url)


@given(WORDS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_fingerprint_is_32_digits_and_repeatable(
    source: str,
    asset: str | None,
    rule: str | None,
    url: str | None,
    method: str | None,
    parameter: str | None,
    extra: str | None,
) -> None:
    found = fingerprint(source, asset, rule, url, method, parameter, extra)
    assert re.fullmatch(r"[0-9a-f]{32}", found)
    assert found == fingerprint(source, asset, rule, url, method, parameter, extra)


def test_each_part_counts() -> None:
    whole = ("qualys", "1", "150001", "https://a.test/", "GET", "q", "x")
    variants = [(*whole[:index], "other", *whole[index + 1 :]) for index in range(len(whole))]
    assert len({fingerprint(*parts) for parts in [whole, *variants]}) == len(whole) + 1


def test_parts_do_not_flow_into_each_other() -> None:
    assert fingerprint("qualys", "12", "3", None, None, None) != fingerprint("qualys", "1", "23", None, None, None)


def test_a_lone_surrogate_does_not_break_it() -> None:
    assert fingerprint("qualys", "1", "2", "https://a.test/\ud800", None, "\udfff")
