# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each application belongs to exactly one slice of a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.slices import part_of


@given(st.lists(st.integers(1, 10**9)), st.integers(1, 9))
def test_the_slices_together_have_each_id_once(ids: list[int], count: int) -> None:
    parts = [part_of(map(str, ids), number, count) for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == sorted(set(ids))


@given(st.sets(st.integers(1, 10**9)), st.integers(1, 10**9), st.integers(1, 9))
def test_a_new_application_moves_no_other_one(ids: set[int], new: int, count: int) -> None:
    for number in range(1, count + 1):
        assert set(part_of(ids | {new}, number, count)) - {new} == set(part_of(ids - {new}, number, count))


@pytest.mark.parametrize(("number", "count"), [(0, 2), (3, 2), (1, 0)])
def test_a_slice_that_there_is_not_is_refused(number: int, count: int) -> None:
    with pytest.raises(OptionError, match="There is no slice"):
        part_of([1], number, count)


@pytest.mark.parametrize("ids", [["shop"], [None], [[1]]])
def test_an_id_is_a_number(ids: list[object]) -> None:
    with pytest.raises(OptionError, match="not a number"):
        part_of(ids, 1, 2)
