# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for Scutum is strict where the vendor is, and wrong on purpose where a careless client is to notice."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.scutum.seed import BIG

ANCHOR = "2026-11-01T03:00:00+00:00"
LIST, DETAIL = "/api/v1/alert", "/api/v1/alert_detail"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    settings = {"records": 60, "page_size": 7}
    with Sandbox(webapps=0, findings=0, log_anchor=ANCHOR, scutum=settings) as running:
        running.switches["scutum_rate_limit"] = 0
        yield running
        assert running.counters.internal_errors == 0


def raw(sandbox: Sandbox, target: str, key: str | None = "") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    headers = {} if key is None else {"X-Scutum-API-Key": key or sandbox.scutum.settings.api_key}
    connection.request("GET", target, headers=headers)
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def get(sandbox: Sandbox, path: str = LIST, **query: str) -> tuple[int, Any]:
    whole = {"host": "www.example.jp", "id": "ABC1234"} | query
    status, _headers, body = raw(sandbox, f"{path}?{urlencode(whole)}")
    return status, json.loads(body)


def walk(sandbox: Sandbox, **query: str) -> list[str]:
    ids: list[str] = []
    marker: dict[str, str] = {}
    while True:
        status, page = get(sandbox, **query, **marker)
        assert status == 200
        assert page["count"] == len(page["data"])
        ids += [row["log_id"] for row in page["data"]]
        assert ("next_marker" in page) == page["truncated"]
        if not page["truncated"]:
            return ids
        marker = {"marker": page["next_marker"]}


def test_keys_are_bound_to_host_and_id(sandbox: Sandbox) -> None:
    assert raw(sandbox, LIST, None)[0] == 401
    assert raw(sandbox, f"{LIST}?host=www.example.jp&id=ABC1234", "wrong")[0] == 401
    assert get(sandbox, host="other.example.jp")[0] == 403
    assert get(sandbox, id="XYZ0000")[0] == 403
    assert get(sandbox, host="")[0] == 400
    assert raw(sandbox, f"{LIST}?host=www.example.jp&?id=ABC1234")[0] == 400
    assert sandbox.counters.failed_auth == 4


def test_the_body_is_utf_8_and_does_not_say_so(sandbox: Sandbox) -> None:
    _status, headers, body = raw(sandbox, f"{LIST}?host=www.example.jp&id=ABC1234")
    assert headers["Content-Type"] == "application/json"
    assert "インジェクション" in body.decode()


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_everything_once_in_order(sandbox: Sandbox, order: str) -> None:
    stored = [alert.log_id for alert in sandbox.scutum.alerts]
    assert walk(sandbox, time_order=order) == (stored if order == "asc" else stored[::-1])


def test_the_default_order_is_newest_first(sandbox: Sandbox) -> None:
    assert walk(sandbox) == walk(sandbox, time_order="desc")


@pytest.mark.parametrize("value", ["2026-10-20T00:00:00+09:00", "2026-10-20T00:00:00", "2026-10-20", "20261020"])
def test_four_forms_of_a_time_are_japan_s(sandbox: Sandbox, value: str) -> None:
    expected = [alert.log_id for alert in sandbox.scutum.alerts if alert.ts.isoformat() >= "2026-10-19T15:00:00+00:00"]
    assert walk(sandbox, time_order="asc", **{"from": value}) == expected
    assert set(walk(sandbox, to=value)) == {alert.log_id for alert in sandbox.scutum.alerts} - set(expected)


@pytest.mark.parametrize("value", ["2026-10", "20-10-2026", "2026-10-20 00:00:00", "2026-13-01", "1", "2026-10-20T1"])
def test_other_forms_are_refused(sandbox: Sandbox, value: str) -> None:
    assert get(sandbox, **{"from": value})[0] == 400


def test_an_unencoded_plus_is_a_space_and_refused(sandbox: Sandbox) -> None:
    assert raw(sandbox, f"{LIST}?host=www.example.jp&id=ABC1234&from=2026-10-20T00:00:00+09:00")[0] == 400


def test_a_literal_z_is_a_switch(sandbox: Sandbox) -> None:
    assert get(sandbox, to="2026-10-20T00:00:00Z")[0] == 200
    sandbox.switches["scutum_literal_z"] = "reject"
    assert get(sandbox, to="2026-10-20T00:00:00Z")[0] == 400


@pytest.mark.parametrize(
    "query", [{"ip": "203.0.113.0/24"}, {"time_order": "up"}, {"marker": "x"}, {"marker": ""}, {"limit": "5"}]
)
def test_wrong_parameters_are_refused(sandbox: Sandbox, query: dict[str, str]) -> None:
    assert get(sandbox, **query)[0] == 400


