# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a log gives to the rules: each event once, whatever the pages, the windows and the restarts."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    OptionError,
    StateError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.log_feed import LogFeed
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.steps import Step
from ansible_collections.appsec.perimeter.plugins.module_utils._eda.waf_events import TABLE

from ..spool_kit import HOUR, MINUTE, NOON, SECOND, TIMING, MemorySource, Row, at

DEFAULTS = {name: argument.default for name, argument in TABLE.items()}


class Reader:
    """A rulebook that is started again and again on one stream, with a clock that stands."""

    def __init__(self, folder: Path, source: MemorySource, **arguments: Any) -> None:
        self.folder = folder
        self.source = source
        self.arguments = {**DEFAULTS, "initial": "all", **arguments}
        self.now = NOON
        (folder / "eda").mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        self.feed = LogFeed(self.source, self.arguments, self.folder, lambda: self.now)
        self.feed.begin()

    def poll(self, *, confirm: bool = True) -> list[str]:
        """One look; the ids of its events."""
        steps = [step for batch in self.feed.poll(self.source) for step in batch]
        if confirm:
            self.confirm(steps)
        return [step.event.get("id", step.event["record"]) for step in steps if step.event is not None]

    def confirm(self, steps: list[Step]) -> None:
        for step in steps:
            step.done()
        self.feed.write()

    def position(self) -> dict[str, Any]:
        (path,) = (self.folder / "eda").glob("*.json")
        return dict(json.loads(path.read_text()))


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(timing=dataclasses.replace(TIMING, retention=24 * HOUR))


def test_each_event_comes_once_in_the_order_of_time(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:40", "11:10", "11:50", "9:00")
    reader = Reader(tmp_path, source)
    assert reader.poll() == ["k9:00", "k11:10", "k11:40", "k11:50"]
    assert reader.poll() == []
    source.add("11:58", "11:57")  # late, and inside of the overlap
    reader.now += MINUTE
    assert reader.poll() == ["k11:57", "k11:58"]
    reader.start()
    assert reader.poll() == []


def test_an_event_waits_until_it_is_as_old_as_the_lag(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:59:30")
    source.rows[-1].time = NOON - 30 * SECOND
    reader = Reader(tmp_path, source)
    assert reader.poll() == []
    reader.now += MINUTE
    assert len(reader.poll()) == 1


def test_what_was_not_confirmed_comes_again_after_a_restart_with_the_same_uuid(
    tmp_path: Path, source: MemorySource
) -> None:
    source.add(*(f"11:{minute:02}" for minute in range(30)))
    reader = Reader(tmp_path, source)
    first = [step for batch in reader.feed.poll(source) for step in batch]
    reader.confirm(first[:12])
    reader.start()
    again = [step for batch in reader.feed.poll(source) for step in batch]
    assert [step.key for step in again if step.event] == [step.key for step in first[12:] if step.event]


def test_the_uuid_depends_on_the_stream_and_the_key_alone(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:00")
    one = [step.key for batch in Reader(tmp_path, source).feed.poll(source) for step in batch if step.event]
    other = MemorySource(timing=source.timing).add("11:00", content="changed")
    (tmp_path / "b").mkdir()
    two = [step.key for batch in Reader(tmp_path / "b", other).feed.poll(other) for step in batch if step.event]
    assert one == two
    assert len(one) == 1
    other.identity = dataclasses.replace(other.identity, account="another")
    (tmp_path / "c").mkdir()
    assert [s.key for b in Reader(tmp_path / "c", other).feed.poll(other) for s in b if s.event] != one


def test_a_row_that_changes_later_is_no_new_event(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:57")
    reader = Reader(tmp_path, source)
    assert reader.poll() == ["k11:57"]
    source.rows[0].content = "changed"
    reader.now += MINUTE
    assert reader.poll() == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"initial": "now"}, []),
        ({"initial": "since", "since": "90m"}, ["k11:00"]),
        ({"initial": "since", "since": "2026-05-10T09:00:00Z"}, ["k10:00", "k11:00"]),
        ({"initial": "all"}, ["k10:00", "k11:00"]),
    ],
)
def test_where_a_stream_begins(
    tmp_path: Path, source: MemorySource, arguments: dict[str, Any], expected: list[str]
) -> None:
    source.add("10:00", "11:00")
    reader = Reader(tmp_path, source, **arguments)
    assert reader.poll() == expected
    source.add("12:01")
    reader.now += 5 * MINUTE
    # A stored position beats what the rulebook says about a first run, also before anything was confirmed.
    reader.arguments["initial"] = "all"
    reader.start()
    assert reader.poll() == ["k12:01"]


@pytest.mark.parametrize("since", [None, "yesterday"])
def test_since_has_to_be_a_time(tmp_path: Path, source: MemorySource, since: str | None) -> None:
    with pytest.raises(OptionError, match="since"):
        Reader(tmp_path, source, initial="since", since=since)


def test_a_dense_window_is_read_in_parts(tmp_path: Path, source: MemorySource) -> None:
    source.add(*(f"{hour}:{minute:02}" for hour in range(1, 11) for minute in range(0, 60, 5)))
    source.most = 7
    reader = Reader(tmp_path, source)
    given = reader.poll()
    assert given == sorted(given, key=lambda name: at(name[1:]))
    assert len(given) == len(source.rows)


def test_a_failure_in_the_middle_keeps_what_was_given(tmp_path: Path, source: MemorySource) -> None:
    source.add(*(f"{hour}:30" for hour in range(1, 11)))
    reader = Reader(tmp_path, source)
    source.failures[18] = TransportError("The connection failed.")
    given: list[Step] = []
    batches = reader.feed.poll(source)
    with pytest.raises(TransportError):
        given.extend(step for batch in batches for step in batch)
    reader.confirm(given)
    before = [step.event["id"] for step in given if step.event]
    assert before
    source.failures.clear()
    assert sorted([*before, *reader.poll()]) == sorted(row.key for row in source.rows)


