# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of keys is a dictionary in twenty bytes an entry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.keys import (
    KeyTable,
    content_digest,
    key_digest,
)

KEYS = st.integers(1, 40) | st.sampled_from([1 << 10, 1 << 11, (1 << 64) - 1, (1 << 64) - (1 << 10)])
PUTS = st.lists(st.tuples(KEYS, st.integers(0, 3), st.integers(0, 9)), max_size=200)


@given(PUTS, st.integers(0, 9))
def test_it_behaves_as_a_dictionary(puts: list[tuple[int, int, int]], since: int) -> None:
    table, model = KeyTable(), dict[int, tuple[int, int]]()
    for key, content, time in puts:
        before = model.get(key)
        assert table.put(key, content, time) == (None if before is None else before[0])
        model[key] = (content, max(time, before[1] if before else 0))
    assert len(table) == len(model)
    assert all(table.get(key) == content for key, (content, _time) in model.items())
    assert table.get(77) is None
    for other in (KeyTable.unpack(table.pack()), table):
        assert {key: (content, time) for key, content, time in other.entries()} == model
    assert {key for key, _content, _time in table.since(since).entries()} == {
        key for key, (_content, time) in model.items() if time >= since
    }


def test_it_grows() -> None:
    table = KeyTable()
    for number in range(10_000):
        assert table.put(key_digest(str(number)), number, 1) is None
    assert len(table) == 10_000
    assert all(table.get(key_digest(str(number))) == number for number in range(10_000))


@pytest.mark.parametrize("text", ["AAAA", "not base64!", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        KeyTable.unpack(text)


def test_content_hashes_stand_for_themselves() -> None:
    assert content_digest("00000000000000ff") == 255
    assert content_digest("etag-of-16-chars") == key_digest("etag-of-16-chars")
    assert content_digest("v1") == key_digest("v1")
    assert key_digest("\ud800") != 0
