# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded traffic without credentials, and otherwise as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.sensitive import redact_text, redact_url
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.redact import MARKER

NAMES = [
    *("token", "access_token", "api_key", "apikey", "client_secret", "password", "PASSWD", "pwd", "sid"),
    "JSESSIONID",
]


@pytest.mark.parametrize(
    "header",
    [
        *("Cookie", "cookie", "COOKIE", "cOoKiE", "Set-Cookie", "Cookie2", "Authorization", "Proxy-Authorization"),
        *("X-Api-Key", "x-api-key", "X-Auth-Token", "X-CSRF-Token", "X-XSRF-TOKEN", "X-Amz-Security-Token"),
    ],
)
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_the_value_of_a_header_with_a_credential_is_gone(header: str, line: str) -> None:
    text = f"GET / HTTP/1.1{line}Host: a.test{line}{header}: canary=1; other=canary{line}Accept: */*{line}"
    cleaned = redact_text(text)
    assert cleaned == f"GET / HTTP/1.1{line}Host: a.test{line}{header}: {MARKER}{line}Accept: */*{line}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", ["{}=canary", "a=1&{}=canary&b=2", "https://a.test/?{}=canary#top", "x; {}=canary"])
def test_the_value_of_a_pair_that_looks_like_a_credential_is_gone(name: str, shape: str) -> None:
    text = shape.format(name)
    assert redact_text(text) == redact_url(text) == text.replace("canary", MARKER)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["canary", "", "a b&c", r"ca\"nary", r"canary\\", r"\u0063anary\""])
def test_the_value_of_a_json_member_that_looks_like_a_credential_is_gone(name: str, value: str) -> None:
    text = f'{{"user": "ada", "{name}" : "{value}", "page": 2}}'
    assert redact_text(text) == f'{{"user": "ada", "{name}" : "{MARKER}", "page": 2}}'


@pytest.mark.parametrize("end", ["", "\\", '\\"', "\n"])
def test_a_json_member_that_is_cut_off_is_gone_too(end: str) -> None:
    assert redact_text('{"a": 1, "token": "canary' + end) == f'{{"a": 1, "token": "{MARKER}"'


@pytest.mark.parametrize(
    "text", ["see: Bearer eyJhbGciOi.J9.c2ln now", "auth: basic dXNlcjpjYW5hcnk= now", "X: BEARER abcdefgh12345 now"]
)
def test_a_bearer_or_basic_credential_is_gone_wherever_it_stands(text: str) -> None:
    cleaned = redact_text(text)
    assert cleaned is not None
    assert cleaned.endswith(f" {MARKER} now")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<p>The cookie policy: we like cookies</p>",
        "q=<script>alert(1)</script>&id=1",
        "broken=1&mytoken2=x&inside-token=y",
        '{"tokens": 5, "keyboard": "qwerty"}',
        "Bearer of bad news",
        "the password is wrong",
        "https://a.test/?q=1&page=2",
    ],
)
def test_everything_else_stays_as_it_was(text: str) -> None:
    assert redact_text(text) == text
    assert redact_url(text) == text


def test_nothing_is_nothing() -> None:
    assert redact_text(None) is None
    assert redact_url(None) is None


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


HOSTILE = ['"token":"' + "\\" * 200_000, "cookie: " * 50_000, "token=" * 100_000, '"token" ' * 90_000]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_cleaned_in_time(text: str) -> None:
    # Quadratic backtracking would take minutes here, and not fail but hang.
    assert redact_text(text)
