# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A value of any type becomes the type that a record has, or nothing; two different identities stay different."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records import coerce
from ansible_collections.appsec.perimeter.plugins.module_utils._records.identity import finding_digest, run_key

LONG = "x" * 5000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "text", "whole", "number"),
    [
        ("", None, None, None),
        ("a", "a", None, None),
        ("12", "12", 12, None),
        (" -3 ", " -3 ", -3, None),
        ("1_000", "1_000", None, None),
        ("١", "١", None, None),
        (12, "12", 12, 12),
        (0, "0", 0, 0),
        (7.0, "7.0", 7, 7.0),
        # Half a vulnerability is no number of vulnerabilities: 0 would let it pass.
        (0.5, "0.5", None, 0.5),
        (2**53, "9007199254740992", None, None),
        (float("inf"), "inf", None, None),
        (float("nan"), "nan", None, None),
        (True, None, None, None),
        (None, None, None, None),
        ([1], None, None, None),
        ({"a": 1}, None, None, None),
    ],
)
def test_a_value_is_read_as_what_it_can_mean(value: Any, text: Any, whole: Any, number: Any) -> None:
    assert (coerce.text(value), coerce.whole(value), coerce.number(value)) == (text, whole, number)


@given(JSON)
def test_no_value_raises(value: Any) -> None:
    functions = (coerce.text, coerce.texts, coerce.bounded, coerce.whole, coerce.number, coerce.truth)
    for function in (*functions, coerce.items, coerce.mapping):
        function(value)


def test_a_boolean_is_read_from_text_too() -> None:
    assert [coerce.truth(value) for value in (True, False, "true", " FALSE ", "yes", 1, None)] == [
        True,
        False,
        True,
        False,
        None,
        None,
        None,
    ]


def test_a_bounded_text_is_short_and_stays_as_it_is() -> None:
    short = coerce.bounded(LONG)
    assert short is not None
    assert len(short) == coerce.LONGEST
    assert coerce.bounded(short) == short
    assert coerce.bounded("a" * coerce.LONGEST) == "a" * coerce.LONGEST
    assert coerce.bounded("\ud800" * 5000)


@pytest.mark.parametrize("field", ["source", "id", "unique_id", "fingerprint", "asset.id", "asset.name"])
def test_identities_that_differ_only_behind_their_4096th_character_stay_two(field: str) -> None:
    def digest(end: str) -> bytes:
        finding: dict[str, Any] = dict.fromkeys(("source", "id", "unique_id", "fingerprint"), "same")
        finding["asset"] = {"id": None, "name": None}
        holder, name = (finding["asset"], field[6:]) if field.startswith("asset.") else (finding, field)
        holder[name] = LONG + end
        return finding_digest(finding)

    assert digest("a") != digest("b")
    assert digest("a") == digest("a")


def test_the_key_of_a_run_says_what_it_was_made_of() -> None:
    assert run_key("a", "b", "c") == "u:a"
    assert run_key(None, "b", "c") == "f:b"
    assert run_key("", "", "c") == "i:c"
    assert run_key(None, None, None) is None