def test_a_gap_is_an_event(tmp_path: Path, source: MemorySource, caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(tmp_path, source)
    reader.poll()
    reader.now += 48 * HOUR
    source.add("12T11:00")
    assert reader.poll() == ["gap", "k12T11:00"]
    assert reader.poll() == []
    assert len(caplog.records) == 1


def test_where_leaves_out_before_anything_counts(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:00", "11:10")
    reader = Reader(tmp_path, source, where="id == 'k11:10'")
    assert reader.poll() == ["k11:10"]
    assert reader.poll() == []


def test_an_expression_that_fails_costs_no_event(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:57")
    reader = Reader(tmp_path, source, where="abs(id) > `1`")
    for _attempt in range(2):
        with pytest.raises(OptionError):
            reader.poll()


def test_pages_in_the_order_of_time_are_given_at_once_and_move_the_position(tmp_path: Path) -> None:
    source = MemorySource(timing=dataclasses.replace(TIMING, window=24 * HOUR, retention=24 * HOUR, ascending=True))
    source.add(*(f"{hour}:{minute}" for hour in range(1, 11) for minute in (10, 40)))
    reader = Reader(tmp_path, source)
    batches = reader.feed.poll(source)
    reader.confirm(next(batches))
    assert reader.position()["until"] == "2026-05-10T02:10:00Z"
    # A page that is out of order: the position waits for the end of the window.
    source.rows.insert(0, Row("late", at("1:00")))
    reader.start()
    assert sorted(reader.poll()) == sorted(row.key for row in source.rows[4:])


def test_events_without_a_time_come_once(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:58")
    reader = Reader(tmp_path, source)
    reader.poll()
    total: collections.Counter[str] = collections.Counter()
    for _look in range(20):
        reader.now += MINUTE
        # The vendor's room gives such an event the start of the window that brought it.
        source.rows[0] = Row("undated", reader.now - 6 * MINUTE)
        total.update(reader.poll())
    assert total == {"undated": 1}


def test_what_is_remembered_is_bounded_by_the_overlap(tmp_path: Path, source: MemorySource) -> None:
    reader = Reader(tmp_path, source, initial="now")
    for look in range(12):
        reader.now += 10 * MINUTE
        source.rows = [Row(f"{look}-{number}", reader.now - 2 * MINUTE) for number in range(50)]
        assert len(reader.poll()) == 50
    assert reader.feed._given.seen.count == reader.feed._position.seen.count == 50


def test_kills_at_random_lose_nothing_and_repeat_only_what_was_not_confirmed(
    tmp_path: Path, source: MemorySource
) -> None:
    chance = random.Random(20261129)
    reader = Reader(tmp_path, source)
    received: collections.Counter[str] = collections.Counter()
    unconfirmed = number = 0
    for _round in range(50):
        reader.now += MINUTE
        for _event in range(chance.randrange(8)):
            # Some are late, but not later than the overlap.
            age = dt.timedelta(seconds=chance.randrange(0, 240))
            source.rows.append(Row(f"r{number}", reader.now - MINUTE - age))
            number += 1
        steps = [step for batch in reader.feed.poll(source) for step in batch]
        received.update(step.key for step in steps if step.event)
        if chance.random() < 0.3:
            kept = steps[: chance.randrange(len(steps) + 1)]
            reader.confirm(kept)
            unconfirmed += sum(step.event is not None for step in steps[len(kept) :])
            reader.start()
        else:
            reader.confirm(steps)
    reader.now += 5 * MINUTE
    received.update(step.key for batch in reader.feed.poll(source) for step in batch if step.event)
    assert len(received) == number
    assert sum(received.values()) - number <= unconfirmed


def test_a_clock_that_was_wrong_is_said_once(
    tmp_path: Path, source: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader(tmp_path, source)
    reader.poll()
    reader.now -= HOUR
    assert reader.poll() == reader.poll() == []
    assert len(caplog.records) == 1
    assert "in the future" in caplog.records[0].message


def test_the_earlier_of_two_clocks_decides_up_to_when_a_stream_is_complete(
    tmp_path: Path, source: MemorySource
) -> None:
    source.date = NOON - 10 * MINUTE
    reader = Reader(tmp_path, source)
    reader.poll()
    assert reader.position()["until"] == "2026-05-10T11:49:00Z"


def test_a_position_of_another_stream_is_refused(tmp_path: Path, source: MemorySource) -> None:
    reader = Reader(tmp_path, source)
    (path,) = (tmp_path / "eda").glob("*.json")
    text = path.read_bytes()
    source.identity = dataclasses.replace(source.identity, account="another")
    other = LogFeed(source, reader.arguments, tmp_path, lambda: NOON)
    other.lock.with_suffix(".json").write_bytes(text)
    with pytest.raises(StateError, match="belongs to another stream or target; nothing was changed"):
        other.begin()


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1', '{"version": 99}', "[]"])
def test_a_damaged_position_is_refused(tmp_path: Path, source: MemorySource, text: str) -> None:
    reader = Reader(tmp_path, source)
    reader.feed.lock.with_suffix(".json").write_text(text)
    with pytest.raises(StateError, match="nothing was changed"):
        reader.start()


def test_two_consumers_have_positions_of_their_own(tmp_path: Path, source: MemorySource) -> None:
    source.add("11:00")
    assert Reader(tmp_path, source).poll() == Reader(tmp_path, source, consumer="second").poll() == ["k11:00"]
