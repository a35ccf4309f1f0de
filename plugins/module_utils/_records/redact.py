# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be stored of recorded traffic: the one redactor of all vendors.

This module is private to the collection and may change at any time.

A secret is told by the name before it (:mod:`.redaction.names`), wherever that stands; by its own form
(:mod:`.redaction.tokens`); or by its check digit (:mod:`.redaction.numbers`). All else stays as it was.

This runs for each request and each response of each finding. Answers of one application share most of their lines, so
lines that hold nothing to redact are remembered, within bounds, and passed over.
"""

from __future__ import annotations

import functools
import re
import typing as t
from urllib.parse import unquote_plus

from .redaction.encoded import redact_encoded, redact_wrapped
from .redaction.fields import Span, find_fields, header
from .redaction.markup import redact_command, redact_form, redact_sql
from .redaction.names import names_secret
from .redaction.numbers import has_digits, redact_numbers
from .redaction.tokens import has_long_run, redact_keys, redact_logins, redact_schemes, redact_tokens
from .redaction.values import MARKER

_SHORT = 128
"""Characters of the texts that are remembered whole."""
_PAGE = 1024
"""Characters of the answers that are remembered whole: many payloads get the same one. A few megabytes at most."""
_LINE = 256
"""Characters of the lines that are remembered."""
_MOST_LINES = 8192
_harmless: set[str] = set()
"""Lines that hold neither a secret nor the name of one on another line."""

_SCHEME = re.compile(r"aws4-|sharedaccess|ntlm|negotiate|apikey")
_HEADERS = ("cookie:", "set-cookie:", "authorization:", "proxy-authorization:")
_ENCODED_LETTER = re.compile(r"%(?:25)?(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|[c-f][0-9a-f]%)")
_PAIR = re.compile(r"(?<![^\s&;?#\"'<>])([^\s&;?#=\"'<>]{1,200}+)=([^\s&;#\"'<>]++)")
_MOST_PASSES = 4
_DEEPEST = 2
"""Layers of base64 that are looked into."""


@t.overload
def redact_text(value: str) -> str: ...


@t.overload
def redact_text(value: str | None) -> str | None: ...


def redact_text(value: str | None) -> str | None:
    """Recorded traffic without credentials and without numbers of cards and people.

    Never fails, whatever the text; in linear time; and to redact twice changes nothing more.
    """
    # Addresses, methods and short payloads come again and again; long texts would take too much memory to remember.
    if not value:
        return value
    size = len(value)
    if size <= _SHORT:
        return _remembered(value)
    return _remembered_page(value) if size <= _PAGE else _redacted(value)


@t.overload
def redact_url(value: str) -> str: ...


@t.overload
def redact_url(value: str | None) -> str | None: ...


def redact_url(value: str | None) -> str | None:
    """A URL without the credentials in it. A recorded URL may be any text, so it is redacted as one."""
    return redact_text(value)


def _redacted(value: str, depth: int = _DEEPEST) -> str:
    lines = value.split("\n")
    if _harmless.issuperset(lines):
        return value
    if depth and len(lines) > 1 and " " not in lines[0]:
        unwrapped = redact_wrapped(value, functools.partial(_redacted, depth=depth - 1))
        if unwrapped is not None:
            return unwrapped
    # Where quotes do not pair up, a marker may make a name readable that was hidden before.
    for _pass in range(_MOST_PASSES):
        clean, settled = _redacted_once(value, lines, depth)
        if settled or clean == value:
            return clean
        value = clean
        lines = value.split("\n")
    return value


def _redacted_once(value: str, lines: list[str], depth: int) -> tuple[str, bool]:
    """The text, and whether to redact it again would change nothing for sure."""
    settled = True
    if "PRIVATE KEY" in value or "Private-" in value or "orm-data" in value or "ORM-DATA" in value or "kty" in value:
        whole = redact_form(redact_keys(value))
        if whole != value:
            value, settled = whole, False
            lines = value.split("\n")
    spans, nameless = _fields(value, lines)
    if spans:
        value = _with_spans(value, spans)
        lines = value.split("\n")
        settled = settled and all(text == MARKER for _begin, _end, text in spans)
    changed = False
    for place, line in enumerate(lines):
        if line not in _harmless:
            clean = _cleaned(line, depth, nameless, several=len(lines) > 1)
            if clean is not line:
                lines[place], changed = clean, True
    return ("\n".join(lines) if changed else value), settled


_remembered = functools.lru_cache(maxsize=2048)(_redacted)
_remembered_page = functools.lru_cache(maxsize=512)(_redacted)


def _fields(value: str, lines: list[str]) -> tuple[list[Span], set[str]]:
    """Where values are that names tell, and the lines in which there are no such names."""
    folded = _folded(value)
    spans: list[Span] = []
    nameless: set[str] = set()
    start = taken = 0
    for line in lines:
        end = start + len(line)
        if line in _harmless or taken > end:
            pass
        elif start >= taken and folded.startswith(_HEADERS, start) and (span := header(value, start, end)):
            spans.append(span)
            taken = span[1]
        elif not find_fields(value, folded, start if start > taken else taken, end, spans):
            nameless.add(line)
        elif spans and spans[-1][1] > taken:
            taken = spans[-1][1]
        start = end + 1
    return spans, nameless


def _folded(value: str) -> str:
    # The one letter that becomes two when it is made small.
    return value.lower() if value.isascii() else value.replace("\u0130", "I").lower()


def _with_spans(value: str, spans: list[Span]) -> str:
    parts: list[str] = []
    start = 0
    for begin, end, text in sorted(spans):
        if begin >= start:
            parts += [value[start:begin], text]
            start = end
    return "".join([*parts, value[start:]])


def _cleaned(line: str, depth: int, nameless: set[str], *, several: bool) -> str:
    """A line without the secrets that tell by themselves what they are; the line itself when it has none."""
    folded = line.lower()
    clean = line
    if "%" in folded and _ENCODED_LETTER.search(folded):
        clean = _PAIR.sub(_encoded_pair, clean)
    if " -" in folded or folded.startswith("-"):
        clean = redact_command(clean, folded)
    if "@" in folded or "40" in folded:
        clean = redact_logins(clean)
    if "identified " in folded or ("values" in folded and "(" in folded):
        clean = redact_sql(clean)
    if "earer" in folded or "asic" in folded or "oken" in folded or _SCHEME.search(folded):
        clean = redact_schemes(clean)
    shape = clean.encode("ascii", "replace")
    if has_long_run(shape):
        clean = redact_tokens(clean, functools.partial(_without_encoded, depth=depth))
    if has_digits(shape):
        clean = redact_numbers(clean)
    if clean != line:
        return clean
    if several and len(line) <= _LINE and (line in nameless or (MARKER in line and folded.startswith(_HEADERS))):
        if len(_harmless) >= _MOST_LINES:
            _harmless.clear()
        _harmless.add(line)
    return line


def _without_encoded(run: str, depth: int) -> str:
    return redact_encoded(run, functools.partial(_redacted, depth=depth - 1)) if depth else run


def _encoded_pair(match: re.Match[str]) -> str:
    name = match[1]
    if "%" in name and names_secret(unquote_plus(name)):
        return f"{name}={MARKER}"
    return match[0]
