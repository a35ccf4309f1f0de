# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known secrets are masked wherever they appear in messages.

This module is private to the collection and may change at any time.

Our own messages contain no secret. Masking is for the texts that a server, a proxy or a vendor client adds to them.
"""

from __future__ import annotations

import base64
import typing as t
from urllib.parse import quote, quote_plus

from .errors import PerimeterError
from .log_text import fit_for_message

MASK = "***"
MIN_LENGTH = 4
"""Shorter texts are not masked: they occur in too many words."""


class Mask:
    """Replaces secrets in texts.

    Args:
        secrets: the secrets. Each is found in plain text, URL-encoded, and in base64.
    """

    def __init__(self, secrets: t.Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return f"Mask({len(self._forms)} forms)"

    def add(self, secret: str) -> None:
        """Mask this secret as well. To be called by one thread at a time."""
        if len(secret) < MIN_LENGTH:
            return
        encoded = base64.b64encode(secret.encode()).decode("ascii")
        # Control characters are removed from messages before they are masked, so remove them from secrets too.
        # The text that follows the secret decides whether its last characters are part of a mark.
        fit = {fit_for_message(secret + after).removesuffix(after) for after in ("", "::", "[")}
        forms = {*self._forms, *fit, secret, quote(secret, safe=""), quote_plus(secret), encoded}
        # Longest first: the encoded form of a secret can hold the plain form of another.
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def text(self, text: str) -> str:
        """``text`` without the secrets."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def error(self, error: PerimeterError) -> None:
        """Mask the texts of an error in place."""
        error.message, error.hint = self.text(error.message), self.text(error.hint)
        error.args = (error.message,)
