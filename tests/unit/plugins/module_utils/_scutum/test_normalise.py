# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scutum's logs in our form: each field has its place, nothing hostile or odd breaks it, credentials stay out."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Event
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.fields import CATEGORY_LABELS, FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.normalise import (
    AlertNormaliser,
    decode,
    request_head,
)
from tests.sandbox import Sandbox
from tests.sandbox.scutum.seed import BEARER, SESSION_COOKIE

from ..scutum_kit import info

ROW = {
    "log_id": "1568081543650_595_59102",
    "ip": "192.168.1.2",
    "block": True,
    "category": ["SQLインジェクション", "未知の攻撃"],
    "uri": "/test.jsp?id=1%27&token=abcdef",
    "ts": "2019-09-10T11:12:24+09:00",
}
KEYS = set(Event.__annotations__) - {"raw"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


def event(row: dict[str, Any], **options: Any) -> dict[str, Any]:
    return cast(dict[str, Any], AlertNormaliser("www.example.jp", "ABC1234", **options).event(row))


def look(record: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        record = record[name]
    return record


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_the_sample_of_the_vendor() -> None:
    found = event(ROW)
    assert found == {
        "record": "event",
        "schema": 1,
        "source": "scutum",
        "id": "1568081543650_595_59102",
        "time": "2019-09-10T02:12:24Z",
        "action": "blocked",
        "action_native": "true",
        "client_ip": "192.168.1.2",
        "country": None,
        "host": "www.example.jp",
        "url": f"/test.jsp?id=1%27&token={MARKER}",
        "path": "/test.jsp",
        "method": None,
        "user_agent": None,
        "referer": None,
        "categories": ["SQLインジェクション", "未知の攻撃"],
        "rule_ids": [],
        "message": "SQL injection, 未知の攻撃",
        "severity": "unknown",
        "severity_native": None,
        "profile": None,
        "sub_events": [],
        "details": {
            "scutum_id": "ABC1234",
            "category_labels": ["SQL injection", "未知の攻撃"],
            "query": f"id=1%27&token={MARKER}",
            "detail": "not_asked",
            "request": None,
            "response": None,
        },
    }
    assert set(found) == KEYS


CASES: list[tuple[str, Any, Any]] = [
    ("log_id", "a_1", "a_1"),
    ("log_id", 17, "17"),
    ("ip", "2001:db8::1", "2001:db8::1"),
    ("block", True, "blocked"),
    ("block", False, "alerted"),
    ("block", None, "unknown"),
    ("block", "true", "unknown"),
    ("category", ["a", "b"], ["a", "b"]),
    ("category", [], []),
    ("category", "a", ["a"]),
    ("category", None, []),
    ("uri", "/x", "/x"),
    ("ts", "2019-09-10T11:12:24+09:00", "2019-09-10T02:12:24Z"),
    ("ts", "2019-09-10T11:12:24", "2019-09-10T02:12:24Z"),
    ("ts", "2019-09-10T02:12:24Z", "2019-09-10T02:12:24Z"),
    ("ts", "2019-09-10T11:12:24.750+09:00", "2019-09-10T02:12:24.750000Z"),
    ("ts", "soon", None),
    ("ts", 1568081543, None),
    ("request", b64("GET / HTTP/1.1\r\n\r\n"), "GET / HTTP/1.1\r\n\r\n"),
    ("request", "", None),
    ("response", b64("HTTP/1.1 200 OK\r\n\r\nはい"), "HTTP/1.1 200 OK\r\n\r\nはい"),
    ("response", None, None),
]


@pytest.mark.parametrize(("name", "value", "expected"), CASES)
def test_each_field_has_its_place(name: str, value: Any, expected: Any) -> None:
    assert look(event({**ROW, name: value}), FIELDS[name].ours) == expected
    assert {case[0] for case in CASES} == set(FIELDS)


@pytest.mark.parametrize(
    ("uri", "path", "query"),
    [
        ("/a?b=c?d", "/a", "b=c?d"),
        ("", None, None),
        ("?x", "/", "x"),
        ("//evil.example/x", "//evil.example/x", None),
        ("http://www.example.jp/a?b", "/a", "b"),
        ("https://www.example.jp", "/", None),
        ("/[::1]?x=[", "/[::1]", "x=["),
        ("*", "*", None),
        ("/a;jsessionid=ABCDEF/b", f"/a;jsessionid={MARKER}/b", None),
    ],
)
def test_the_target_is_taken_apart_without_being_trusted(uri: str, path: str | None, query: str | None) -> None:
    found = event({**ROW, "uri": uri})
    if "jsessionid" in uri:
        assert "ABCDEF" not in json.dumps(found)
        return
    assert (found["path"], found["details"]["query"]) == (path, query)


RECORDED = (
    "POST /login?sid=s3cr3t-in-query HTTP/1.1\r\nHost: shop.example.jp\r\nUser-Agent: {{ 7*7 }}\r\n"
    "Referer: https://x.example/?token=s3cr3t-in-referer\r\nCookie: SID=s3cr3t-cookie\r\n"
    "authorization: Bearer s3cr3t-bearer-token\r\n\r\nuser=a&password=s3cr3t-password"
)


def test_credentials_are_taken_out_of_what_was_recorded() -> None:
    detail = {**ROW, "request": b64(RECORDED), "response": b64("HTTP/1.1 200 OK\nSet-Cookie: a=s3cr3t-set\n\n")}
    found = event(detail)
    assert "s3cr3t" not in json.dumps(found)
    assert found["details"]["request"].startswith("POST /login?sid=")
    assert (found["method"], found["user_agent"]) == ("POST", "{{ 7*7 }}")
    assert found["host"] == "www.example.jp", "the host is the one of the key, and not what an attacker claims"
    kept = event(detail, keep_sensitive=True)
    assert kept["details"]["request"] == RECORDED
    assert kept["referer"] == "https://x.example/?token=s3cr3t-in-referer"
    raw = event(detail, include_raw=True, raw_as=json.dumps)
    assert json.loads(raw["raw"]) == detail


def test_the_seeded_hostile_logs_leak_nothing(scutum: Sandbox) -> None:
    scutum.switches["scutum_rate_limit"] = 0
    hidden = (SESSION_COOKIE, BEARER, "sandbox-query-token", "sandbox-session", "sandbox-form-password")
    seen = ""
    for number, alert in enumerate(scutum.scutum.alerts[:20]):
        shown = info(scutum, log_id=alert.log_id).values["alert"]
        seen += json.dumps(shown, ensure_ascii=False)
        if number == 0:
            kept = json.dumps(info(scutum, log_id=alert.log_id, sensitive="keep").values["alert"])
            assert SESSION_COOKIE in kept
    assert not [word for word in hidden if word in seen]
    assert "�" in seen, "bytes that are no UTF-8 are there, and were replaced"
    assert '"request": null' in seen
    assert '"response": null' in seen


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("R0VU\r\n IC8=", "GET /"),
        ("R0VUIC8", "GET /"),
        ("R0VUIC8=====", "GET /"),
        ("R0VU IC8=!", "GET /"),
        (b64("é?>~").replace("+", "-").replace("/", "_"), "é?>~"),
        (b64(b"\xff\xfe"), "��"),
        ("A", None),
        ("===", None),
        ("日本", None),
        (None, None),
        (b"R0VU", None),
        (7, None),
    ],
)
def test_base64_is_read_leniently(value: Any, expected: str | None) -> None:
    assert decode(value) == expected


