# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes secrets from recorded traffic before it is stored: the one redactor for all vendors.

This module is private to the collection and may change at any time.

A secret is recognised by the name before it (:mod:`.redaction.names`), wherever that occurs; by its form
(:mod:`.redaction.tokens`); or by its check digit (:mod:`.redaction.numbers`). Everything else stays unchanged.

This runs for each request and each response of each finding. Responses of one application share most of their lines, so
lines without anything to redact are cached, within bounds, and skipped.
"""

from __future__ import annotations

import functools
import re
import typing as t
from urllib.parse import unquote_plus

from .redaction.encoded import redact_encoded, redact_wrapped
from .redaction.fields import Span, find_fields, header, speaks_of_secrets
from .redaction.markup import redact_command, redact_form, redact_sql
from .redaction.names import names_secret
from .redaction.numbers import has_digits, redact_numbers
from .redaction.search import holds_word
from .redaction.tokens import has_long_run, has_mixed_run, redact_keys, redact_logins, redact_schemes, redact_tokens
from .redaction.values import MARKER

_SHORT = 128
"""Characters of the texts that are cached whole."""
_PAGE = 1024
"""Characters of the responses that are cached whole: many payloads get the same one. A few megabytes at most."""
_LINE = 256
"""Bytes of the lines that are cached."""
_MOST_LINES = 8192
_harmless: set[bytes] = set()
"""Shapes of lines that contain neither a secret nor the name of a secret on another line.

A shape has zeros in place of all digits, because the lines of a page differ mostly in their numbers.
"""

_SHAPE = bytes(48 if sign in b"0123456789" else sign for sign in range(256))
_Line = tuple[int, int, bytes]
"""Start and end of a line, and its shape."""
_HEADERS = ("cookie:", "set-cookie:", "authorization:", "proxy-authorization:")
_ENCODED_LETTER = re.compile(r"%(?:25)?(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|[c-f][0-9a-f]%)")
_SCHEMES = ("bearer", "basic", "token", "ntlm", "negotiate", "apikey", "asignature", "aws4-")
_FLAG = re.compile(r"-(?<![^\s]-)")
_ENCODED_SIGN = re.compile(_ENCODED_LETTER.pattern + r"|%(?:25)?40")
"""A letter or the ``@`` after user information, percent-encoded."""
_PAIR = re.compile(r"(?<![^\s&;?#\"'<>])([^\s&;?#=\"'<>]{1,200}+)=([^\s&;#\"'<>]++)")
_Text = t.TypeVar("_Text", str, t.Optional[str])
_MOST_PASSES = 4
_DEEPEST = 2
"""Layers of base64 that are decoded."""


def redact_text(value: _Text) -> _Text:
    """Recorded traffic without credentials, card numbers and personal identification numbers.

    Never fails, whatever the text; takes linear time; and redacting the result again changes nothing.
    """
    # Addresses, methods and short payloads repeat often; caching long texts would take too much memory.
    if not value:
        return value
    size = len(value)
    if size <= _SHORT:
        return _remembered(value)
    return _remembered_page(value) if size <= _PAGE else _redacted(value)


def redact_url(value: _Text) -> _Text:
    """A URL without the credentials in it. A recorded URL may be any text, so it is redacted like any text."""
    return redact_text(value)


def _redacted(value: str, depth: int = _DEEPEST) -> str:
    shapes = _shapes(value)
    if _harmless.issuperset(shapes):
        return value
    rest = value
    if not _harmless.isdisjoint(shapes):
        rest = "\n".join(
            [line for line, shape in zip(value.split("\n"), shapes, strict=True) if shape not in _harmless]
        )
    folded = _folded(rest)
    if not folded.startswith(_HEADERS) and not may_hold_token(folded) and not speaks_of_secrets(rest, folded):
        _remember(shapes, rest)
        return value
    if depth and len(shapes) > 1 and b" " not in shapes[0]:
        unwrapped = redact_wrapped(value, functools.partial(_redacted, depth=depth - 1))
        if unwrapped is not None:
            return unwrapped
    unknown = _unknown(value, shapes)
    # Where quotes are unbalanced, a marker may expose a name that was hidden before.
    for _pass in range(_MOST_PASSES):
        clean, settled = _redacted_once(value, rest, unknown, depth)
        if settled or clean == value:
            return clean
        value = rest = clean
        unknown = _unknown(value, _shapes(value))
    return value


def _unknown(value: str, shapes: list[bytes]) -> list[_Line]:
    """The lines that are not known to be harmless."""
    if len(shapes) == 1:
        return [(0, len(value), shapes[0])]
    unknown: list[_Line] = []
    start = 0
    for line, shape in zip(value.split("\n"), shapes, strict=True):
        end = start + len(line)
        if shape not in _harmless:
            unknown.append((start, end, shape))
        start = end + 1
    return unknown


def _redacted_once(value: str, rest: str, unknown: list[_Line], depth: int) -> tuple[str, bool]:
    """Return the text, and whether redacting it again certainly changes nothing."""
    settled = True
    if "PRIVATE KEY" in rest or "Private-" in rest or "orm-data" in rest or "ORM-DATA" in rest or "kty" in rest:
        whole = redact_form(redact_keys(value))
        if whole != value:
            value, settled = whole, False
            unknown = _unknown(value, _shapes(value))
    spans, nameless = _fields(value, unknown)
    if spans:
        value = _with_spans(value, spans)
        if [span for span in spans if span[2] != MARKER]:
            settled = False
        shapes = _shapes(value)
        if _harmless.issuperset(shapes):
            return value, settled
        unknown = _unknown(value, shapes)
    parts: list[str] = []
    start = 0
    for begin, end, shape in unknown:
        line = value[begin:end]
        folded = line.lower()
        if may_hold_token(folded) or holds_word(folded):
            parts += (value[start:begin], _cleaned(line, folded, depth))
            start = end
        elif shape in nameless or (MARKER in line and folded.startswith(_HEADERS)):
            _remember([shape], line)
    return ("".join([*parts, value[start:]]) if parts else value), settled


def _shapes(value: str) -> list[bytes]:
    return value.encode("utf-8", "surrogatepass").translate(_SHAPE).split(b"\n")


def _remember(shapes: list[bytes], lines: str) -> None:
    # The first line of a block that spans several lines is never skipped.
    if "rivate-" in lines or "RIVATE" in lines or "kty" in lines:
        return
    # The exact digits matter in these encodings.
    if "%" in lines or "\\" in lines or "&#" in lines:
        return
    if len(_harmless) >= _MOST_LINES:
        _harmless.clear()
    _harmless.update(shapes if len(lines) <= _LINE else [shape for shape in shapes if len(shape) <= _LINE])


def may_hold_token(folded: str) -> bool:
    """Whether a text, in lower case, may contain a secret without a name: the fast first test for nearly all texts."""
    if "@" in folded or ("%" in folded and _ENCODED_SIGN.search(folded) is not None):
        return True
    if "-" in folded and _FLAG.search(folded) is not None:
        return True
    data = folded.encode("ascii", "replace")
    return (has_long_run(data) and has_mixed_run(data)) or has_digits(data)


_remembered = functools.lru_cache(maxsize=2048)(_redacted)
_remembered_page = functools.lru_cache(maxsize=512)(_redacted)


def _fields(value: str, unknown: list[_Line]) -> tuple[list[Span], set[bytes]]:
    """Find the values that have a secret's name, and return the shapes of lines without such names too."""
    folded = _folded(value)
    spans: list[Span] = []
    nameless: set[bytes] = set()
    taken = 0
    for start, end, shape in unknown:
        if taken > end:
            continue
        if start >= taken and folded.startswith(_HEADERS, start) and (span := header(value, start, end)):
            spans.append(span)
            taken = span[1]
        elif not find_fields(value, folded, start if start > taken else taken, end, spans):
            nameless.add(shape)
        elif spans and spans[-1][1] > taken:
            taken = spans[-1][1]
    return spans, nameless


