# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events under our names: what each means, what is left out, and that nothing a vendor sends can stop it."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.fields import (
    ACTIONS,
    FIELDS,
    event_content_of,
    event_id_of,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.normalise import EventNormaliser, event_time_of
from ansible_collections.appsec.perimeter.plugins.module_utils._records import codec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.codec import dumps
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Event, SubEvent
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redact import redact_url
from ansible_collections.appsec.perimeter.plugins.module_utils._records.urls import path_of
from tests.sandbox.edgecast.events import KINDS, event_text

SAMPLE: dict[str, Any] = {
    "id": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw==",
    "Event ID": "54973727612018659117005509529321560001",
    "Timestamp": "2025-01-02T10:04:59.120034Z",
    "Epoch Time": 1735812299.120034,
    "Client IP": "203.0.113.9",
    "Country Code": "NL",
    "Country Name": "Netherlands",
    "Host": "shop.example.com",
    "URL": "https://shop.example.com/search?q=1",
    "User Agent": "curl/8.5.0",
    "Action Type": "BLOCK_REQUEST",
    "Profile Type": "PRODUCTION",
    "Profile Name": "Shop rules",
    "Instance Name": "Shop app",
    "Rule Policy": "Inbound blocking",
    "Rule Tags": "OWASP_CRS/ANOMALY/EXCEEDED",
    "Rule Message": "Inbound Anomaly Score Exceeded (Total Score: 8, SQLi=5, XSS=0): Last Matched Message: 942100-SQL",
    "Sub Event Count": 2,
    "Sub Events": [
        {
            "Rule ID": 920320, "Rule Message": "Missing user agent", "Rule Severity": 4, "Total Anomaly Score": 3,
            "Matched On": "REQUEST_HEADERS", "Matched Value": "0",
        },
        {
            "Rule ID": 942100, "Rule Message": "SQL injection detected", "Rule Severity": 2, "Total Anomaly Score": 8,
            "Matched On": "ARGS:q", "Matched Value": "1' or '1'='1",
        },
    ],
}  # fmt: skip


def normal(raw: dict[str, Any], **options: Any) -> Event:
    return EventNormaliser(**options).event(raw)


def test_a_whole_sample() -> None:
    first: SubEvent = {
        "rule_id": "920320",
        "message": "Missing user agent",
        "severity": "medium",
        "severity_native": "4",
        "score": 3,
        "total_score": 3,
        "matched_on": "REQUEST_HEADERS",
        "matched_value": None,
    }
    second: SubEvent = {
        "rule_id": "942100",
        "message": "SQL injection detected",
        "severity": "critical",
        "severity_native": "2",
        "score": 5,
        "total_score": 8,
        "matched_on": "ARGS:q",
        "matched_value": None,
    }
    reserved = ("acl", "bots", "rules_config", "scope")
    assert normal(SAMPLE) == {
        "record": "event",
        "schema": 1,
        "source": "edgecast",
        "id": SAMPLE["id"],
        "time": "2025-01-02T10:04:59.120034Z",
        "action": "blocked",
        "action_native": "BLOCK_REQUEST",
        "client_ip": "203.0.113.9",
        "country": "NL",
        "host": "shop.example.com",
        "url": "https://shop.example.com/search?q=1",
        "path": "/search",
        "method": None,
        "user_agent": "curl/8.5.0",
        "referer": None,
        "categories": ["OWASP_CRS/ANOMALY/EXCEEDED"],
        "rule_ids": ["920320", "942100"],
        "message": SAMPLE["Rule Message"],
        "severity": "critical",
        "severity_native": "2",
        "profile": "Shop rules",
        "sub_events": [first, second],
        "details": {
            "event_id": "54973727612018659117005509529321560001",
            "profile_type": "PRODUCTION",
            "instance_name": "Shop app",
            "rule_policy": "Inbound blocking",
            "sub_event_count": 2,
            "country_name": "Netherlands",
            "city": None,
            **{f"{name}_{part}": None for name in reserved for part in ("id", "name")},
            "total_score": 8,
            "sqli_score": 5,
            "xss_score": 0,
        },
    }


