# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last net under messages: known secrets are masked wherever they turn up.

This module is private to the collection and may change at any time.

Messages are made so that none can hold a secret. This is for what a server, a proxy or a vendor client puts into them.
"""

from __future__ import annotations

import base64
import typing as t
from urllib.parse import quote, quote_plus

from .errors import PerimeterError

MASK = "***"
MIN_LENGTH = 4
"""Shorter texts are not masked: they would turn up in half of all words."""


class Mask:
    """Replaces secrets in texts.

    Args:
        secrets: the secrets. Each is found as it is, in the encodings of a URL, and in base64.
    """

    def __init__(self, secrets: t.Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= MIN_LENGTH:
                encoded = base64.b64encode(secret.encode()).decode("ascii")
                forms.update((secret, quote(secret, safe=""), quote_plus(secret), encoded))
        # Longest first: the encoded form of a secret can hold the plain form of another.
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def __repr__(self) -> str:
        return f"Mask({len(self._forms)} forms)"

    def text(self, text: str) -> str:
        """``text`` without the secrets."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def error(self, error: PerimeterError) -> None:
        """Mask the texts of an error in place."""
        error.message, error.hint = self.text(error.message), self.text(error.hint)
        error.args = (error.message,)
