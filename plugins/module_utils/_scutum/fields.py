# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field table of defence logs: vendor name, our name, how it is read, where it appears.

This module is private to the collection and may change at any time.

See docs/vendors/scutum_waf.md 7.

It drives parsing, the documentation of ``scutum_alert_info`` and the tests.
"""

from __future__ import annotations

import dataclasses
import typing as t

LIST, DETAIL = "list", "detail"
"""The calls. The detail holds what the list holds, and more."""

Read = t.Callable[[t.Any], t.Any]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One field.

    Attributes:
        ours: key in the Event, ``details.`` included.
        kind: the vendor's type.
        appears: the first call that has it.
        always: False when it may be absent.
        meaning: for the documentation.
    """

    ours: str
    kind: str
    appears: str
    meaning: str
    always: bool = True


FIELDS: dict[str, Entry] = {
    "log_id": Entry("id", "string", LIST, "Id of the log. It looks as if it began with a time, and is opaque."),
    "ip": Entry("client_ip", "string", LIST, "Source address of the request."),
    "block": Entry(
        "action", "boolean", LIST, "blocked, or alerted when it was let pass (defence off, false positive)."
    ),
    "category": Entry("categories", "array of strings", LIST, "Kinds of attack, in Scutum's own words."),
    "uri": Entry("url", "string", LIST, "Target of the request as it was sent, mostly a path with its query."),
    "ts": Entry("time", "string", LIST, "When Scutum saw or blocked the request, as UTC."),
    "request": Entry("details.request", "string (Base64)", DETAIL, "The request as text.", always=False),
    "response": Entry("details.response", "string (Base64)", DETAIL, "The response as text.", always=False),
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
"""Parameters of the list call, with the options that they come from; the marker comes from the page before."""

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
"""English for the kinds of attack. Scutum publishes no list, so that others pass as they are."""


def text(value: t.Any) -> str | None:
    """A text or a number as text; None for anything else, and for nothing."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def texts(value: t.Any) -> list[str]:
    """A list of texts; one text counts as a list of one."""
    items = value if isinstance(value, list) else [value]
    return [found for item in items if (found := text(item)) is not None]


READERS: dict[str, tuple[str, Read]] = {
    "log_id": ("id", text),
    "ip": ("client_ip", text),
    "category": ("categories", texts),
}
"""The fields that are copied one to one."""
