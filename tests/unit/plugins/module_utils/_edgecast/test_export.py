# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event log as a stream: identity, windows, what a record is known by."""

from __future__ import annotations

import datetime as dt
import gc
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    IncompleteRead,
    OptionError,
    PerimeterError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.export import EdgecastEvents, run
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SpoolEntry, Window
from tests.sandbox import Sandbox

from ..edgecast_kit import NOW, asked, client_of

HOUR = dt.timedelta(hours=1)


def options(**changes: Any) -> dict[str, Any]:
    return {"event_filters": None, "sensitive": "redact", "include_raw": False, **changes}


def entries(sandbox: Sandbox, start: dt.datetime, end: dt.datetime, **changes: Any) -> list[SpoolEntry]:
    with client_of(sandbox) as client:
        source = EdgecastEvents(options(**changes), client)
        return [entry for page in source.pages(Window(start, end)) for entry in page]


def test_every_event_of_a_window_and_nothing_far_from_it(sandbox: Sandbox) -> None:
    found = entries(sandbox, NOW - 24 * HOUR, NOW)
    inside = [entry for entry in found if NOW - 24 * HOUR <= entry.time < NOW]
    assert len({entry.key for entry in inside}) == 91
    assert all(
        NOW - 24 * HOUR - dt.timedelta(seconds=1) <= entry.time <= NOW + dt.timedelta(seconds=1) for entry in found
    )
    for entry in found:
        assert entry.key == entry.record["id"]
        assert dt.datetime.fromisoformat(entry.record["time"]) == entry.time
        assert len(entry.content) == 16


@pytest.mark.parametrize("bounds", ["after_start", "from_start"])
def test_neighbouring_windows_lose_nothing_whatever_the_bounds_mean(sandbox: Sandbox, bounds: str) -> None:
    sandbox.switches["edgecast_bounds"] = bounds
    sandbox.edgecast.add_events(3, 3600, 3600)  # on the hour, where windows meet
    seen: set[str] = set()
    for hour in range(24):
        window = Window(NOW - (hour + 1) * HOUR, NOW - hour * HOUR)
        page = entries(sandbox, window.start, window.end)
        seen |= {entry.key for entry in page if window.start <= entry.time < window.end}
    whole = {entry.key for entry in entries(sandbox, NOW - 24 * HOUR, NOW) if NOW - 24 * HOUR <= entry.time < NOW}
    assert seen == whole


def test_bounds_of_parts_of_a_second_are_widened(sandbox: Sandbox) -> None:
    entries(sandbox, NOW - HOUR + dt.timedelta(microseconds=5), NOW - dt.timedelta(microseconds=5))
    query = asked(sandbox)[0][1]
    assert (query["start_time"], query["end_time"]) == ("2026-11-20T10:59:59", "2026-11-20T12:00:01")
    entries(sandbox, NOW - HOUR, NOW)
    query = asked(sandbox)[1][1]
    assert (query["start_time"], query["end_time"]) == ("2026-11-20T10:59:59", "2026-11-20T12:00:01")


def test_the_same_events_are_the_same_records(sandbox: Sandbox) -> None:
    first, second = (entries(sandbox, NOW - HOUR, NOW) for _time in range(2))
    assert first == second
    sandbox.switches["edgecast_order"] = "random"
    assert sorted(entries(sandbox, NOW - HOUR, NOW), key=lambda entry: entry.key) == sorted(
        first, key=lambda entry: entry.key
    )


def test_a_window_that_cannot_be_read_to_its_end_is_an_error(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "wrong_count", "n": 2, "times": -1})
    with pytest.raises(IncompleteRead):
        entries(sandbox, NOW - HOUR, NOW)


def test_events_that_share_an_id_are_told(sandbox: Sandbox) -> None:
    full = [{"id": str(number)} for number in range(1000)]
    for events in (full, [{"id": "7", "Host": "other"}]) * 2:
        body = json.dumps({"page_of": 2, "events": events})
        sandbox.faults.add({"kind": "status", "status": 200, "body": body})
    with client_of(sandbox) as client:
        source = EdgecastEvents(options(), client)
        found = {(entry.key, entry.content) for page in source.pages(Window(NOW - HOUR, NOW)) for entry in page}
    assert len(found) == 1001
    assert ["share an id" in warning for warning in source.warnings] == [True]


def test_raw_is_text_in_a_file(sandbox: Sandbox) -> None:
    found = entries(sandbox, NOW - HOUR, NOW, include_raw=True)
    assert [json.loads(entry.record["raw"])["id"] for entry in found] == [entry.key for entry in found]


def test_an_event_without_a_time_stands_at_the_start_of_its_window(sandbox: Sandbox) -> None:
    body = json.dumps({"page": 1, "page_of": 1, "events": [{"id": "timeless"}]})
    sandbox.faults.add({"kind": "status", "status": 200, "body": body})
    (entry,) = entries(sandbox, NOW - HOUR, NOW)
    assert (entry.key, entry.time, entry.record["time"]) == ("timeless", NOW - HOUR, None)


def test_what_makes_another_stream(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        base = EdgecastEvents(options(), client).identity
        assert (base.source, base.account, base.stream) == ("edgecast", "0001", "events")
        for changes in ({"event_filters": {"Host": "a"}}, {"sensitive": "keep"}, {"include_raw": True}):
            assert EdgecastEvents(options(**changes), client).identity != base
        assert EdgecastEvents(options(event_filters={}), client).identity == base
    with client_of(sandbox, account_number="0002") as client:
        assert EdgecastEvents(options(), client).identity.account == "0002"


def test_timing_is_that_of_the_rules_for_collecting(sandbox: Sandbox) -> None:
    with client_of(sandbox, max_connections=3) as client:
        timing = EdgecastEvents(options(), client).timing
    assert (timing.lag, timing.overlap, timing.window) == (HOUR / 30, HOUR / 12, 30 * 24 * HOUR)
    assert (timing.retention, timing.margin, timing.parallel) == (dt.timedelta(days=30), dt.timedelta(minutes=5), 5)
    with client_of(sandbox) as client:
        assert EdgecastEvents(options(), client).timing.parallel == 6


def test_unknown_words_are_summed_over_windows(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        source = EdgecastEvents(options(), client)
        for hours in (24, 48):
            list(source.pages(Window(NOW - hours * HOUR, NOW - (hours - 24) * HOUR)))
    assert source.unknown["Action Type=QUANTUM_CHALLENGE"] == 20
    assert source.server_time() == NOW


def test_the_garbage_collector_is_as_before_even_after_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    before = gc.get_threshold()
    shared = {"dest": str(tmp_path / "s"), "state_dir": str(tmp_path), "first_run": "fail", "lookback": "7d"}
    with client_of(sandbox) as client, pytest.raises(PerimeterError):
        run({**options(), **dict.fromkeys(("lag", "overlap", "sweep", "backfill", "retain_days", "segment_group")),
             "compress": False, "segment_mode": "0600", **shared}, client, False)  # fmt: skip
    assert gc.get_threshold() == before


def test_wrong_filters_are_refused_before_anything_is_sent(sandbox: Sandbox) -> None:
    with pytest.raises(OptionError, match="event_filters"):
        entries(sandbox, NOW - HOUR, NOW, event_filters={"Host": {}})
    assert asked(sandbox) == []