def test_every_key_is_there_in_the_order_of_the_model() -> None:
    keys = [name for name in Event.__annotations__ if name != "raw"]
    assert list(normal({})) == keys
    assert list(normal(SAMPLE)) == keys
    assert list(normal(SAMPLE, include_raw=True)) == [*keys, "raw"]
    assert list(normal(SAMPLE)["sub_events"][0]) == list(SubEvent.__annotations__)
    names = {field.ours.partition(".")[0].partition("[")[0] for field in FIELDS}
    assert names <= set(keys)


@pytest.mark.parametrize(("native", "ours"), sorted(ACTIONS.items()))
def test_actions(native: str, ours: str) -> None:
    event = normal({"Action Type": native})
    assert (event["action"], event["action_native"]) == (ours, native)


@pytest.mark.parametrize("native", sorted(ACTIONS))
def test_what_an_audit_profile_saw_was_never_blocked(native: str) -> None:
    event = normal({"Action Type": native, "Profile Type": "AUDIT"})
    assert (event["action"], event["action_native"]) == ("alerted", native)
    assert event["details"]["profile_type"] == "AUDIT"


def test_new_words_are_counted_and_never_guessed() -> None:
    normaliser = EventNormaliser()
    event = normaliser.event({
        "Action Type": "QUANTUM_CHALLENGE", "Ja3 Hash": "x", "Profile Type": "AUDIT",
        "Sub Events": [{"Rule Severity": 9, "Tomorrow": 1}, {"Rule Severity": -1}, "text"],
    })  # fmt: skip
    assert (event["action"], event["severity"], event["severity_native"]) == ("unknown", "unknown", None)
    assert [sub["severity_native"] for sub in event["sub_events"]] == ["9", "-1"]
    assert normaliser.unknown == {
        "Action Type=QUANTUM_CHALLENGE": 1,
        "field=Ja3 Hash": 1,
        "field=Tomorrow": 1,
        "Rule Severity=9": 1,
        "Sub Events=str": 1,
    }


@pytest.mark.parametrize(
    ("levels", "severity"),
    [([0], "critical"), ([6, 1], "critical"), ([2], "critical"), ([3, 4], "high"), ([4], "medium"), ([5], "low"),
     ([6], "info"), ([-1], "unknown"), ([-1, 6], "info"), ([], "unknown"), (["4", 5], "medium")],
)  # fmt: skip
def test_the_worst_severity_is_the_lowest_number(levels: list[Any], severity: str) -> None:
    assert normal({"Sub Events": [{"Rule Severity": level} for level in levels]})["severity"] == severity


def test_scores_are_differences_in_the_vendors_order() -> None:
    totals = [3, None, 8, 8, 5]
    event = normal({"Sub Events": [{"Total Anomaly Score": total} for total in totals]})
    assert [sub["score"] for sub in event["sub_events"]] == [3, None, 5, 0, -3]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Inbound Anomaly Score Exceeded (Total Score: 5, SQLi=3, XSS=0): x", (5, 3, 0)),
        ("(total score:12,sqli = ,XSS= 4)", (12, None, 4)),
        ("Total Score: 7", (7, None, None)),
        ("Inbound Anomaly Score Exceeded (Total Score: , SQLi=3)", (None, None, None)),
        ("Score of the match", (None, None, None)),
        ("Country not allowed", (None, None, None)),
    ],
)
def test_scores_in_the_message_are_read_tolerantly(message: str, expected: tuple[int | None, ...]) -> None:
    details = normal({"Rule Message": message})["details"]
    assert (details["total_score"], details["sqli_score"], details["xss_score"]) == expected


def test_the_deprecated_fields_become_a_sub_event() -> None:
    old = {"Rule ID": 7, "Rule Severity": 3, "Matched On": "ARGS:a", "Matched Value": "v", "Matched Data": "d"}
    event = normal(old, keep_sensitive=True)
    assert (event["rule_ids"], event["severity"], event["sub_events"][0]["matched_value"]) == (["7"], "high", "v")
    assert normal({**old, "Sub Events": [{"Rule ID": 8}]})["rule_ids"] == ["8"]


