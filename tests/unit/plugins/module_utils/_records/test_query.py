# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath over results: wrong expressions are a sentence about the option, before or after the request."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import MissingLibrary, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._records import query
from ansible_collections.appsec.perimeter.plugins.module_utils._records.query import Query

RECORDS = [{"id": "1", "severity": "high", "score": 7}, {"id": "2", "severity": "low", "score": None}]
PIECES = st.lists(
    st.sampled_from(["[", "]", "[?", "*", "@", "id", "score", "`1`", "'x'", "==", "||", "&", "(", ")", "sort_by", ","]),
    max_size=8,
).map("".join)


@pytest.mark.parametrize("expression", [None, ""])
def test_without_an_expression_everything_comes_back(expression: str | None) -> None:
    assert Query(expression)(RECORDS) is RECORDS


def test_an_expression_selects() -> None:
    assert Query("[?severity=='high'].id")(RECORDS) == ["1"]


@pytest.mark.parametrize(
    "expression", ["[?", "a b", "foo(", "@@", "[::x]", "no_such_function(@)", "a && [?not_one(@)][1:2]"]
)
def test_a_wrong_expression_is_refused_when_it_is_made(expression: str) -> None:
    with pytest.raises(OptionError, match=r"^query: .+\.$") as caught:
        Query(expression)
    assert "\n" not in caught.value.message
    assert "jmespath.org" in caught.value.hint


@pytest.mark.parametrize("expression", ["sort_by(@, &score)", "length(`1`)", "length(@, @)", "[::0]"])
def test_an_expression_that_does_not_fit_the_data_is_refused_when_it_is_used(expression: str) -> None:
    with pytest.raises(OptionError, match=r"^query: "):
        Query(expression)(RECORDS)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@given(st.text(max_size=30) | PIECES)
def test_no_expression_fails_in_any_other_way(expression: str) -> None:
    with contextlib.suppress(OptionError):
        Query(expression)(RECORDS)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "JMESPATH_IMPORT_ERROR", "Traceback: no jmespath")
    with pytest.raises(MissingLibrary) as caught:
        Query("[0]")
    assert (caught.value.library, caught.value.trace) == ("jmespath", "Traceback: no jmespath")
    assert Query(None)(RECORDS) is RECORDS
