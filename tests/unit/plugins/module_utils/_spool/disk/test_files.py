# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the name of a file says."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.files import window_of
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Window

START, END = dt.datetime(2026, 5, 9, 22, 30, tzinfo=dt.UTC), dt.datetime(2026, 5, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize("rest", [".ndjson", ".ndjson.gz", "-2.ndjson", "-2.ndjson.gz"])
def test_the_name_of_a_segment_is_its_window(rest: str) -> None:
    assert window_of(f"20260509T223000Z-20260510T000000Z{rest}") == Window(START, END)


@pytest.mark.parametrize(
    "name",
    [
        "20260509T223000Z-20260510T000000Z.json",
        "20260509T223000Z.ndjson",
        "20261309T223000Z-20270101T000000Z.ndjson",
        "20260230T223000Z-20260510T000000Z.ndjson",
        "20260509T226000Z-20260510T000000Z.ndjson",
        "20260509T223000Z-20260510T240000Z.ndjson",
        "20260509T223000Z-\u0662\u0660260510T000000Z.ndjson",
        "20260509T223000-20260510T000000.ndjson",
    ],
)
def test_any_other_file_is_no_segment(name: str) -> None:
    assert window_of(name) is None
