# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A span of time that the service cannot return: the run stops there, or records a gap and continues behind it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    PerimeterError,
    RateLimited,
    ServerFault,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SpoolEntry, Window
from tests.unit.plugins.module_utils.spool_kit import DAY, HOUR, TIMING, Collector, MemorySource, at

TIMES = ("09:10", "09:40", "10:10", "10:40", "11:10", "11:40")
REASON = "it could not be read: The record 17 is damaged"


class Failing(MemorySource):
    """A service that fails for every window that holds one of these times."""

    bad: tuple[str, ...] = ()
    error: PerimeterError = ServerFault("The record 17 is damaged.")

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        yield from super().pages(window)
        if any(window.start <= at(time) < window.end for time in self.bad):
            raise self.error


@pytest.fixture
def source() -> Failing:
    made = Failing().add(*TIMES)
    assert isinstance(made, Failing)
    return made


@pytest.fixture
def stream(tmp_path: Path, source: Failing) -> Collector:
    return Collector(tmp_path, source)


def spans(values: dict[str, t.Any]) -> list[tuple[str, str]]:
    return [(gap["from"][11:16], gap["to"][11:16]) for gap in values["gaps"]]


def test_by_default_the_run_stops_and_the_next_one_begins_there_again(stream: Collector, source: Failing) -> None:
    source.bad = ("10:10",)
    for _run in range(2):
        result = stream.run("12:00")
        assert "record 17 is damaged" in str(result.error)
        assert result.values["gaps"] == []
    assert {key for key, _content in stream.records()} == {"k09:10", "k09:40"}
    source.bad = ()
    assert stream.ok("12:00")["records"] == 4


@pytest.mark.parametrize("bad", [("10:10",), ("09:10",), ("09:10", "10:10"), ("10:40",)])
def test_with_gap_what_cannot_be_read_is_a_gap_with_its_reason_and_the_rest_is_read(
    stream: Collector, source: Failing, bad: tuple[str, ...]
) -> None:
    source.bad = bad
    values = stream.ok("12:00", on_failed_window="gap")
    assert values["complete"]
    assert len(values["gaps"]) == len(bad)
    assert {gap["reason"] for gap in values["gaps"]} == {REASON}
    assert any("it could not be read" in warning for warning in values["warnings"])
    missed = {f"k{time}" for time in TIMES if any(start <= time < end for start, end in spans(values))}
    assert {f"k{time}" for time in bad} <= missed
    assert {key for key, _content in stream.records()} == {f"k{time}" for time in TIMES} - missed
    told = [line["reason"] for line in stream.lines() if line["record"] == "gap"]
    assert told == [REASON] * len(bad)
    source.bad = ()
    again = stream.ok("12:00", on_failed_window="gap")
    assert (again["gaps"], again["changed"]) == ([], False)
    late = stream.ok("12:00", backfill={"from": "2026-05-10T08:00:00Z", "to": "2026-05-10T12:00:00Z"})
    assert late["records"] == len(missed)
    stream.holds_once(source.rows)


@pytest.mark.parametrize("bad", [TIMES, ("11:40",), ("11:10", "11:40"), ("09:10", *TIMES[2:])])
def test_as_long_as_nothing_later_can_be_read_there_is_no_gap(
    stream: Collector, source: Failing, bad: tuple[str, ...]
) -> None:
    source.bad = bad
    result = stream.run("12:00", on_failed_window="gap")
    assert "record 17 is damaged" in str(result.error)
    assert not result.values["complete"]
    assert result.values["gaps"] == []
    assert not [line for line in stream.lines() if line["record"] == "gap"]
    source.bad = ()
    stream.ok("12:00", on_failed_window="gap")
    stream.holds_once(source.rows)


@pytest.mark.parametrize("kind", [BadResponse, VendorError, ServerFault])
@pytest.mark.parametrize("check", [False, True])
def test_check_mode_foretells_the_gap(
    stream: Collector, source: Failing, kind: type[PerimeterError], check: bool
) -> None:
    source.bad, source.error = ("10:10",), kind("The record 17 is damaged.")
    result = stream.run("12:00", check=check, on_failed_window="gap")
    assert result.error is None
    assert [gap["reason"] for gap in result.values["gaps"]] == [REASON]
    assert stream.dest.exists() is not check


def test_a_limit_ends_the_run_and_is_no_gap(stream: Collector, source: Failing) -> None:
    source.bad, source.error = ("10:10",), RateLimited("It is refused.")
    result = stream.run("12:00", on_failed_window="gap")
    assert (result.error, result.values["complete"], result.values["gaps"]) == (None, False, [])
    assert result.values["position"] == "2026-05-10T10:00:00Z"


@pytest.mark.parametrize("kind", [AuthenticationFailed, TransportError])
def test_what_concerns_all_windows_always_ends_the_run(
    stream: Collector, source: Failing, kind: type[PerimeterError]
) -> None:
    source.bad, source.error = ("10:10",), kind("It is refused.")
    result = stream.run("12:00", on_failed_window="gap")
    assert isinstance(result.error, kind)
    assert result.values["gaps"] == []


class FailingAtPage(Failing):
    """A service that fails at the page that holds one of these times."""

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        for page in MemorySource.pages(self, window):
            if any(entry.time == at(time) for entry in page for time in self.bad):
                raise self.error
            yield page


@pytest.mark.parametrize("timing", ["one window", "side by side", "in order"])
def test_of_a_wide_window_no_more_becomes_a_gap_than_has_to(tmp_path: Path, timing: str) -> None:
    wide = dataclasses.replace(TIMING, window=30 * DAY)
    wide = {
        "one window": wide,
        "side by side": dataclasses.replace(wide, parallel=4),
        "in order": dataclasses.replace(wide, ascending=True),
    }[timing]
    source = FailingAtPage(timing=wide, page_size=2)
    source.add(*(f"{day}T{hour:02}:30" for day in range(1, 10) for hour in range(0, 24, 3)))
    source.bad = ("5T12:30",)
    stream = Collector(tmp_path, source)
    values = stream.ok("12:00", lookback="20d", on_failed_window="gap")
    (gap,) = values["gaps"]
    start, end = (dt.datetime.fromisoformat(gap[name]) for name in ("from", "to"))
    assert start <= at("5T12:30") < end <= start + HOUR
    assert {key for key, _content in stream.records()} == {row.key for row in source.rows} - {"k5T12:30"}
    assert set(stream.records().values()) == {1}
    assert len(source.asked) < 60
    source.bad = ()
    assert stream.ok("12:01", backfill={"from": gap["from"], "to": gap["to"]})["records"] == 1
