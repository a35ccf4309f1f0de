# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an event is known by, and whether it is still what it was (docs/vendors/edgecast_waf.md 7.1).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import typing as t

from .._records.codec import dumps_sorted

Raw = dict[str, t.Any]

_NOISE = "Epoch Time"
"""A binary float with noise: no evidence of a change as long as there is a Timestamp."""


def id_of(raw: Raw) -> str:
    """Identity of an event: ``id``, else ``Event ID``, else 32 hexadecimal digits of what the vendor says."""
    for name in ("id", "Event ID"):
        value = raw.get(name)
        if value and isinstance(value, (str, int)):
            return str(value)
    # A hash and not the content itself, which holds matched values and passwords in URLs.
    return content_of(raw, 32)


def content_of(raw: Raw, digits: int = 16) -> str:
    """Hexadecimal digits of what the vendor says, whatever the order of its keys and the noise of its floats."""
    if "Timestamp" in raw and _NOISE in raw:
        raw = raw.copy()
        del raw[_NOISE]
    return hashlib.blake2b(dumps_sorted(raw), digest_size=digits // 2).hexdigest()
