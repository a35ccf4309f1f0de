# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of keys is a set of pairs in twenty bytes each."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.keys import (
    KeyState,
    KeyTable,
    content_digest,
    key_digest,
)

KEYS = st.integers(1, 40) | st.sampled_from([1 << 10, 1 << 11, (1 << 64) - 1, (1 << 64) - (1 << 10)])
PUTS = st.lists(st.tuples(KEYS, st.integers(0, 3), st.integers(0, 9)), max_size=200)


@given(PUTS, st.integers(0, 9))
def test_it_behaves_as_a_set_of_pairs(puts: list[tuple[int, int, int]], since: int) -> None:
    table, model = KeyTable(), dict[tuple[int, int], int]()
    for key, content, time in puts:
        known = KeyState.NOTHING
        if any(key == other for other, _content in model):
            known = KeyState.PAIR if (key, content) in model else KeyState.KEY
        assert table.look(key, content) is known
        assert table.put(key, content, time) is known
        model[key, content] = max(time, model.get((key, content), 0))
    assert len(table) == len(model)
    assert all(table.look(*pair) is KeyState.PAIR for pair in model)
    assert table.look(77, 0) is KeyState.NOTHING
    for other in (KeyTable.unpack(table.pack()), table):
        assert {(key, content): time for key, content, time in other.entries()} == model
    assert {(key, content) for key, content, _time in table.since(since).entries()} == {
        pair for pair, time in model.items() if time >= since
    }


def test_a_key_with_very_many_contents_is_as_fast_as_any() -> None:
    table = KeyTable()
    began = process_time()
    for number in range(60_000):
        assert table.put(1, number, 1) is (KeyState.KEY if number else KeyState.NOTHING)
    assert all(table.look(1, number) is KeyState.PAIR for number in range(0, 60_000, 100))
    assert process_time() - began < 5, "in one chain it would be minutes"


def test_it_grows() -> None:
    table = KeyTable()
    for number in range(10_000):
        assert table.put(key_digest(str(number)), number, 1) is KeyState.NOTHING
    assert len(table) == 10_000
    assert all(table.look(key_digest(str(number)), number) is KeyState.PAIR for number in range(10_000))


@pytest.mark.parametrize("text", ["AAAA", "not base64!", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        KeyTable.unpack(text)


def test_content_hashes_stand_for_themselves() -> None:
    assert content_digest("00000000000000ff") == 255
    assert content_digest("etag-of-16-chars") == key_digest("etag-of-16-chars")
    assert content_digest("v1") == key_digest("v1")
    assert key_digest("\ud800") != 0
