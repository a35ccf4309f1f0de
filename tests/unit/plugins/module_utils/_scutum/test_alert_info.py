# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defence logs as a user asks for them: every parameter of the vendor's page, against a service that is strict."""

from __future__ import annotations

import re

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.client import DETAIL
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.fields import ENVELOPE, FIELDS, PARAMETERS
from tests.sandbox import Sandbox

from ..scutum_kit import NOW, RECORDS, WHOLE, calls, info

VENDOR_PARAMETERS = {"host", "id", "time_order", "from", "to", "ip", "marker"}
VENDOR_FIELDS = {"log_id", "ip", "block", "category", "uri", "ts", "request", "response"}
VENDOR_ENVELOPE = {"data", "count", "truncated", "next_marker"}


def ids(result: Result) -> list[str]:
    return [alert["id"] for alert in result.values["alerts"]]


def stored(sandbox: Sandbox) -> list[str]:
    return [alert.log_id for alert in sandbox.scutum.alerts]


def test_the_tables_hold_what_the_page_of_the_vendor_lists() -> None:
    assert set(PARAMETERS) == VENDOR_PARAMETERS
    assert set(FIELDS) == VENDOR_FIELDS
    assert set(ENVELOPE) == VENDOR_ENVELOPE


def test_host_and_id_and_a_fixed_end_go_with_every_page(scutum: Sandbox) -> None:
    result = info(scutum)
    assert ids(result) == stored(scutum)[::-1], "newest first, each once"
    sent = calls(scutum)
    assert len(sent) == 9
    assert all((call["host"], call["id"]) == ("www.example.jp", "ABC1234") for call in sent)
    assert {call["to"] for call in sent} == {"2026-11-01T12:00:00+09:00"}
    assert (result.changed, result.values["total"], result.values["truncated"]) == (False, RECORDS, False)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_time_order(scutum: Sandbox, order: str) -> None:
    result = info(scutum, time_order=order)
    assert ids(result) == (stored(scutum) if order == "asc" else stored(scutum)[::-1])
    assert {call["time_order"] for call in calls(scutum)} == {order}


def test_pages_of_equal_times_neither_lose_nor_repeat(scutum: Sandbox) -> None:
    scutum.scutum.add(30, 3600)
    assert sorted(ids(info(scutum, time_order="asc"))) == sorted(stored(scutum))


def test_from_is_inclusive_and_to_is_exclusive(scutum: Sandbox) -> None:
    times = sorted({alert.ts for alert in scutum.scutum.alerts})
    first, last = times[3].isoformat(), times[6].isoformat()
    expected = [alert.log_id for alert in scutum.scutum.alerts if times[3] <= alert.ts < times[6]]
    assert len(expected) == 12
    assert ids(info(scutum, time_order="asc", **{"from": first, "to": last})) == expected


FORMS = {
    "2026-10-20T00:00:00+09:00": "2026-10-20T00:00:00+09:00",
    "2026-10-19T15:00:00Z": "2026-10-20T00:00:00+09:00",
    "2026-10-20T00:00:00": "2026-10-20T00:00:00+09:00",
    "2026-10-20": "2026-10-20T00:00:00+09:00",
    "20261020": "2026-10-20T00:00:00+09:00",
    "2026-10-19T10:00:00-05:00": "2026-10-20T00:00:00+09:00",
    "2026-10-19T23:59:59.5+09:00": "2026-10-20T00:00:00+09:00",
    " 2026-10-20 00:00:00 ": "2026-10-20T00:00:00+09:00",
}


@pytest.mark.parametrize("option", ["from", "to"])
@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_a_time_reach_scutum_in_one(scutum: Sandbox, option: str, form: str) -> None:
    scutum.switches["scutum_literal_z"] = "reject"
    result = info(scutum, **{option: form})
    assert {call[option] for call in calls(scutum)} == {FORMS[form]}
    midnight = [alert.log_id for alert in scutum.scutum.alerts if alert.ts.isoformat() >= "2026-10-19T15:00:00+00:00"]
    kept = set(stored(scutum)) - set(midnight) if option == "to" else set(midnight)
    assert set(ids(result)) == kept


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1761000000", "2026-10-20T25:00:00", "0001-01-01", ""])
def test_what_is_no_time_is_refused_before_anything_is_sent(scutum: Sandbox, text: str) -> None:
    if not text:
        assert info(scutum, **{"from": text}).values["total"] == RECORDS  # empty is not given
        return
    with pytest.raises(OptionError, match=r"^from: .* is not a date or time") as caught:
        info(scutum, **{"from": text})
    assert "Japan time" in caught.value.hint
    assert scutum.counters.requests == 0


def test_the_wrong_way_round_is_refused(scutum: Sandbox) -> None:
    with pytest.raises(OptionError, match=r"from \(2026-10-19T15:00:00Z\) is not before to \(2026-10-19T15:00:00Z\)"):
        info(scutum, **{"from": "2026-10-20", "to": "20261020"})
    assert scutum.counters.requests == 0


def test_more_than_a_year_ago_is_clamped_and_said(scutum: Sandbox) -> None:
    result = info(scutum, **{"from": "2024-01-01"})
    assert "2025-11-01T03:00:00Z" in result.warnings[0]
    assert {call["from"] for call in calls(scutum)} == {"2025-11-01T12:00:00+09:00"}


def test_a_span_of_which_nothing_is_kept_is_said_as_such(scutum: Sandbox) -> None:
    with pytest.raises(OptionError, match=r"to \(2024-01-31T15:00:00Z\) is more than a year ago"):
        info(scutum, **{"from": "2024-01-01", "to": "2024-02-01"})
    assert scutum.counters.requests == 0


