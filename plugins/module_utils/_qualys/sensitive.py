# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be stored of recorded traffic: cookies, credentials, tokens, matched personal data.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re

from .._reconcile.redact import MARKER

_HEADER = re.compile(
    r"^((?:set-)?cookie2?|(?:proxy-)?authorization|x-(?:api-key|auth-token|csrf-token|xsrf-token|amz-security-token))"
    r"([ \t]*:[ \t]*)[^\r\n]+",
    re.IGNORECASE | re.MULTILINE,
)
_HEADER_HINTS = ("ookie", "OOKIE", "uthorization", "UTHORIZATION", "-Key", "-key", "-KEY", "oken", "OKEN")
"""A cheap look before the expensive one: most responses hold no such header."""

_NAMES = (
    r"access_token|id_token|refresh_token|auth_token|token|api_?key|apikey|client_secret|secret|passwd|password|pwd|"
    r"session_?id|jsessionid|phpsessid|sid|csrf_?token|xsrf_?token"
)
_PAIR = re.compile(rf"(?<![\w-])({_NAMES})(=)[^&\s;,\"'<>#]+", re.IGNORECASE)
_JSON_PAIR = re.compile(rf"(\"(?:{_NAMES})\"\s*:\s*)\"[^\"]*\"", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic) [a-z0-9._~+/=-]{8,}", re.IGNORECASE)


def redact_text(value: str | None) -> str | None:
    """Traffic as text, without credentials: header values, ``name=value`` pairs, JSON members."""
    if not value:
        return value
    if ":" in value and any(hint in value for hint in _HEADER_HINTS):
        value = _HEADER.sub(rf"\1\2{MARKER}", value)
        value = _BEARER.sub(rf"\1 {MARKER}", value)
    if '"' in value and ":" in value:
        value = _JSON_PAIR.sub(rf'\1"{MARKER}"', value)
    return redact_url(value)


def redact_url(value: str | None) -> str | None:
    """A URL, or any text with ``name=value`` pairs, without the values that look like credentials."""
    if value and "=" in value:
        return _PAIR.sub(rf"\1\2{MARKER}", value)
    return value
