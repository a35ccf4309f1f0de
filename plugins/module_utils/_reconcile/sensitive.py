# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be stored of recorded traffic: cookies, credentials, tokens, matched personal data.

This module is private to the collection and may change at any time.

Whether a value is a secret is told by the name before it, wherever that stands: a header, a parameter, a form field, a
JSON member, an XML element. Tokens that tell by themselves what they are, and passwords in URLs, need no name.
"""

from __future__ import annotations

import functools
import itertools
import re
from urllib.parse import unquote

from .redact import MARKER

# Every expression is linear: names and values are taken possessively, so that hostile text cannot make one begin again
# and again in the same run. Most begin with the text that tells them, for which Python looks many times faster than for
# a class of characters; this runs for each response of each finding.
_HEADER = re.compile(
    # The most frequent ones are passed over here, which is cheaper than to ask for their names.
    r"\n(?!(?:Host|Accept|User-Agent|Content-Type|Content-Length|Location|Date|Server|Connection|https?):)"
    r"([\w-]++)([ \t]*+:[ \t]*+)[^\r\n]++"
)
_PAIR_NAME = re.compile(r"[\w.\[\]%$-]++")
_PAIR_VALUE = re.compile(r"=*+[^&\s;\"'<>#=][^&\s;\"'<>#]*+")
_NO_VALUE = frozenset("&;\"'<># \t\r\n") | {""}
_JSON_MEMBER = re.compile(r"\"\s*+:")
_JSON_NAME = re.compile(r"\"([^\"\\]{1,200})\\*+\"\s*+:\s*+")
_JSON_VALUE = re.compile(
    # A text in quotes may hold escaped ones, and recorded traffic may be cut off in the middle of it. The second form
    # is that of JSON inside of a text, where the quotes themselves are escaped.
    r"\"[^\"\\]*+(?:\\.[^\"\\]*+)*+(?:\"|\\?\Z)|\\++\"[^\"\\]*+(?:\\++\")?|-?\d[\d.eE+-]*+|\[[^\[\]{}]*+\]?",
    re.DOTALL,
)
_ELEMENT = re.compile(r"(<([\w.:-]++)>)[^<>]++(?=</)")
_FORM_FIELD = re.compile(
    # The head of one part of a form, and all until the next boundary or the place where the recording was cut off.
    r"(Content-Disposition:[^\r\n]{0,200}?\bname=\"?([^\"\r\n;]{1,200})\"?[^\r\n]{0,400}(?:\r?\n[^\r\n]{1,400}){0,8}\r?\n\r?\n)"
    r".+?(?=\r?\n--|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BEARER = re.compile(r"\b((?:bearer|basic) )[a-z0-9._~+/=-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"eyJ(?<![\w-]eyJ)[\w-]{6,}+\.[\w-]{2,}+\.[\w-]*+(?:\.[\w-]*+)*+")
_USER = re.compile(r"://[^\s/?#\"'<>:@]*+:[^\s/?#\"'<>]*@")

_WORDS = frozenset(
    {"sid", "cookie", "session", "auth", "csrf", "xsrf", "jwt", "otp", "pin", "cvv", "cvc", "signature"}
    | {"credential", "credentials", "authorization"}
)
_ENDS = (
    *("token", "password", "passwd", "pwd", "passphrase", "passcode", "secret", "sessionid", "sessid", "apikey", "jwt"),
)
_STARTS = ("password", "passwd")
_TOGETHER = frozenset(
    {"apikey", "accesskey", "privatekey", "secretkey", "sessionkey", "signingkey", "encryptionkey", "authkey"}
    | {"sessionid", "passphrase", "passcode", "passwd"}
)
_HARMLESS = frozenset(
    {"type", "count", "length", "limit", "policy", "expires", "expiry", "expiration", "required", "strength", "enabled"}
    | {"max", "min", "age", "reset", "forgot", "help", "url", "uri", "field", "label", "status"}
)
"""Last words of names that speak about a secret and do not hold it, such as ``token_type``."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LETTERS = re.compile(r"[a-z]+")
_NAME_CHARACTERS = 300
_SHORT_NAME = 40
_SHORT = 128
"""Characters of the texts that are remembered."""


def redact_text(value: str | None) -> str | None:
    """Traffic as text, without credentials.

    These are the values of headers, ``name=value`` pairs, form fields, JSON members and XML elements whose names speak
    of secrets; bearer and basic credentials; JSON web tokens; and user and password in a URL.
    """
    # Addresses, methods and short payloads come again and again; long texts would take too much memory to remember.
    return _remembered(value) if value and len(value) <= _SHORT else _redacted(value)


