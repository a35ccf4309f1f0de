# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defence logs from a seed: the same every time, hostile where an attacker writes them."""

from __future__ import annotations

import base64
import functools
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from ..qualys import hostile

JAPAN = timezone(timedelta(hours=9))
CATEGORIES = (
    "SQLインジェクション",
    "クロスサイトスクリプティング",
    "OSコマンドインジェクション",
    "ディレクトリトラバーサル",
    "Scutum攻撃テスト",
    "新種の攻撃＜{{ 7*7 }}＞",
)
_TEXTS = (*hostile.MARKUP, *hostile.TEMPLATES, *hostile.FORMULAS, *hostile.TERMINAL, *hostile.UNICODE, *hostile.SQL)
_PATHS = ("/test.jsp", "/sstattack", "/item/list", "/search", "/会員/ログイン", "/cgi-bin/../../etc/passwd")
_SECRETS = "token=sandbox-query-token&session_id=sandbox-session"
SESSION_COOKIE = "sandbox-cookie-value"
BEARER = "c2FuZGJveC1iZWFyZXItdG9rZW4"
BIG = 256 * 1024
"""Bytes of the body that one record in fifty has."""


@dataclass(slots=True)
class Alert:
    """One defence log. ``visible`` is when the service begins to show it: later than ``ts`` for a late one."""

    ts: datetime
    log_id: str
    fields: dict[str, Any]
    visible: datetime
    number: int

    @property
    def order(self) -> tuple[datetime, str]:
        """What lists are sorted by."""
        return self.ts, self.log_id

    def row(self) -> dict[str, Any]:
        """The object of a list."""
        return {"log_id": self.log_id, **self.fields, "ts": self.ts.astimezone(JAPAN).isoformat()}

    def detail(self) -> dict[str, Any]:
        """The object of the detail call: the text may be absent, empty, no UTF-8, or large."""
        whole = self.row()
        kind = self.number % 10
        if kind == 7:
            return whole  # nothing was recorded
        whole["request"] = base64.b64encode(_request(self)).decode()
        whole["response"] = "" if kind == 8 else base64.b64encode(_response(self)).decode()
        return whole


def _request(alert: Alert) -> bytes:
    body = b""
    if alert.number % 10 == 9:
        body = b"name=\xff\xfe\x80 not UTF-8&password=sandbox-form-password"
    if alert.number % 50 == 1:
        body = b"x" * BIG
    method = "POST" if body else "GET"
    head = (
        f"{method} {alert.fields['uri']} HTTP/1.1\r\nHost: www.example.jp\r\n"
        f"User-Agent: scanner/{alert.number} ({_TEXTS[alert.number % len(_TEXTS)].splitlines()[0]})\r\n"
        f"Referer: https://www.example.jp/?{_SECRETS}\r\n"
        f"Cookie: JSESSIONID={SESSION_COOKIE}\r\nAuthorization: Bearer {BEARER}\r\n\r\n"
    )
    return head.encode() + body


def _response(alert: Alert) -> bytes:
    status = "403 Forbidden" if alert.fields["block"] else "200 OK"
    return f"HTTP/1.1 {status}\r\nSet-Cookie: SID={SESSION_COOKIE}; Secure\r\n\r\n<html>遮断しました</html>".encode()


def alert(number: int, ts: datetime, visible: datetime, seed: int) -> Alert:
    """The record with this number."""
    draw = random.Random(f"scutum:{seed}:{number}")
    categories = draw.sample(CATEGORIES, draw.choice((1, 1, 1, 2, 3)))
    query = f"?q={quote(_TEXTS[number % len(_TEXTS)], safe='=+@{}<>')}&{_SECRETS}" if number % 3 else ""
    fields = {
        "ip": f"2001:db8::{number % 97:x}" if number % 17 == 0 else f"203.0.113.{number % 20}",
        "block": number % 4 != 0,
        "category": categories if number % 31 else [],
        "uri": draw.choice(_PATHS) + query,
    }
    # The number in front looks like a time, and is not always that of the record (docs/vendors/scutum_waf.md 7).
    stamp = int(ts.timestamp() * 1000) + (0 if number % 2 else 100_000_000)
    return Alert(ts, f"{stamp:013d}_{595 + number % 5}_{59000 + number}", fields, visible, number)


@functools.lru_cache(maxsize=4)
def alerts(count: int, days: float, anchor: datetime, seed: int, late_every: int, late_s: float) -> tuple[Alert, ...]:
    """``count`` records over the days before the anchor, some of them in the same second, every n-th of them late.

    They are kept for the next reset: whoever changes records takes copies.
    """
    span = days * 86400
    made: list[Alert] = []
    for number in range(count):
        # Groups of four share one second, so that page borders fall between equal times.
        age = round(span - (number - number % 4) * span / max(count, 1))
        ts = anchor - timedelta(seconds=age)
        late = late_every and number % late_every == late_every - 1
        made.append(alert(number, ts, ts + timedelta(seconds=late_s) if late else ts, seed))
    return tuple(made)