@given(st.binary())
def test_whatever_was_recorded_comes_back(data: bytes) -> None:
    assert decode(b64(data)) == (data.decode("utf-8", "replace") or None)


@given(JSON)
def test_decoding_and_heads_never_fail(value: Any) -> None:
    text = decode(value)
    head = request_head(text)
    assert text is None or isinstance(text, str)
    assert head.method is None or " " not in head.method


def test_unknown_words_do_not_fill_the_memory() -> None:
    normaliser = AlertNormaliser("www.example.jp", "ABC1234")
    for number in range(300):
        normaliser.event({"ts": "2026-10-31T12:00:00+09:00", "block": True, f"field{number}": 1})
    assert len(normaliser.unknown) == 101
    assert normaliser.unknown["others"] == 200


@given(st.dictionaries(st.sampled_from([*FIELDS, "new"]), JSON))
def test_no_value_breaks_a_log(row: dict[str, Any]) -> None:
    found = event(row)
    assert set(found) == KEYS
    assert found["action"] in ("blocked", "alerted", "unknown")
    assert all(isinstance(name, str) for name in found["categories"])


def test_labels_are_english() -> None:
    assert CATEGORY_LABELS["Scutum攻撃テスト"] == "Scutum attack test"
    assert all(label.isascii() and label for label in CATEGORY_LABELS.values())


@given(st.text())
def test_a_request_of_any_text_has_a_head(text: str) -> None:
    assert len(request_head(text)) == 4
