# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Determines which parts of a database URL are secret.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from .._base.masking import MIN_LENGTH

HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^:/@?#\[\]]*)(?::\d+)?(?:/[^@?#]*)?"
"""Host, port and path of a URL, as part of a regular expression."""
_DATABASE_URL = re.compile(rf"[a-z0-9+]+://(?:[^:/@?#]*(?::(?P<password>[^:/@?#]*))?@)?{HOST}(?:\?(?P<query>[^@#]*))?")
"""A URL that every parser splits in the same way. Any other URL is secret as a whole."""
_HARMLESS = frozenset({
    "application_name", "connect_timeout", "dbname", "host", "hostaddr", "port", "service", "sslmode", "sslrootcert",
    "uri", "user",
})  # fmt: skip
"""Parameters of a database URL that are not secret; the values of all others are masked."""


def secrets_in(url: str) -> list[str] | None:
    """Return the secrets in a database URL; None if they cannot be determined."""
    match = _DATABASE_URL.fullmatch(url)
    if match is None:
        return None
    pairs = [pair.partition("=") for pair in (match["query"] or "").split("&")]
    values = [match["password"] or "", *(value for name, _equals, value in pairs if name not in _HARMLESS)]
    found = [form for value in values if value for form in (value, unquote_plus(value))]
    return None if any(len(form) < MIN_LENGTH for form in found) else found


def hidden_of(url: str | None) -> tuple[str, ...]:
    """Return what must never be shown of a database URL: its secrets, or all of it if they cannot be determined."""
    if not url:
        return ()
    found = secrets_in(url)
    return (url,) if found is None else tuple(dict.fromkeys(found))


def shown_of(url: str | None) -> tuple[str, ...]:
    """Return the URL if only parts of it are secret."""
    return (url,) if url and url not in hidden_of(url) else ()