def test_tags_as_text_and_as_list() -> None:
    assert normal({"Rule Tags": "A/B"})["categories"] == ["A/B"]
    assert normal({"Rule Tags": ["A", 1, None, "", {}]})["categories"] == ["A", "1"]
    assert normal({"Rule Tags": ""})["categories"] == []


def test_identity() -> None:
    assert normal({"id": "a", "Event ID": "1"})["id"] == "a"
    assert normal({"Event ID": "1"})["id"] == "1"
    assert normal({"Host": "h", "URL": "u"})["id"] == normal({"URL": "u", "Host": "h"})["id"] != normal({})["id"]


def test_an_event_without_an_id_is_known_by_a_hash_that_tells_nothing() -> None:
    raw = {name: value for name, value in SAMPLE.items() if name not in ("id", "Event ID")}
    raw["URL"] = "https://shop.example.com/?password=hunter2hunter2"
    event = normal(raw)
    assert re.fullmatch("[0-9a-f]{32}", event["id"])
    assert (
        event_id_of({**raw, "Epoch Time": 1735812299.1200341})
        == event_id_of(dict(reversed(raw.items())))
        == event["id"]
    )
    assert event_id_of({**raw, "Client IP": "203.0.113.10"}) != event["id"]
    written = dumps(event).decode()
    assert "hunter2hunter2" not in written
    assert "1' or '1'='1" not in written


@pytest.mark.parametrize(
    ("raw", "time"),
    [
        ({"Timestamp": "2026-01-02T03:04:05.000000Z"}, "2026-01-02T03:04:05Z"),
        ({"Timestamp": "2026-01-02T03:04:05.000001Z"}, "2026-01-02T03:04:05.000001Z"),
        ({"Timestamp": "2026-01-02T05:04:05+02:00"}, "2026-01-02T03:04:05Z"),
        ({"Timestamp": "2026-01-02T03:04:05"}, "2026-01-02T03:04:05Z"),
        ({"Timestamp": "yesterday", "Epoch Time": 0.5}, "1970-01-01T00:00:00.500000Z"),
        ({"Epoch Time": "1473207637.5"}, "2016-09-07T00:20:37.500000Z"),
        ({"Timestamp": "0001-01-01T00:00:00+05:00"}, None),
        ({"Epoch Time": 1e30}, None),
        ({"Epoch Time": []}, None),
        ({}, None),
    ],
)
def test_times(raw: dict[str, Any], time: str | None) -> None:
    assert normal(raw)["time"] == time


# Sensitive data

CANARIES = ("hunter2hunter2", "referer-token-canary", "url-password-canary", "matched-password-canary",
            "matched-data-canary", "4111111111111111", "0A1B2C3D4E5F", "1' or '1'='1")  # fmt: skip


def sandbox_events() -> list[dict[str, Any]]:
    return [json.loads(event_text(number, 1_700_000_000_123_456, number, "0001")) for number in range(len(KINDS))]


def test_nothing_sensitive_is_stored_unless_it_is_kept() -> None:
    redacted = dumps([normal(raw) for raw in sandbox_events()]).decode()
    assert [canary for canary in CANARIES if canary in redacted] == []
    kept = dumps([normal(raw, keep_sensitive=True) for raw in sandbox_events()]).decode()
    # The deprecated data repeats the matched value, which is the one that is kept.
    assert [canary for canary in CANARIES if canary not in kept] == ["matched-data-canary"]