def _redacted(value: str | None) -> str | None:
    if not value:
        return value
    # What none of the expressions can find costs only the search for the text that each of them begins with.
    folded = value.casefold()
    if ":" in value:
        # The first line is one as well.
        value = _HEADER.sub(_header, f"\n{value}")[1:]
        if "form-data" in folded:
            value = _FORM_FIELD.sub(_in_element, value)
        if '"' in value and _JSON_MEMBER.search(value):
            value = _redact_members(value)
    if "bearer " in folded or "basic " in folded:
        value = _BEARER.sub(_after_first, value)
    if "</" in value:
        value = _ELEMENT.sub(_in_element, value)
    return _redact_address(value)


_remembered = functools.lru_cache(maxsize=1024)(_redacted)


def redact_url(value: str | None) -> str | None:
    """A URL, or any text with ``name=value`` pairs, without the values that look like credentials."""
    return _redact_address(value) if value else value


def _redact_members(value: str) -> str:
    # Only the value of a secret is taken as a whole: where quotes do not pair up, taking others would hide a name.
    parts: list[str] = []
    start = 0
    for name in _JSON_NAME.finditer(value):
        if name.start() < start or not names_secret(name[1]):
            continue
        found = _JSON_VALUE.match(value, name.end())
        if found:
            quote = _quote_at(value, name.start())
            parts += [value[start : found.start()], quote, MARKER, quote]
            start = found.end()
    return "".join([*parts, value[start:]]) if parts else value


def _quote_at(value: str, at: int) -> str:
    """The quote at a place, with the backslashes that it has in JSON inside of a text."""
    first = at
    while first and value[first - 1] == "\\":
        first -= 1
    return value[first : at + 1]


def _redact_address(value: str) -> str:
    if "@" in value:
        value = _USER.sub(f"://{MARKER}@", value)
    if "eyJ" in value:
        value = _JWT.sub(MARKER, value)
    return _redact_pairs(value) if "=" in value else value


def _redact_pairs(value: str) -> str:
    # From each "=" the name is read backwards: a text has few of them, and many words that might begin a name.
    parts: list[str] = []
    start, at = 0, value.find("=")
    while at >= 0:
        end = at + 1
        # An attribute of HTML goes on with a quote, and is none of these pairs.
        name = "" if value[end : end + 1] in _NO_VALUE else _name_before(value, at)
        held = _PAIR_VALUE.match(value, end) if name and names_secret(name) else None
        if held is not None:
            parts += [value[start:end], MARKER]
            start = end = held.end()
        at = value.find("=", end)
    return "".join([*parts, value[start:]]) if parts else value


def _name_before(value: str, at: int) -> str:
    found = _PAIR_NAME.match(value[max(0, at - _SHORT_NAME) : at][::-1])
    if found is not None and found.end() == _SHORT_NAME:
        found = _PAIR_NAME.match(value[max(0, at - _NAME_CHARACTERS) : at][::-1])
    return found[0][::-1] if found is not None else ""


@functools.lru_cache(maxsize=4096)
def names_secret(name: str) -> bool:
    """Whether what has this name is a secret, such as ``newPassword``, ``user[token]`` or ``ASP.NET_SessionId``.

    The words of the name decide, so that ``keyboard`` and ``token_type`` are none.
    """
    written = unquote(name[-_NAME_CHARACTERS:])
    words = [word.lower() for word in _PARTS.findall(written)]
    if not words or words[-1] in _HARMLESS:
        return False
    # Once more without regard to case, which says nothing in a name such as cOoKiE.
    words += _LETTERS.findall(written.lower())
    if any(_secret_word(word) for word in words):
        return True
    return any(one + two in _TOGETHER for one, two in itertools.pairwise(words))


def _secret_word(word: str) -> bool:
    if word in _WORDS or word.endswith(_ENDS):
        return True
    return any(word.startswith(start) and word.removeprefix(start) not in _HARMLESS for start in _STARTS)


def _header(match: re.Match[str]) -> str:
    return f"\n{match[1]}{match[2]}{MARKER}" if names_secret(match[1]) else match[0]


def _after_first(match: re.Match[str]) -> str:
    return match[1] + MARKER


def _in_element(match: re.Match[str]) -> str:
    return match[1] + MARKER if names_secret(match[2]) else match[0]
