# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in base64: it is decoded, redacted and encoded again.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from .values import MARKER

_BLOCK = re.compile(r"(?<![\w+/=.-])(?:[A-Za-z0-9+/]{16,}+|[A-Za-z0-9_-]{24,}+)={0,2}(?![\w+/=-]|\.\w)")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_=\s-]*+")
_LOGIN = re.compile(r"(?![A-Z][A-Za-z]*:)[\w.@+-]{2,64}:(?!//)(?=[!-~]*[A-Za-z])(?=[!-~]*[^A-Za-z])[!-~]{6,}")
Redact = t.Callable[[str], str]
_LONGEST = 4_000_000
_SAMPLE = 400
_SHOWN = 0.9
"""Share of the characters that must be printable, so that the bytes of images and hashes are left alone."""


def redact_wrapped(value: str, redact: Redact) -> str | None:
    """Base64 in lines of equal length, redacted inside, without its line breaks; None for any other text."""
    whole = value.strip()
    if len(whole) > _LONGEST or _WRAPPED.fullmatch(whole, 0, _SAMPLE) is None or not _is_wrapped(whole):
        return None
    return _inner("".join(whole.split()), redact)


def redact_encoded(run: str, redact: Redact) -> str:
    """Redact a run of characters, such as a word, including the parts that are base64 of a text.

    Args:
        run: the characters.
        redact: redacts the decoded text.
    """
    return _BLOCK.sub(lambda block: _block(block[0], redact), run)


def _is_wrapped(value: str) -> bool:
    lines = value.split()
    return len({len(line) for line in lines[:-1]}) == 1 and all(map(_BLOCK.fullmatch, lines))


def _block(block: str, redact: Redact) -> str:
    inner = _inner(block, redact)
    return block if inner is None else inner


def _inner(block: str, redact: Redact) -> str | None:
    """The block with its text redacted; None when it contains no text, or nothing to redact."""
    bare = block.rstrip("=")
    # A recording may be cut off after a character that does not complete a byte.
    whole = bare[: len(bare) - (len(bare) % 4 == 1)]
    text = _decoded(whole)
    if text is None:
        return None
    if _LOGIN.fullmatch(text):
        return MARKER
    clean = redact(text)
    if clean == text:
        return None
    encode = base64.urlsafe_b64encode if "-" in block or "_" in block else base64.b64encode
    encoded = encode(clean.encode("utf-8", "surrogateescape")).decode("ascii")
    padded = block != bare or len(bare) % 4 == 0
    return encoded if padded else encoded.rstrip("=")


def _decoded(bare: str) -> str | None:
    if len(bare) > _LONGEST or ((bare.islower() or bare.isupper() or bare.isdigit()) and len(bare) < 64):
        return None
    try:
        data = base64.b64decode(bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    # Bytes that are not UTF-8 survive the round trip unchanged.
    text = data.decode("utf-8", "surrogateescape")
    shown = sum(map(_is_shown, text[:_SAMPLE]))
    return text if text and shown >= _SHOWN * min(len(text), _SAMPLE) else None


def _is_shown(sign: str) -> bool:
    return sign.isprintable() or sign in "\r\n\t"
