# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Edgecast room of the sandbox: strictness, paging, filters, what moves between pages."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.sandbox import Sandbox

ANCHOR = "2026-11-20T12:00:00Z"
TOKEN = "11111111-2222-3333-4444-555555555555"
DAY = {"start_time": "2026-11-19T12:00:00", "end_time": "2026-11-20T12:00:00"}


class Caller:
    """Asks the room; keeps the headers of the last answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        self.headers: dict[str, str] = {}

    def __call__(
        self,
        path: str = "",
        authorization: str = f"TOK:{TOKEN}",
        method: str = "GET",
        account: str = "0001",
        **query: Any,
    ) -> tuple[int, Any]:
        target = f"/v2/mcc/customers/{account}/waf/eventlogs{path}" + (f"?{urlencode(query)}" if query else "")
        self.connection.request(method, target, headers={"Authorization": authorization})
        reply = self.connection.getresponse()
        self.headers = dict(reply.getheaders())
        return reply.status, json.loads(reply.read())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, edgecast={"records": 960, "days": 32}) as running:
        yield running
        assert running.counters.internal_errors == 0


@pytest.fixture
def ask(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox)
    yield caller
    caller.connection.close()


def ids(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [event["id"] for event in answer[1]["events"]]


def test_pages_are_whole_and_the_same_each_time(ask: Caller) -> None:
    first = ask("", page_size=7, **DAY)[1]
    assert (first["page"], first["page_of"], len(first["events"])) == (1, 5, 7)
    assert (first["time_from"], first["time_to"]) == (1795089600.0, 1795176000.0)
    whole = [key for page in range(1, 6) for key in ids(ask("", page_size=7, page=page, **DAY))]
    assert len(whole) == len(set(whole)) == 31
    assert ids(ask("", page_size=1000, **DAY)) == whole
    assert ids(ask("", page=6, page_size=7, **DAY)) == []


def test_without_bounds_the_last_day_and_a_hundred(sandbox: Sandbox, ask: Caller) -> None:
    assert len(ids(ask(""))) == 31
    sandbox.edgecast.add_events(200)
    answer = ask("")[1]
    assert (len(answer["events"]), answer["page_of"]) == (100, 3)


@pytest.mark.parametrize("authorization", [f"TOK:{TOKEN}", f"tok: {TOKEN}", "TOK:66666666-7777-8888-9999-000000000000"])
def test_tokens_in_each_spelling(ask: Caller, authorization: str) -> None:
    assert ask("/fields", authorization)[0] == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"start_time": "2026-11-19T00:00:00"}, 400),
        ({"end_time": "2026-11-19T00:00:00"}, 400),
        ({"start_time": "2026-10-21T11:59:59", "end_time": "2026-10-22"}, 400),
        ({"start_time": "2026-10-21T12:00:00", "end_time": "2026-10-22"}, 200),
        ({"start_time": "2026-11-19T00:00Z", "end_time": "2026-11-20"}, 400),
        ({"start_time": "2026-11-19T00:00", "end_time": "2026-11-20"}, 200),
        ({"start_time": "2026-11-31", "end_time": "2026-12-01"}, 400),
        ({"page": "0"}, 400),
        ({"page_size": "0"}, 400),
        ({"page_size": "1001"}, 200),
        ({"filters": "{"}, 500),
        ({"filters": '{"Host":"www.example.com","secure.example.com"}'}, 500),
        ({"filters": '{"Host":[]}'}, 500),
        ({"filters": '{"Host":{}}'}, 500),
    ],
)
def test_strictness(ask: Caller, query: dict[str, str], status: int) -> None:
    assert ask("", **query)[0] == status


def test_refusals(sandbox: Sandbox, ask: Caller) -> None:
    assert ask("", "TOK:wrong")[0] == 401
    assert ask("", "TOK:00000000-0000-0000-0000-000000000403")[0] == 403
    assert ask("", method="POST")[0] == 405
    assert ask("", account="0002") == (
        400,
        {
            "success": False,
            "status": "Bad Request",
            "errors": [{"code": "400", "message": "unknown customer account number"}],
        },
    )
    sandbox.switches["edgecast_error_shape"] = "message"
    assert ask("", "TOK:wrong")[1] == {"Message": "Access Denied"}
    sandbox.switches["edgecast_over_max"] = "reject"
    assert ask("", page_size=1001)[0] == 400
    assert sandbox.counters.snapshot()["failed_auth"] == 3


def test_filters_and_or(ask: Caller) -> None:
    def found(**filters: Any) -> list[dict[str, Any]]:
        return list(ask("", page_size=1000, filters=json.dumps(filters), **DAY)[1]["events"])

    assert {event["Host"] for event in found(Host="shop.example.com")} == {"shop.example.com"}
    several = found(Host=["shop.example.com", "api.example.com"])
    assert {event["Host"] for event in several} == {"shop.example.com", "api.example.com"}
    both = found(**{"Host": ["shop.example.com", "api.example.com"], "Action Type": "ALERT"})
    assert both
    assert {event["Action Type"] for event in both} == {"ALERT"}
    one = several[3]
    assert [event["id"] for event in found(**{"Client IP": one["Client IP"], "id": [one["id"], "x"]})] == [one["id"]]
    assert found(**{"Rule Tags": "BLACKLIST/URL"})
    assert found(Host="SHOP.example.com") == []


def test_one_event_by_either_id_for_thirty_days(sandbox: Sandbox, ask: Caller) -> None:
    event = ask("", page_size=1, **DAY)[1]["events"][0]
    assert ask(f"/{event['Event ID']}") == (200, {"event": event})
    assert ask("/" + event["id"].replace("=", "%3D"))[1]["event"]["id"] == event["id"]
    assert ask("/nothing")[0] == 400
    for position, status in (("404", 404), ("empty_object", 200)):
        sandbox.switches["edgecast_missing_event"] = position
        assert ask("/nothing")[0] == status
    sandbox.log_clock.advance(31 * 86400)
    assert ask(f"/{event['Event ID']}")[1] == {}


def test_fields_count_and_top(ask: Caller) -> None:
    assert {"name", "data_type", "description"} == set(ask("/fields")[1]["fields"][0])
    assert ask("/count", **DAY)[1] == {"count": 31}
    assert ask("/count")[0] == 400
    top = ask("/top", field="Host", **DAY)[1]["top"]
    assert top[0]["value"] == "shop.example.com"
    assert [entry["count"] for entry in top] == sorted((entry["count"] for entry in top), reverse=True)


def test_events_are_as_the_vendor_page_says(ask: Caller) -> None:
    events = ask("", page_size=1000, **DAY)[1]["events"]
    times = [event["Timestamp"] for event in events]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) < len(times)
    assert any("Event ID" not in event for event in events)
    assert any("Sub Events" not in event for event in events)
    assert any(isinstance(event.get("Rule Tags"), list) for event in events)
    assert any("Referrer" in event for event in events)
    assert len({tuple(event) for event in events}) > 5
    assert all(len(event["id"]) == 88 for event in events)
    assert ask.headers["Cache-Control"] == "private"
    assert ask.headers["Date"] == "Fri, 20 Nov 2026 12:00:00 GMT"


def test_order_and_bounds(sandbox: Sandbox, ask: Caller) -> None:
    newest = ids(ask("", page_size=1000, **DAY))
    sandbox.switches["edgecast_order"] = "oldest_first"
    assert ids(ask("", page_size=1000, **DAY)) == newest[::-1]
    sandbox.switches["edgecast_order"] = "random"
    assert sorted(ids(ask("", page_size=1000, **DAY))) == sorted(newest)
    assert ids(ask("", page_size=1000, **DAY)) != newest
    sandbox.edgecast.add_events(1)
    span = {"start_time": "2026-11-20T12:00:00", "end_time": "2026-11-20T12:00:05"}
    before = {"start_time": "2026-11-20T11:59:59", "end_time": "2026-11-20T12:00:00"}
    assert (len(ids(ask("", **span))), len(ids(ask("", **before)))) == (0, 1)
    sandbox.switches["edgecast_bounds"] = "from_start"
    assert (len(ids(ask("", **span))), len(ids(ask("", **before)))) == (1, 0)


def test_what_moves_between_pages(sandbox: Sandbox, ask: Caller) -> None:
    first, second = (ids(ask("", page_size=10, page=page, **DAY)) for page in (1, 2))
    sandbox.faults.add({"match": {"route": "eventlogs"}, "kind": "mutate_between_pages", "n": 2})
    assert ids(ask("", page_size=10, page=2, **DAY)) == first[-2:] + second[:-2]
    sandbox.faults.add({"kind": "mutate_between_pages", "action": "delete", "n": 2})
    assert ids(ask("", page_size=10, page=2, **DAY)) == second
    sandbox.faults.add({"kind": "duplicate_record"})
    assert ids(ask("", page_size=10, page=2, **DAY))[0] == first[-1]
    sandbox.faults.add({"kind": "wrong_count", "n": 3}, {"kind": "half_page"})
    assert ask("", page_size=10, **DAY)[1]["page_of"] == 7
    assert len(ids(ask("", page_size=10, **DAY))) == 5


def test_controls(sandbox: Sandbox, ask: Caller) -> None:
    def control(name: str, *arguments: Any) -> None:
        ask.connection.request("POST", f"/_sandbox/edgecast/{name}", json.dumps(arguments))
        reply = ask.connection.getresponse()
        assert (reply.status, json.loads(reply.read())) == (200, {"ok": True})

    before = ids(ask("", page_size=1000, **DAY))
    control("add", 3, 60, 10)
    added = ask("", page_size=1000, **DAY)[1]["events"][:3]
    assert [event["Timestamp"][11:19] for event in added] == ["11:59:00", "11:58:50", "11:58:40"]
    control("delete_newest", 4)
    assert ids(ask("", page_size=1000, **DAY)) == before[1:]
    sandbox.reset()
    assert ids(ask("", page_size=1000, **DAY)) == before


def test_throttling(sandbox: Sandbox, ask: Caller) -> None:
    sandbox.switches.update({"edgecast_rate_limit": 2, "edgecast_rate_limit_window_s": 30})
    assert [ask("/fields")[0] for _time in range(3)] == [200, 200, 429]
    assert 28 <= int(ask.headers["Retry-After"]) <= 30


def test_a_page_of_a_million_is_cheap() -> None:
    settings = {"records": 1_000_000, "days": 1}
    with Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, edgecast=settings) as running:
        ask = Caller(running)
        pages = [ask("", page_size=1000, page=page, **DAY)[1] for page in (1, 500, 1000)]
        ask.connection.close()
    assert [page["page_of"] for page in pages] == [1000] * 3
    assert len({event["id"] for page in pages for event in page["events"]}) == 3000