def _folded(value: str) -> str:
    # The only letter that becomes two in lower case.
    return value.lower() if value.isascii() else value.replace("\u0130", "I").lower()


def _with_spans(value: str, spans: list[Span]) -> str:
    if len(spans) == 1:
        begin, end, text = spans[0]
        return f"{value[:begin]}{text}{value[end:]}"
    parts: list[str] = []
    start = 0
    for begin, end, text in sorted(spans):
        if begin >= start:
            parts += [value[start:begin], text]
            start = end
    return "".join([*parts, value[start:]])


def _cleaned(line: str, folded: str, depth: int) -> str:
    """A line without the secrets that are recognised by their own form."""
    clean = line
    if "%" in folded and _ENCODED_LETTER.search(folded):
        clean = _PAIR.sub(_encoded_pair, clean)
    if " -" in folded or folded.startswith("-"):
        clean = redact_command(clean, folded)
    if "@" in folded or "%" in folded:
        clean = redact_logins(clean)
    if "identified " in folded or ("values" in folded and "(" in folded):
        clean = redact_sql(clean)
    if any(map(folded.__contains__, _SCHEMES)):
        clean = redact_schemes(clean)
    shape = clean.encode("ascii", "replace")
    if has_long_run(shape):
        clean = redact_tokens(clean, functools.partial(_without_encoded, depth=depth))
    if has_digits(shape):
        clean = redact_numbers(clean)
    return clean


def _without_encoded(run: str, depth: int) -> str:
    return redact_encoded(run, functools.partial(_redacted, depth=depth - 1)) if depth else run


def _encoded_pair(match: re.Match[str]) -> str:
    name = match[1]
    if "%" in name and names_secret(unquote_plus(name)):
        return f"{name}={MARKER}"
    return match[0]
