# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events made from their number: a page of a million costs no more than its own events."""

from __future__ import annotations

import base64
import bisect
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
FIRST_EVENT_ID = 54973727612018659117005509529321560000
_ID, _EVENT_ID, _TIME, _EPOCH_TIME, _IP = "\x01ID", "\x01EVENT", "\x01TIME", "\x01EPOCH", "\x01IP"
_PLAIN = {_ID: "%(id)s", _EVENT_ID: "%(event)s", _TIME: "%(time)s", _IP: "%(ip)s"}
VARYING = ("id", "Event ID", "Timestamp", "Epoch Time", "Client IP")
"""Fields that differ from event to event; all others are those of one of the kinds below."""


def _sub(
    rule: int, message: str, severity: int, score: int, matched_on: str, value: str, **more: Any
) -> dict[str, Any]:
    return {
        "Rule ID": rule,
        "Rule Message": message,
        "Rule Severity": severity,
        "Total Anomaly Score": score,
        "Matched On": matched_on,
        "Matched Value": value,
        **more,
    }


def _scored(total: int, sqli: int, xss: int, last: str) -> str:
    return (
        f"Inbound Anomaly Score Exceeded (Total Score: {total}, SQLi={sqli}, XSS={xss}): Last Matched Message: {last}"
    )


_SQLI = [
    _sub(920320, "Missing user agent", 4, 3, "REQUEST_HEADERS", "0"),
    _sub(942100, "SQL injection detected", 2, 8, "ARGS:q", "1' or '1'='1"),
]
_XSS = [_sub(941100, "XSS attack detected", 2, 5, "ARGS:q", '<script>alert("x")</script>')]

