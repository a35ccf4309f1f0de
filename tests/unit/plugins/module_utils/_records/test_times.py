# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times and durations: one way to write them, and no text that breaks the parser."""

from __future__ import annotations

import contextlib
import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records.times import (
    canonical_time,
    now_text,
    parse_duration,
    parse_time,
    utc_text,
)

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
MOMENTS = st.datetimes(
    min_value=dt.datetime.fromisoformat("0002-01-01"),
    max_value=dt.datetime.fromisoformat("9998-12-31"),
    timezones=ZONES,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z"),
        ("2026-01-31T00:30:00+02:00", "2026-01-30T22:30:00Z"),
        ("2026-01-31 08:00", "2026-01-31T08:00:00Z"),
        (" 2026-01-31T08:00:00.250Z ", "2026-01-31T08:00:00.250000Z"),
    ],
)
def test_every_iso_time_is_written_in_utc_with_z(text: str, written: str) -> None:
    assert canonical_time(text) == written


@pytest.mark.parametrize("text", ["", None, "soon", "2026-13-01T00:00:00Z", "2026-01-31T24:61:00Z", "31.01.2026"])
def test_what_is_not_a_time_is_none(text: str | None) -> None:
    assert canonical_time(text) is None


def test_a_leap_day_is_a_day_in_leap_years_only() -> None:
    assert canonical_time("2028-02-29T12:00:00Z") == "2028-02-29T12:00:00Z"
    assert canonical_time("2026-02-29T12:00:00Z") is None


@pytest.mark.parametrize("text", ["2026-19-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-31T29:00:00Z"])
def test_a_text_that_only_looks_like_a_time_is_none(text: str) -> None:
    assert canonical_time(text) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_a_time_beyond_the_calendar_is_refused_like_any_other_wrong_time(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
    assert canonical_time(text) is None


@given(MOMENTS)
def test_a_written_time_is_read_back_as_the_same_moment(moment: dt.datetime) -> None:
    assert parse_time(utc_text(moment)) == moment


@given(MOMENTS)
def test_the_canonical_form_is_a_fixed_point(moment: dt.datetime) -> None:
    written = utc_text(moment)
    assert canonical_time(written) == written


@given(st.text() | st.from_regex(r"\d{1,4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?([+-]\d\d:\d\d|Z)?", fullmatch=True))
def test_no_text_breaks_the_parser_of_times(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_time(text).tzinfo is dt.UTC
    written = canonical_time(text)
    assert written is None or parse_time(written)


def test_now_has_whole_seconds() -> None:
    now = now_text()
    assert "." not in now
    assert canonical_time(now) == now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600), (" 1.5 h ", 5400), ("0s", 0)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "7 days", "-1d", "1e3s", "7D", "1h30m", "٧d٧"])
def test_anything_else_is_no_duration_and_the_message_shows_one(text: str) -> None:
    with pytest.raises(ValueError, match="such as 7d"):
        parse_duration(text)


@given(st.text() | st.from_regex(r"\s*\d+(\.\d+)?[smhdw]\s*", fullmatch=True))
def test_no_text_breaks_the_parser_of_durations(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0 or math.isinf(parse_duration(text))