def test_a_marker_inherits_nothing(sandbox: Sandbox) -> None:
    """A client that drops a filter on the second page gets rows that it did not ask for."""
    first = get(sandbox, ip="203.0.113.3", time_order="asc", **{"from": "2026-09-01"})[1]
    assert {row["ip"] for row in first["data"]} == {"203.0.113.3"}
    page = get(sandbox, time_order="asc")[1]
    unfiltered = get(sandbox, time_order="desc", marker=page["next_marker"])[1]
    assert unfiltered["data"] != page["data"]
    assert unfiltered["truncated"] is False


def test_markers_can_expire_repeat_and_be_missing(sandbox: Sandbox) -> None:
    page = get(sandbox)[1]
    sandbox.scutum.expire_markers(1)
    assert get(sandbox, marker=page["next_marker"])[0] == 400
    assert get(sandbox, marker=page["next_marker"])[0] == 200
    sandbox.switches["scutum_markers"] = "repeat"
    assert get(sandbox, marker=page["next_marker"])[1]["next_marker"] == page["next_marker"]
    sandbox.switches["scutum_markers"] = "missing"
    assert "next_marker" not in get(sandbox)[1]


@pytest.mark.parametrize("retry_after", ["on", "off"])
def test_list_and_detail_share_the_limit_of_a_key(sandbox: Sandbox, retry_after: str) -> None:
    sandbox.switches.update({"scutum_rate_limit": 25, "scutum_retry_after": retry_after})
    for number in range(25):
        assert get(sandbox, DETAIL if number % 2 else LIST, **({"log_id": "x"} if number % 2 else {}))[0] != 429
    status, headers, _body = raw(sandbox, f"{LIST}?host=www.example.jp&id=ABC1234")
    assert (status, "Retry-After" in headers) == (429, retry_after == "on")
    sandbox.log_clock.advance(301)
    assert get(sandbox)[0] == 200


def test_a_year_is_kept(sandbox: Sandbox) -> None:
    oldest = sandbox.scutum.alerts[0]
    assert get(sandbox, DETAIL, log_id=oldest.log_id)[0] == 200
    sandbox.log_clock.advance((366 - 30) * 86400)
    assert get(sandbox, DETAIL, log_id=oldest.log_id)[0] == 404
    assert oldest.log_id not in walk(sandbox)


def test_details_may_lack_or_hold_anything(sandbox: Sandbox) -> None:
    found = [get(sandbox, DETAIL, log_id=alert.log_id)[1] for alert in sandbox.scutum.alerts]
    requests = [base64.b64decode(detail.get("request", "")) for detail in found]
    assert any("request" not in detail for detail in found)
    assert any(detail.get("response") == "" for detail in found)
    assert any(b"\xff\xfe" in request for request in requests)
    assert any(len(request) > BIG for request in requests)
    listed = {row["log_id"]: row for row in get(sandbox, time_order="asc")[1]["data"]}
    assert all(
        "request" not in row and row.items() <= found[place].items() for place, row in enumerate(listed.values())
    )


def test_late_records_and_removed_ones(sandbox: Sandbox) -> None:
    before = walk(sandbox)
    sandbox.scutum.add(2, 86400)
    late = set(walk(sandbox)) - set(before)
    assert len(late) == 2
    status, _headers, body = raw_control(sandbox, "scutum/remove", sorted(late))
    assert (status, json.loads(body)) == (200, {"ok": True})
    assert walk(sandbox) == before


def raw_control(sandbox: Sandbox, name: str, arguments: list[Any]) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.request("POST", f"/_sandbox/{name}", json.dumps(arguments).encode())
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def test_a_late_record_becomes_visible_in_time() -> None:
    settings = {"records": 40, "days": 1, "late_every": 4, "late_s": 20000}
    with Sandbox(webapps=0, findings=0, log_anchor=ANCHOR, scutum=settings) as sandbox:
        early = walk(sandbox)
        assert len(early) < 40
        sandbox.log_clock.advance(20000)
        assert len(walk(sandbox)) == 40


def test_the_seed_is_the_same_every_time(sandbox: Sandbox) -> None:
    before = [(alert.row(), alert.detail()) for alert in sandbox.scutum.alerts]
    sandbox.scutum.add(3)
    sandbox.reset()
    assert [(alert.row(), alert.detail()) for alert in sandbox.scutum.alerts] == before
    assert quote("{{") not in json.dumps([row for row, _detail in before])
