# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qualys' irregular JSON made regular, whatever arrives."""

from __future__ import annotations

import base64
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.shapes import (
    decimal,
    decoded,
    decoded_loosely,
    items,
    number,
    score,
    text,
    truth,
    user_name,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["list", "value", "Tag", "Url", "count", "id", "x", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "found"),
    [("true", True), ("false", False), (" True ", True), (True, True), (False, False)]
    + [(value, None) for value in ("", "yes", "1", None, 1, 0, [], {})],
)
def test_a_boolean_is_read_from_text_and_false_is_false(value: Any, found: bool | None) -> None:
    assert truth(value) is found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (12345670.0, 12345670),
        (12345670.9, None),
        (-0.5, None),
        ("12345670.0", 12345670),
        ("1.5", None),
        ("x", None),
        (None, None),
        ([], None),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_a_whole_number_is_read_from_a_number_or_a_text(value: Any, found: int | None) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (410, 410),
        (410.0, 410),
        ("410.0", 410),
        (612.5, 612.5),
        ("612.5", 612.5),
        ("4.1e2", 410),
        (0, 0),
        (-0.5, -0.5),
        (2**60 + 1, 2**60 + 1),
        ("x", None),
        (None, None),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_a_score_keeps_its_decimals_and_a_whole_one_has_none(value: Any, found: float | None) -> None:
    assert score(value) == found
    assert score(value).__class__ is found.__class__


@pytest.mark.parametrize(
    ("value", "found"),
    [(9.8, 9.8), ("9.8", 9.8), (7, 7.0), ("x", None), (None, None), ({}, None), (10**400, None)]
    + [(value, None) for value in (math.inf, -math.inf, math.nan, "inf", "nan")],
)
def test_a_decimal_number_is_finite(value: Any, found: float | None) -> None:
    assert decimal(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a", "a"),
        (5, "5"),
        (12345670.0, "12345670"),
        (9.5, "9.5"),
        (math.inf, "inf"),
        ({"value": "a", "regex": "true"}, "a"),
        ({"value": {"value": "a"}}, None),
        ("", ""),
    ]
    + [(value, None) for value in (None, [], {}, {"value": None})],
)
def test_a_text_may_stand_in_an_object_with_attributes(value: Any, found: str | None) -> None:
    assert text(value) == found


@pytest.mark.parametrize(
    ("collection", "found"),
    [
        ({"count": 2, "list": [{"Tag": {"id": 1}}, {"Tag": {"id": 2}}]}, [{"id": 1}, {"id": 2}]),
        ({"count": 1, "list": [79]}, [79]),
        ({"list": [{"Url": {"value": "a"}}]}, [{"value": "a"}]),
        ({"list": {"Tag": {"id": 1}}}, [{"id": 1}]),
        ({"list": {"id": 1}}, [{"id": 1}]),
        ({"list": "a"}, ["a"]),
        ({"list": [{"name": "a"}]}, [{"name": "a"}]),
        ({"count": 0}, []),
        ({"list": None}, []),
        ({}, []),
        (None, []),
        ([], []),
        ("", []),
    ],
)
def test_a_collection_is_read_without_its_wrappers(collection: Any, found: list[Any]) -> None:
    assert items(collection) == found


def test_a_collection_may_have_another_wrapper() -> None:
    assert items({"set": [{"WebAppFindingHistory": {"a": 1}}]}, "set") == [{"a": 1}]


@given(st.text())
def test_base64_is_decoded_with_and_without_its_padding(content: str) -> None:
    data = content.encode("utf-8", "replace")
    encoded = base64.b64encode(data).decode()
    expected = data.decode("utf-8", "replace")
    assert decoded(encoded) == expected
    assert decoded(encoded.rstrip("=")) == expected


@pytest.mark.parametrize("value", ["no base64!", "Host: a", "äöü", "a", "=", "ab\ncd"])
def test_what_is_not_base64_stands_for_itself(value: str) -> None:
    assert decoded(value) == value


@pytest.mark.parametrize("value", ["123header456", "username", "test", "password", "Zm9v/w==", "Zm9v/w"])
def test_a_text_whose_decoding_is_not_utf_8_stays_as_it_is(value: str) -> None:
    assert decoded(value) == value


def test_bytes_that_are_no_text_are_replaced_where_they_are_certainly_base64() -> None:
    encoded = base64.b64encode(b"a\xff\xfeb").decode()
    assert decoded(encoded) == encoded
    assert decoded_loosely(encoded) == "a\ufffd\ufffdb"
    assert decoded(None) is None
    assert decoded("") == ""


def test_a_user_is_called_by_user_name_else_by_id() -> None:
    assert user_name({"id": 7, "username": "ada"}) == "ada"
    assert user_name({"id": 7}) == "7"
    assert user_name({}) is None
    assert user_name("ada") is None


@given(ANYTHING)
def test_no_json_value_breaks_any_reader(value: Any) -> None:
    assert truth(value) in (True, False, None)
    assert number(value) is None or isinstance(number(value), int)
    found = decimal(value)
    assert found is None or math.isfinite(found)
    for read in (text, decoded, user_name):
        result = read(value)
        assert result is None or isinstance(result, str)
    assert isinstance(items(value), list)
