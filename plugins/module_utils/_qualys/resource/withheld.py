# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes secrets from errors after a write, because a message of the vendor may quote what was sent.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import html
import re
import typing as t

from ..._base.errors import PerimeterError
from ..._records.redaction.values import MARKER

_SHORTEST = 4
"""Length of the shortest word to replace: shorter ones appear in any message. One-word secrets are always replaced."""
_CUT = "…"
"""The end of a message that was cut, perhaps in the middle of a secret."""


def withhold(error: BaseException | None, secrets: t.Iterable[str]) -> None:
    """Replace secrets in an error, and in the errors that caused it.

    Quoting a vendor's message changes white space and cuts long messages, so each word of a secret is replaced.

    Args:
        error: the error; it is changed in place.
        secrets: the secrets that were sent.
    """
    words = sorted(set(_words(secrets)), key=len, reverse=True)
    if not words:
        return
    whole = re.compile("|".join(map(re.escape, words)))
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, PerimeterError):
            error.message = _without(error.message, whole, words)
            error.hint = _without(error.hint, whole, words)
            error.args = (error.message,)
        error = error.__cause__ or error.__context__


def _words(secrets: t.Iterable[str]) -> t.Iterator[str]:
    for secret in secrets:
        for form in (secret, html.escape(secret), html.escape(secret, quote=False)):
            words = form.split()
            yield from (word for word in words if len(word) >= _SHORTEST or len(words) == 1)


def _without(message: str, whole: re.Pattern[str], words: t.Sequence[str]) -> str:
    found = whole.sub(MARKER, message)
    head, cut, tail = found.rpartition(_CUT)
    last = head.rpartition(" ")[2]
    for size in range(len(last), _SHORTEST - 1, -1):
        if cut and any(word.startswith(last[-size:]) for word in words):
            return f"{head[:-size]}{MARKER}{cut}{tail}"
    return found
