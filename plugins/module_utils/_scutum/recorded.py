# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded request and response of a log: Base64 of whatever an attacker sent (docs/vendors/scutum_waf.md 3.4).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import re
import typing as t

_FOREIGN = re.compile(rb"[^A-Za-z0-9+/]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def decode(value: t.Any) -> str | None:
    """Base64 as text; None when nothing was recorded.

    Characters outside of the alphabet and missing padding are passed over, as is a last character that alone holds no
    byte. What is no UTF-8 becomes U+FFFD; the bytes themselves are in the vendor's object (``include_raw``).
    """
    if not isinstance(value, str) or not value:
        return None
    data = _FOREIGN.sub(b"", value.encode("ascii", "ignore").translate(_URL_SAFE))
    if len(data) % 4 == 1:
        data = data[:-1]
    return base64.b64decode(data + b"=" * (-len(data) % 4)).decode("utf-8", "replace") or None


class RequestHead(t.NamedTuple):
    """What the first lines of a request say."""

    method: str | None
    host: str | None
    user_agent: str | None
    referer: str | None


def request_head(request: str | None) -> RequestHead:
    """The method and three headers of a request; None for what it does not say. Nothing here is to be trusted."""
    head, _blank, _body = (request or "").replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    method = first.partition(" ")[0]
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    valid = re.fullmatch(r"[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}", method) is not None
    return RequestHead(
        method if valid else None,
        headers.get("host") or None,
        headers.get("user-agent") or None,
        headers.get("referer") or None,
    )
