# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs of recorded traffic: redaction, and their path.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import functools
import typing as t

from .redact import redact_url

_LONG = 1024
"""Longer URLs are not cached: a thousand of them would take megabytes."""


class Address(t.NamedTuple):
    """A redacted URL, and its path without query and fragment."""

    url: str
    path: str | None


def address(url: str) -> Address:
    """Redact a URL, and return it with its path. Never fails, because recorded URLs may be anything."""
    return _remembered(url) if len(url) <= _LONG else _address(url)


def path_of(url: str) -> str | None:
    """Return the path of a URL, or None."""
    # The parameters of a path (";jsessionid=...") are redacted like those of a query.
    return redact_url(_path(url))


def _path(url: str) -> str | None:
    _scheme, separator, rest = url.partition("://")
    if not separator:
        rest = url
    rest = rest.partition("#")[0].partition("?")[0]
    slash = rest.find("/")
    if slash < 0:
        return "/" if separator and rest else None
    return rest[slash:]


def _address(url: str) -> Address:
    clean = redact_url(url)
    # What was kept in the URL does not have to be examined again.
    return Address(clean, _path(url) if clean == url else path_of(url))


_remembered = functools.lru_cache(maxsize=2048)(_address)
