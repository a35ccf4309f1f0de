# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a web application: how their values are compared, and how odd answers are read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import from_raw, same_url
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.reference import (
    Reference,
    show_reference,
)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("https://shop.test", "https://shop.test/"),
        ("https://SHOP.test/a", "HTTPS://shop.test/a"),
        (" https://shop.test/ ", "https://shop.test/"),
    ],
)
def test_urls_that_mean_the_same_are_the_same(one: str, two: str) -> None:
    assert same_url(one) == same_url(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("https://shop.test/A", "https://shop.test/a"),
        ("https://shop.test/a", "https://shop.test/a/"),
        ("https://shop.test/?a=1", "https://shop.test/"),
        ("http://shop.test/", "https://shop.test/"),
    ],
)
def test_urls_that_do_not_are_not(one: str, two: str) -> None:
    assert same_url(one) != same_url(two)


@pytest.mark.parametrize("url", ["http://[", "no url", "", "/path"])
def test_a_text_that_is_no_url_stands_for_itself(url: str) -> None:
    assert same_url(url) == url


@given(st.text())
def test_no_text_breaks_the_comparison_of_urls(url: str) -> None:
    assert isinstance(same_url(url), str)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        (Reference(5, "prod"), "prod"),
        (Reference(5, None), "5"),
        (Reference(5, "2026"), "5"),
        (Reference(None, "ada"), "ada"),
    ],
)
def test_a_reference_is_shown_in_the_form_that_an_option_takes(reference: Reference, shown: str) -> None:
    assert show_reference(reference) == shown


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ({"lastScan": "x"}, "last_scan", None),
        ({"defaultScanner": {}}, "default_scanner", None),
        ({"config": []}, "cancel_after", None),
        ({"config": {"cancelScansAfterNHours": "8"}}, "cancel_after", 8),
        ({"useSitemap": "false"}, "use_sitemap", False),
        ({"urlWhitelist": {"list": [{"UrlEntry": {"value": "a"}}]}}, "url_allowlist", [{"value": "a", "regex": False}]),
        ({"uris": {"list": ["a", {"Url": {"value": "b"}}, {"Url": None}]}}, "uris", ["a", "b"]),
        ({"attributes": {"list": [{"Attribute": {"name": "a"}}, {"Attribute": {}}, 5]}}, "attributes", {"a": ""}),
        ({"createdDate": "soon"}, "created", None),
    ],
)
def test_odd_answers_are_read_as_far_as_they_go(raw: dict[str, Any], name: str, value: Any) -> None:
    assert from_raw(raw)[name] == value