def test_raw_is_the_vendors_object_untouched() -> None:
    for raw in sandbox_events():
        event = normal(raw, include_raw=True, raw_as=lambda found: dumps(found).decode())
        assert json.loads(event["raw"]) == raw


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://a.test/?q=1", "https://a.test/?q=1"),
        ("https://u:p@a.test/", "https://VALUE_REDACTED@a.test/"),
        ("https://u:p@x@a.test/@b", "https://VALUE_REDACTED@a.test/@b"),
        ("https://a.test/x?mail=u@b.test", "https://a.test/x?mail=u@b.test"),
        ("https://a.test/?token=s&b=2", "https://a.test/?token=VALUE_REDACTED&b=2"),
        ("https://a.test/?b=2&My_Access-Token=s#x", "https://a.test/?b=2&My_Access-Token=VALUE_REDACTED#x"),
        ("https://a.test/?%70assword=s", "https://a.test/?%70assword=VALUE_REDACTED"),
        ("https://a.test/#access_token=s", "https://a.test/#access_token=VALUE_REDACTED"),
        ("https://a.test/a;jsessionid=s/b", "https://a.test/a;jsessionid=VALUE_REDACTED"),
        ("https://a.test/?token=", "https://a.test/?token="),
        ("https://a.test/?apikey=s;sid=t", "https://a.test/?apikey=VALUE_REDACTED;sid=VALUE_REDACTED"),
        ("https://a.test/?monkey=1&code_page=2&presidents=3", "https://a.test/?monkey=1&code_page=2&presidents=3"),
    ],
)
def test_urls_lose_their_secrets(url: str, redacted: str) -> None:
    assert redact_url(url) == redacted
    assert normal({"URL": url, "Referer": url})["url"] == redacted
    assert normal({"URL": url, "Referer": url})["referer"] == redacted
    assert normal({"URL": url}, keep_sensitive=True)["url"] == url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.test", "/"), ("https://a.test/x/y?z#w", "/x/y"), ("https://a.test?x=/y", "/"), ("/only?x", "/only"),
        ("nothing", None), ("", None), ("https://[::1", "/"), ("https://a.test/x;sid=1", "/x;sid=VALUE_REDACTED"),
    ],
)  # fmt: skip
def test_paths(url: str, path: str | None) -> None:
    assert path_of(url) == path


# Content


def test_content_does_not_depend_on_the_order_of_keys_or_the_noise_of_floats() -> None:
    names = list(SAMPLE)
    random.Random(1).shuffle(names)
    other = {name: SAMPLE[name] for name in names}
    other["Epoch Time"] = 1735812299.1200341
    other["Sub Events"] = [dict(reversed(sub.items())) for sub in SAMPLE["Sub Events"]]
    assert event_content_of(other) == event_content_of(SAMPLE)
    assert event_content_of({**SAMPLE, "Action Type": "ALERT"}) != event_content_of(SAMPLE)
    assert event_content_of({"Epoch Time": 1.0}) != event_content_of({"Epoch Time": 2.0})
    assert "Epoch Time" in SAMPLE


def test_content_is_the_same_without_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [*sandbox_events(), SAMPLE, {"Event ID": 2**70, "Host": "\ud800", "\u00fc": 1.5, "z": None}]
    before = [event_content_of(raw) for raw in events]
    monkeypatch.setattr(codec, "HAS_ORJSON", False)
    assert [event_content_of(raw) for raw in events] == before


# Whatever comes

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted({field.vendor for field in FIELDS}))
SUBS = st.lists(st.dictionaries(NAMES, ANY, max_size=8) | ANY, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, ANY, max_size=20), SUBS, st.booleans())
def test_no_value_can_stop_it_and_every_record_has_the_same_types(
    raw: dict[str, Any], subs: list[Any], keep: bool
) -> None:
    if subs:
        raw["Sub Events"] = subs
    event = normal(raw, keep_sensitive=keep, include_raw=True, raw_as=lambda found: dumps(found).decode())
    assert isinstance(event["id"], str)
    for name in ("time", "client_ip", "country", "host", "url", "path", "user_agent", "referer", "message", "profile"):
        assert event[name] is None or isinstance(event[name], str), name  # type: ignore[literal-required]
    assert all(isinstance(item, str) for item in (*event["categories"], *event["rule_ids"]))
    for sub in event["sub_events"]:
        assert all(value is None or isinstance(value, str) for name, value in sub.items() if not name.endswith("score"))
        assert all(value is None or isinstance(value, int) for name, value in sub.items() if name.endswith("score"))
    for name, value in event["details"].items():
        whole = name.endswith(("score", "count"))
        assert value is None or isinstance(value, int if whole else str), name
    dumps(event)
    event_content_of(raw)
    event_time_of(raw)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(alphabet="abctoken=&?;#%@:/ ", max_size=40))
def test_redaction_never_fails_and_is_done_once(text: str, url: str) -> None:
    for value in (text, url, f"https://{text}@a.test/?token={text}"):
        once = redact_url(value)
        assert redact_url(once) == once
