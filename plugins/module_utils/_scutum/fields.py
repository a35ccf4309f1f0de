# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field table of defence logs: vendor name, our name, how it is read, where it appears.

This module is private to the collection and may change at any time.

See docs/vendors/scutum_waf.md 7.

It drives parsing, the documentation of ``scutum_alert_info`` and the tests.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import OptionError
from .._records.coerce import text, texts

LIST, DETAIL = "list", "detail"
"""The calls. The detail contains everything in the list, and more."""

Read = t.Callable[[t.Any], t.Any]


@dataclasses.dataclass(frozen=True)
class ScutumField:
    """One field.

    Attributes:
        ours: key in the Event, ``details.`` included.
        kind: the vendor's type.
        appears: the first call that returns it.
        always: False when it may be absent.
        meaning: text for the documentation.
    """

    ours: str
    kind: str
    appears: str
    meaning: str
    always: bool = True


FIELDS: dict[str, ScutumField] = {
    "log_id": ScutumField("id", "string", LIST, "Id of the log. It looks as if it began with a time, and is opaque."),
    "ip": ScutumField("client_ip", "string", LIST, "Source address of the request."),
    "block": ScutumField(
        "action", "boolean", LIST, "blocked, or alerted when it was let pass (defence off, false positive)."
    ),
    "category": ScutumField("categories", "array of strings", LIST, "Kinds of attack, in Scutum's own words."),
    "uri": ScutumField("url", "string", LIST, "Target of the request as it was sent, mostly a path with its query."),
    "ts": ScutumField("time", "string", LIST, "When Scutum saw or blocked the request, as UTC."),
    "request": ScutumField("details.request", "string (Base64)", DETAIL, "The request as text.", always=False),
    "response": ScutumField("details.response", "string (Base64)", DETAIL, "The response as text.", always=False),
}

ENVELOPE: dict[str, str] = {
    "data": "array of objects",
    "count": "number",
    "truncated": "boolean",
    "next_marker": "string",
}
"""Members of the list's answer, read by the client."""

PARAMETERS: dict[str, str] = {
    "host": "scutum_host",
    "id": "scutum_id",
    "time_order": "time_order",
    "from": "from",
    "to": "to",
    "ip": "ip",
    "marker": "",
}
"""Parameters of the list call, with the options that they come from; the marker comes from the previous page."""

CATEGORY_LABELS: dict[str, str] = {
    "SQLインジェクション": "SQL injection",
    "クロスサイトスクリプティング": "Cross-site scripting",
    "OSコマンドインジェクション": "OS command injection",
    "コマンドインジェクション": "Command injection",
    "コードインジェクション": "Code injection",
    "ディレクトリトラバーサル": "Directory traversal",
    "パストラバーサル": "Path traversal",
    "HTTPヘッダインジェクション": "HTTP header injection",
    "メールヘッダインジェクション": "Mail header injection",
    "LDAPインジェクション": "LDAP injection",
    "XPathインジェクション": "XPath injection",
    "SSIインジェクション": "SSI injection",
    "クロスサイトリクエストフォージェリ": "Cross-site request forgery",
    "サーバサイドリクエストフォージェリ": "Server-side request forgery",
    "リモートファイルインクルージョン": "Remote file inclusion",
    "ローカルファイルインクルージョン": "Local file inclusion",
    "ブルートフォースアタック": "Brute force",
    "パスワードリスト攻撃": "Credential stuffing",
    "オープンリダイレクト": "Open redirect",
    "XML外部実体参照": "XML external entity",
    "Scutum攻撃テスト": "Scutum attack test",
}
"""English names for the kinds of attack. Scutum publishes no list, so unlisted ones stay unchanged."""


READERS: dict[str, tuple[str, Read]] = {
    "log_id": ("id", text),
    "ip": ("client_ip", text),
    "category": ("categories", texts),
}
"""The fields that are copied unchanged."""

JAPAN = dt.timezone(dt.timedelta(hours=9))
"""Japan has no daylight saving time, so a fixed offset is exact."""

_SECOND = dt.timedelta(seconds=1)


def whole_second(moment: dt.datetime) -> dt.datetime:
    """Round a time up to a whole second.

    Records have whole seconds, so this moves no record across a bound, whether it is inclusive or exclusive.
    """
    return moment if not moment.microsecond else moment.replace(microsecond=0) + _SECOND


def japan_text(moment: dt.datetime) -> str:
    """An aware time in Scutum's format: ``YYYY-MM-DDThh:mm:ss+09:00``. A literal Z may not be accepted."""
    return whole_second(moment).astimezone(JAPAN).isoformat()


def parse(written: str, option: str) -> dt.datetime:
    """Parse a date or time in one of the vendor's four forms, or another ISO 8601 form, to UTC in whole seconds.

    Without an offset, a time is Japan's: a bare date is midnight there, which is 15:00 UTC of the previous day.

    Raises:
        OptionError: it has none of these forms; the message names the option.
    """
    try:
        moment = dt.datetime.fromisoformat(written.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=JAPAN)
        return whole_second(moment).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise OptionError(
            f"{option}: {written!r} is not a date or time.",
            hint="Give 2026-03-01T08:00:00+09:00, 2026-03-01T08:00:00, 2026-03-01 or 20260301;"
            " without an offset, Japan time is meant.",
        ) from None


def log_time(ts: t.Any) -> dt.datetime | None:
    """The time of a log, UTC; None when it is not a time. Without an offset, it is Japan's."""
    if not isinstance(ts, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(ts.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=JAPAN)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