def test_ip_is_one_address(scutum: Sandbox) -> None:
    for address in ("203.0.113.3", "2001:db8::11"):
        expected = [alert.log_id for alert in scutum.scutum.alerts if alert.fields["ip"] == address]
        assert expected
        assert ids(info(scutum, time_order="asc", ip=address)) == expected
    assert {call["ip"] for call in calls(scutum)} == {"203.0.113.3", "2001:db8::11"}


@pytest.mark.parametrize("text", ["203.0.113.0/24", "203.0.113.*", "www.example.jp", "203.0.113.3,203.0.113.4"])
def test_masks_and_wildcards_are_refused(scutum: Sandbox, text: str) -> None:
    with pytest.raises(OptionError, match="is not an address") as caught:
        info(scutum, ip=text)
    assert "mask" in caught.value.hint
    assert scutum.counters.requests == 0


def test_the_marker_is_encoded_and_nothing_else_changes(scutum: Sandbox) -> None:
    info(scutum, ip="203.0.113.3", **WHOLE)
    info(scutum, time_order="asc", **WHOLE)
    first, *rest = [call for call in calls(scutum) if "ip" not in call]
    assert "marker" not in first
    assert len({call.pop("marker") for call in rest}) == len(rest) == 8
    assert all(call == first for call in rest)
    raw = [entry["path"] for entry in scutum.counters.snapshot()["recent"] if "marker" in entry["path"]]
    assert all("+" not in path and "%2B" in path for path in raw)


@pytest.mark.parametrize("limit", [1, 6, 7, 8, 59, 60, 61])
def test_a_limit_costs_no_call_too_many(scutum: Sandbox, limit: int) -> None:
    result = info(scutum, limit=limit)
    assert ids(result) == stored(scutum)[::-1][:limit]
    assert result.values["truncated"] is (limit < RECORDS)
    assert result.values["total"] == (None if limit < RECORDS else RECORDS)
    assert scutum.counters.requests == min(9, -(-limit // 7))


def test_a_limit_below_one_is_refused(scutum: Sandbox) -> None:
    with pytest.raises(OptionError, match="limit must be at least 1"):
        info(scutum, limit=0)


def test_query_is_applied_inside(scutum: Sandbox) -> None:
    result = info(scutum, query="[?action=='alerted'].id")
    alerted = [alert.log_id for alert in reversed(scutum.scutum.alerts) if not alert.fields["block"]]
    assert result.values["alerts"] == alerted
    with pytest.raises(OptionError, match="query"):
        info(scutum, query="[?")


def test_include_raw_is_the_object_untouched(scutum: Sandbox) -> None:
    shown = info(scutum, include_raw=True).values["alerts"]
    assert [alert["raw"] for alert in shown] == [alert.row() for alert in reversed(scutum.scutum.alerts)]
    assert "raw" not in info(scutum).values["alerts"][0]


def test_an_empty_answer_is_no_error(scutum: Sandbox) -> None:
    result = info(scutum, **{"from": "2026-09-01", "to": "2026-09-02"})
    assert (result.values["alerts"], result.values["total"], result.warnings) == ([], 0, [])


def test_one_log_comes_with_request_and_response(scutum: Sandbox) -> None:
    wanted = scutum.scutum.alerts[2]
    result = info(scutum, log_id=wanted.log_id, sensitive="keep")
    alert = result.values["alert"]
    assert alert["id"] == wanted.log_id
    assert alert["details"]["detail"] == "read"
    assert alert["details"]["request"].startswith("GET ")
    assert alert["details"]["response"].startswith("HTTP/1.1 ")
    assert (alert["method"], alert["referer"][:8]) == ("GET", "https://")
    assert result.values["alerts"] == [alert]
    assert [set(call) for call in calls(scutum, DETAIL)] == [{"host", "id", "log_id"}]


def test_a_log_that_does_not_exist_is_null(scutum: Sandbox) -> None:
    result = info(scutum, log_id="1740754801234_101_20001")
    assert (result.values["alert"], result.values["alerts"], result.values["total"]) == (None, [], 0)


def test_a_log_older_than_a_year_is_not_found(scutum: Sandbox) -> None:
    old = scutum.scutum.alerts[0].log_id
    scutum.log_clock.advance(400 * 86400)
    assert info(scutum, log_id=old).values["alert"] is None


def test_a_refused_parameter_shows_the_words_of_the_vendor(scutum: Sandbox) -> None:
    scutum.faults.add(kind="status", status=400, body="{'broken: ip\x1b[31m is odd")
    with pytest.raises(VendorError, match=r"HTTP 400\): \{'broken: ip \[31m is odd\.") as caught:
        info(scutum)
    assert caught.value.code == "400"


def test_unknown_fields_are_counted(scutum: Sandbox) -> None:
    scutum.scutum.alerts[0].fields["new_field"] = {"a": 1}
    scutum.scutum.alerts[1].fields["block"] = "maybe"
    assert info(scutum).values["unknown_values"] == {"field new_field": 1, "block": 1}


def test_now_is_rounded_up_so_that_the_present_second_is_in(scutum: Sandbox) -> None:
    assert NOW.microsecond == 0
    scutum.scutum.add(1, 1)
    newest = scutum.scutum.alerts[-1].log_id
    assert ids(info(scutum))[0] == newest
    assert re.fullmatch(r"\d{13}_\d+_\d+", newest)