KINDS: tuple[dict[str, Any], ...] = (
    {
        "Host": "shop.example.com",
        "URL": "https://shop.example.com/search?q=1%27%20or%201",
        "Action Type": "BLOCK_REQUEST",
        "Rule Policy": "Inbound blocking",
        "Rule Tags": "OWASP_CRS/ANOMALY/EXCEEDED",
        "Rule Message": _scored(8, 5, 0, "942100-SQL injection detected"),
        "Sub Event Count": 2,
        "Sub Events": _SQLI,
        "User Agent": "curl/8.5.0",
        "Country Code": "NL",
        "Country Name": "Netherlands",
        "City Name": "Amsterdam",
    },
    {
        "Host": "shop.example.com",
        "URL": "https://shop.example.com/search?q=%3Cscript%3E",
        "Action Type": "CUSTOM_RESPONSE",
        "Rule Policy": "Inbound blocking",
        "Rule Tags": "OWASP_CRS/WEB_ATTACK/XSS",
        "Rule Message": _scored(5, 0, 5, "941100-XSS attack detected"),
        "Sub Event Count": 1,
        "Sub Events": _XSS,
        "User Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_6) AppleWebKit/537.36 Safari/537.36",
        "Referer": "https://user:hunter2hunter2@partner.example.net/?access_token=referer-token-canary",
        "Country Code": "US",
        "Country Name": "United States",
    },
    {
        "Host": "api.example.com",
        "URL": "https://api.example.com/login?password=url-password-canary&lang=en",
        "Action Type": "ALERT",
        "Rule Policy": "Inbound blocking",
        "Rule Tags": "OWASP_CRS/POLICY/SIZE_LIMIT",
        "Rule Message": "Argument is too long",
        "Sub Event Count": 1,
        "Sub Events": [
            _sub(
                80009,
                "Argument is too long",
                4,
                3,
                "ARGS:password",
                "matched-password-canary",
                **{"Matched Data": "matched-data-canary"},
            )
        ],
        "User Agent": '=HYPERLINK("http://evil.test","x")',
    },
    {
        "Host": "api.example.com",
        "URL": "https://api.example.com/v1/{{ lookup('pipe', 'id') }}/%0d%0a\u202egnp.exe",
        "Action Type": "REDIRECT_302",
        "Rule Policy": "Access control",
        "Rule Tags": ["BLACKLIST/URL", "BLACKLIST/REFERRER"],
        "Rule Message": "{% for x in y %}\x1b[31m\r\n\u2028##vso[task.setvariable]|<b>\u00fc\u4e2d\U0001f600",
        "Referer": "-1+1|cmd",
        "Sub Event Count": 0,
    },
    {
        "Host": "b\u00fccher.example.com",
        "URL": "https://b\u00fccher.example.com/\u65e5\u672c\u8a9e?\u540d=\U0001f680",
        "Action Type": "NOP",
        "Profile Type": "AUDIT",
        "Rule Tags": "BLACKLIST/COUNTRY",
        "Rule Message": "Country not allowed",
        "Sub Event Count": 0,
        "Country Code": "KP",
    },
    {
        "Host": "shop.example.com",
        "URL": "http://shop.example.com/cart;jsessionid=0A1B2C3D4E5F?id=1",
        "Action Type": "BLOCK_REQUEST",
        "Profile Type": "AUDIT",
        "Rule Tags": "OWASP_CRS/PROTOCOL_VIOLATION/INVALID_HREQ",
        "Rule Message": "Invalid request line",
        "Sub Event Count": 3,
        "Sub Events": [
            _sub(960911, "Invalid request line", 4, 3, "REQUEST_LINE", "GET /x\u0000 HTTP/1.1"),
            _sub(960032, "Method not allowed", -1, 3, "REQUEST_METHOD", "TRACE"),
            _sub(960034, "Version not allowed", 6, 4, "REQUEST_PROTOCOL", "HTTP/0.9"),
        ],
    },
    {
        "Host": "old.example.com",
        "URL": "https://old.example.com/a?b=c",
        "Action Type": "DROP_REQUEST",
        "Rule Tags": "BLACKLIST/IP",
        "Rule Message": "Signature matched",
        "Rule ID": 981255,
        "Rule Severity": 3,
        "Matched On": "ARGS:card",
        "Matched Value": "4111111111111111",
        "Matched Data": "4111111111111111",
        "Referrer": "https://old.example.com/",
    },
    {
        "Host": "new.example.com",
        "URL": "https://new.example.com/quantum",
        "Action Type": "QUANTUM_CHALLENGE",
        "Rule Message": "A rule of tomorrow",
        "Acl ID": "acl-1",
        "Acl Name": "Access rule",
        "Bots ID": "bots-1",
        "Bots Name": "Bots rule",
        "Rules Config ID": "cfg-1",
        "Rules Config Name": "Custom rule",
        "Scope ID": "scope-1",
        "Scope Name": "Security application",
        "Ja3 Hash": "a field that no page names",
    },
    {
        "Host": "shop.example.com",
        "URL": "https://shop.example.com/challenge",
        "Action Type": "BROWSER_CHALLENGE",
        "Rule Tags": "OWASP_CRS/BOTS",
        "Rule Message": "Browser challenge",
        "Sub Event Count": 0,
        "Sub Events": [],
    },
)
"""Kinds of events; event ``n`` is of kind ``n % 9``. The last two have no ``Event ID``."""

_WITHOUT_EVENT_ID = (7, 8)


def _full(number: int) -> dict[str, Any]:
    """A kind with all its fields, in an order of its own: the vendor's keys come in any."""
    kind = KINDS[number]
    fields = {
        "id": _ID,
        "Timestamp": _TIME,
        "Epoch Time": _EPOCH_TIME,
        "Client IP": _IP,
        "Profile Type": "PRODUCTION",
        "Profile Name": f"{kind['Host'].partition('.')[0]} rules",
        "Instance Name": f"{kind['Host'].partition('.')[0]} app",
        **kind,
    }
    if number not in _WITHOUT_EVENT_ID:
        fields["Event ID"] = _EVENT_ID
    names = list(fields)
    random.Random(number).shuffle(names)
    return {name: fields[name] for name in names}


