# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that asks: spans of time, one page, one event, the list of fields, and what is said of them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import event_info
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.event_info import bounds_of
from tests.sandbox import Sandbox

from ..edgecast_kit import NOW, PER_DAY, SPAN, asked, info


def test_all_of_a_span_without_page(sandbox: Sandbox) -> None:
    values = info(sandbox, **SPAN, page_size=20).values
    ids = [event["id"] for event in values["events"]]
    assert len(ids) == len(set(ids)) == values["total"] == PER_DAY
    assert (values["truncated"], values["fields"], values["pages"]) == (False, [], None)
    assert (values["time_from"], values["time_to"]) == ("2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z")
    assert values["unknown_values"] == {"Action Type=QUANTUM_CHALLENGE": 10, "field=Ja3 Hash": 10}


def test_halves_and_repeats_are_returned_once(sandbox: Sandbox) -> None:
    ids = [event["id"] for event in info(sandbox, **SPAN, page_size=1).values["events"]]
    assert len(ids) == len(set(ids)) == PER_DAY


def test_events_that_share_an_id_are_told(sandbox: Sandbox) -> None:
    for ids in (["a", "b"], ["a"]) * 2:
        body = {"page_of": 2, "events": [{"id": found} for found in ids]}
        sandbox.faults.add({"kind": "status", "status": 200, "body": json.dumps(body)})
    result = info(sandbox, **SPAN, page_size=2)
    assert [event["id"] for event in result.values["events"]] == ["a", "b"]
    assert ["share an id" in warning for warning in result.warnings] == [True]


def test_one_page_is_that_page_only(sandbox: Sandbox) -> None:
    pages = [info(sandbox, **SPAN, page=number, page_size=40).values for number in (1, 2, 3, 4)]
    assert [len(values["events"]) for values in pages] == [40, 40, 11, 0]
    assert [values["total"] for values in pages] == [PER_DAY] * 4
    assert all(values["pages"] == 3 and values["truncated"] for values in pages)
    assert len({event["id"] for values in pages for event in values["events"]}) == PER_DAY
    alone = info(sandbox, **SPAN, page=1, page_size=100).values
    assert (alone["total"], alone["truncated"]) == (PER_DAY, False)


def test_a_limit_says_that_there_is_more(sandbox: Sandbox) -> None:
    values = info(sandbox, **SPAN, limit=5, page_size=10).values
    assert (len(values["events"]), values["total"], values["truncated"]) == (5, PER_DAY, True)
    assert [path for path, _query in asked(sandbox)] == ["", "/count"]
    values = info(sandbox, **SPAN, limit=5, event_filters={"Host": "shop.example.com"}).values
    assert (len(values["events"]), values["total"], values["truncated"]) == (5, None, True)
    values = info(sandbox, **SPAN, limit=PER_DAY).values
    assert (len(values["events"]), values["truncated"]) == (PER_DAY, False)
    assert (info(sandbox, **SPAN, limit=0).values["events"], info(sandbox, **SPAN, limit=0).values["truncated"]) == (
        [],
        True,
    )


def test_filters_with_lists(sandbox: Sandbox) -> None:
    values = info(sandbox, **SPAN, event_filters={"Host": ["shop.example.com", "old.example.com"]}).values
    assert {event["host"] for event in values["events"]} == {"shop.example.com", "old.example.com"}
    values = info(sandbox, **SPAN, event_filters={"Host": "shop.example.com", "Profile Name": "shop rules"}).values
    assert values["total"] == len(values["events"]) > 0


def test_one_event(sandbox: Sandbox) -> None:
    event = info(sandbox, **SPAN, limit=1).values["events"][0]
    for wanted in (event["details"]["event_id"], f" {event['id']} "):
        values = info(sandbox, event_id=wanted).values
        assert (values["events"], values["total"], values["time_from"]) == ([event], 1, None)


def test_the_list_of_fields_reads_no_event(sandbox: Sandbox) -> None:
    values = info(sandbox, fields=True).values
    assert {"name": "Host", "data_type": "string", "description": "Host name that was requested"} in values["fields"]
    assert values["events"] == []
    assert [path for path, _query in asked(sandbox)] == ["/fields"]


def test_an_expression_is_applied_inside(sandbox: Sandbox) -> None:
    values = info(sandbox, **SPAN, query="[?action=='blocked'] | length(@)").values
    assert isinstance(values["events"], int)
    assert values["total"] == PER_DAY
    with pytest.raises(OptionError, match="query"):
        info(sandbox, **SPAN, query="[")


def test_raw_and_sensitive(sandbox: Sandbox) -> None:
    event = info(sandbox, **SPAN, include_raw=True, limit=1).values["events"][0]
    assert event["raw"]["id"] == event["id"]
    kept = info(sandbox, **SPAN, sensitive="keep").values["events"]
    assert any(sub["matched_value"] for found in kept for sub in found["sub_events"])
    redacted = info(sandbox, **SPAN).values["events"]
    assert not any(sub["matched_value"] for found in redacted for sub in found["sub_events"])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"start_time": "2026-11-19"}, "start_time and end_time go together"),
        ({"end_time": "2026-11-19"}, "start_time and end_time go together"),
        ({"start_time": "2026-11-20", "end_time": "2026-11-19"}, "before end_time"),
        ({"start_time": "soon", "end_time": "2026-11-19"}, "start_time: 'soon' is not a time"),
        ({"page": 0}, "page must be 1 or more"),
        ({"page_size": 1001}, "page_size must be 1 to 1000, not 1001"),
        ({"page_size": 0}, "page_size must be 1 to 1000, not 0"),
        ({"limit": -1}, "limit must not be negative"),
        ({"event_id": " "}, "event_id is empty"),
        ({**SPAN, "event_filters": {"Host": []}}, "event_filters"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    sandbox: Sandbox, options: dict[str, Any], word: str
) -> None:
    with pytest.raises(OptionError, match=word):
        info(sandbox, **options)
    assert asked(sandbox) == []


def test_the_last_day_is_frozen(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return cls(2026, 11, 20, 12, 0, 0, 5, tzinfo=tz)

    monkeypatch.setattr(event_info.dt, "datetime", Clock)
    values = info(sandbox, page_size=20).values
    assert len(values["events"]) == PER_DAY
    assert {(query["start_time"], query["end_time"]) for _path, query in asked(sandbox)} == {tuple(SPAN.values())}


@pytest.mark.parametrize(
    ("start", "end", "sent"),
    [
        ("2026-11-19", "2026-11-20", ("2026-11-19T00:00:00", "2026-11-20T00:00:00")),
        ("2026-11-19T10:00Z", "2026-11-19T10:30", ("2026-11-19T10:00:00", "2026-11-19T10:30:00")),
        ("2026-11-19T10:00:00+09:00", "2026-11-19T10:00:00.5Z", ("2026-11-19T01:00:00", "2026-11-19T10:00:01")),
    ],
)
def test_times_are_sent_in_the_vendors_form(start: str, end: str, sent: tuple[str, str]) -> None:
    query = dict(bounds_of(start, end, NOW).query())
    assert (query["start_time"], query["end_time"]) == sent
