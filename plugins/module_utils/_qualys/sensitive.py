# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be stored of recorded traffic: cookies, credentials, tokens, matched personal data.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re

from .._reconcile.redact import MARKER

_HEADER = re.compile(
    r"^((?:(?:set-)?cookie2?|(?:proxy-)?authorization|x-(?:api-key|auth-token|csrf-token|xsrf-token|amz-security-token))"
    r"[ \t]*:[ \t]*)[^\r\n]+",
    re.IGNORECASE | re.MULTILINE,
)
_NAMES = (
    r"access_token|id_token|refresh_token|auth_token|token|api_?key|apikey|client_secret|secret|passwd|password|pwd|"
    r"session_?id|jsessionid|phpsessid|sid|csrf_?token|xsrf_?token"
)
# The look ahead costs little, and spares most words the long list of names.
_PAIR = re.compile(rf"(?<![\w-])(?=\w+=)((?:{_NAMES})=)[^&\s;,\"'<>#]+", re.IGNORECASE)
_JSON_PAIR = re.compile(
    # A text in quotes may hold escaped ones, and recorded traffic may be cut off in the middle of it.
    rf"(\"(?:{_NAMES})\"\s*+:\s*+)\"[^\"\\]*+(?:\\.[^\"\\]*+)*+(?:\"|\\?\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BEARER = re.compile(r"\b((?:bearer|basic) )[a-z0-9._~+/=-]{8,}", re.IGNORECASE)

_WORDS = ("token", "sid", "sess", "key", "passw", "pwd", "secret", "cookie", "authorization", "bearer", "basic")
"""Each name that the expressions look for holds one of these. Most texts hold none, and need no expression at all."""


def redact_text(value: str | None) -> str | None:
    """Traffic as text, without credentials: header values, ``name=value`` pairs, JSON members."""
    if not value:
        return value
    folded = value.casefold()
    if not _names_credentials(folded):
        return value
    if ":" in value:
        value = _HEADER.sub(_after_name, value)
        if "bearer " in folded or "basic " in folded:
            value = _BEARER.sub(_after_name, value)
        if '"' in value:
            value = _JSON_PAIR.sub(_in_quotes, value)
    return _PAIR.sub(_after_name, value) if "=" in value else value


def redact_url(value: str | None) -> str | None:
    """A URL, or any text with ``name=value`` pairs, without the values that look like credentials."""
    if value and "=" in value and _names_credentials(value.casefold()):
        return _PAIR.sub(_after_name, value)
    return value


def _names_credentials(folded: str) -> bool:
    for word in _WORDS:  # noqa: SIM110 (a generator would cost more than the search, and this runs for every text)
        if word in folded:
            return True
    return False


def _after_name(match: re.Match[str]) -> str:
    return match[1] + MARKER


def _in_quotes(match: re.Match[str]) -> str:
    return f'{match[1]}"{MARKER}"'