def _template(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("%", "%%")
    for sign, place in _PLAIN.items():
        text = text.replace(json.dumps(sign), f'"{place}"')
    return text.replace(json.dumps(_EPOCH_TIME), "%(epoch)s")


_FULL = tuple(_full(number) for number in range(len(KINDS)))
_TEMPLATES = tuple(_template(fields) for fields in _FULL)


def moment_us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _epoch_text(at_us: int, number: int) -> str:
    seconds, micros = divmod(at_us, 1_000_000)
    if number % 5 == 0 and micros:
        # As the vendor prints them: the nearest binary float, with its noise.
        return f"{seconds}.{micros - 1:06d}9"
    return f"{seconds}.{micros:06d}"


def event_text(number: int, at_us: int, kind: int, account: str) -> str:
    """One event as JSON.

    Args:
        number: decides the ids and the address.
        at_us: when it happened.
        kind: which of KINDS.
        account: another account has other ids.
    """
    digest = hashlib.blake2b(f"{account}:{number}".encode()).digest()
    at = EPOCH + timedelta(microseconds=at_us)
    return _TEMPLATES[kind] % {
        "id": base64.urlsafe_b64encode(digest).decode("ascii"),
        "event": FIRST_EVENT_ID + number,
        "time": at.isoformat(timespec="microseconds")[:26] + "Z",
        "epoch": _epoch_text(at_us, number),
        "ip": f"203.0.113.{number % 254 + 1}" if number % 11 else f"2001:db8::{number % 9999:x}",
    }


@dataclass(frozen=True)
class Aim:
    """What an added event asks for: an address, the parameter that is attacked, how, and whether it was blocked."""

    url: str
    parameter: str
    attack: str
    blocked: bool


ATTACKS = {"sqli": 0, "xss": 1}
"""The kind whose rules an attack sets off."""


def aimed_text(number: int, at_us: int, aim: Aim, account: str) -> str:
    """An event as :func:`event_text` makes it, that asks for the address that is aimed at."""
    fields = json.loads(event_text(number, at_us, ATTACKS[aim.attack], account))
    rules = [
        rule | {"Matched On": f"ARGS:{aim.parameter}"} if rule["Matched On"].startswith("ARGS:") else rule
        for rule in fields["Sub Events"]
    ]
    host = urlsplit(aim.url).hostname or ""
    action = "BLOCK_REQUEST" if aim.blocked else "ALERT"
    fields |= {"Host": host, "URL": aim.url, "Action Type": action, "Sub Events": rules}
    return json.dumps(fields, ensure_ascii=False)


class Seed:
    """The seeded events: ``records`` of them, evenly over ``days`` days before the anchor; number 0 is the newest.

    Every tenth shares its time with the one before it, so that equal times stand at the borders of pages.
    """

    def __init__(self, records: int, days: float, anchor: datetime) -> None:
        self.records = records
        self.anchor_us = moment_us(anchor)
        self._step = max(1, int(days * DAY_US) // max(1, records))

    def age_us(self, number: int) -> int:
        """How long before the anchor an event happened."""
        return (number + (0 if number and number % 10 == 0 else 1)) * self._step - self._step // 2

    def time_us(self, number: int) -> int:
        """When an event happened."""
        return self.anchor_us - self.age_us(number)

    def between(self, after_us: int, until_us: int) -> range:
        """Numbers of the events with ``after < time <= until``."""
        numbers = range(self.records)
        first = bisect.bisect_left(numbers, self.anchor_us - until_us, key=self.age_us)
        last = bisect.bisect_left(numbers, self.anchor_us - after_us, key=self.age_us)
        return range(first, max(first, last))


def kinds_that_match(filters: dict[str, Sequence[str]]) -> frozenset[int]:
    """Kinds of which an event may match; fields that vary are left to the events."""
    fixed = {name: values for name, values in filters.items() if name not in VARYING}
    return frozenset(number for number, fields in enumerate(_FULL) if matches(fields, fixed))


def matches(fields: dict[str, Any], filters: dict[str, Sequence[str]]) -> bool:
    """Whether each filter names one of the field's values, exactly."""
    for name, values in filters.items():
        value = fields.get(name)
        have = value if isinstance(value, list) else [value]
        if not {str(item) for item in have if item is not None}.intersection(values):
            return False
    return True
