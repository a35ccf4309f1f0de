# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value looks like: a secret, a placeholder, a sentence or a piece of code.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import functools
import re

MARKER = "VALUE_REDACTED"
"""Replaces every secret, in evidence and on both sides of a diff."""

_RANDOM = 16
"""Characters from which on a value can look machine-made."""

_PLACEHOLDER = re.compile(
    r"\*+|[xX]{3,}|[•●·.]{3,}|-+|_+|\?+|<[^<>]*>?|&lt;.*&gt;|\{[\w .:-]{0,40}\}|\{\{.*\}\}|\$\{[^{}]*\}|"
    r"\$\(.*\)|(?-i:\$[A-Z_][A-Z0-9_]*)|%\w+%|%[sd]|"
    r"#\{.*\}|\[[\w. -]*(?:redacted|masked|hidden|filtered|removed|protected)[\w. -]*\]|"
    r"\(?(?:redacted|masked|hidden|filtered|removed|protected)\)?|"
    r"(?:your|my|enter|insert|replace|put|example|sample|dummy)[-_ ][\w -]*|@\w+@|VALUE_REDACTED",
    re.IGNORECASE,
)
_NOTHING = frozenset(
    {"", "null", "none", "nil", "undefined", "nan", "true", "false", "yes", "no", "on", "off", "n/a", "empty", "blank"}
)
_SPOKEN = frozenset(
    {
        "string",
        "str",
        "text",
        "password",
        "hidden",
        "required",
        "optional",
        "boolean",
        "bool",
        "integer",
        "number",
        "int",
    }
    | {"any", "object", "enabled", "disabled", "unknown", "invalid", "missing", "expired", "valid", "weak", "incorrect"}
    | {"wrong", "default", "self", "include", "omit", "same-origin", "bearer", "basic", "digest", "forbidden", "denied"}
    | {"secret", "token", "unauthorized", "new-password", "current-password", "one-time-code", "array", "function"}
    | {"short", "long", "strict", "lax", "strong", "secure", "insecure", "sensitive", "changed", "reset", "sent", "set"}
    | {"created", "updated", "deleted", "revoked", "rotated", "active", "inactive", "header", "query", "cookie", "body"}
    | {"inherit", "initial", "unset", "auto", "block", "inline", "hover", "focus", "before", "after", "this", "new"}
)
"""Words that describe a secret in the position of its value: its type, its state, how it is sent."""

_LINKING = frozenset(
    {"a", "an", "the", "is", "are", "was", "were", "be", "been", "has", "have", "must", "may", "can", "could"}
    | {"should", "will", "not", "no", "your", "our", "you", "we", "it", "this", "that", "please", "enter"}
    | {"type", "for", "of", "to", "in", "on", "with", "and", "or", "by", "from", "at", "least", "too"}
    | {"minimum", "invalid", "required", "incorrect", "forgot", "change", "reset", "der", "die", "das", "ist"}
    | {"bitte", "ein", "eine", "und", "oder", "nicht", "ihr", "le", "la", "les", "est", "un", "une", "et", "ou"}
    | {"votre", "el", "es", "su", "por", "favor", "il", "non", "tuo", "o", "os", "as", "sua", "seu"}
)
_WORD = re.compile(
    r"[(\[\"'\u201c\u2018]?(?:[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d{1,4}(?:[-–]\d{1,4})?\+?)[)\]\"'\u201d\u2019]?[.,:;!?…]*"
)
_RULES = re.compile(
    r"(?:required|nullable|sometimes|string|confirmed|present|filled|(?:min|max|size|between):[\d,]+)(?:\|[\w:,]+)*"
)
"""Validation rules, as frameworks write them: ``required|min:8``."""
_PLACE = re.compile(
    # A file, an address without a query, a colour.
    r"(?:/(?:etc|var|usr|opt|home|srv|run|tmp|app|root|mnt|data|proc|dev|secrets?|keys?|vault|bin|lib|certs?)|\.{1,2}|~)"
    r"/[\w./@+-]*|/(?:[a-z0-9_.-]+/)+[\w-]+\.[a-z]{2,5}|[A-Za-z]:\\[\w .\\-]*|"
    r"[\w-]+(?:/[\w-]+)*\.(?:pem|key|crt|json|ya?ml|txt|py|js)|"
    r"https?://[\w.-]+(?::\d+)?(?:/[a-z0-9_./-]{0,80})?|\#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6})"
)
_TERMS = re.compile(
    r"(?:.*[-_/ ])?(?:md[45]|sha[123]?(?:[-_]?(?:224|256|384|512))?|hmac|[hrep]s(?:256|384|512)|aes|base(?:32|58|64)|"
    r"utf-?8|oauth2?|"
    r"http[23]?|x509|pbkdf2|s?bcrypt|scrypt|argon2(?:id?)?|ed25519|rsa|ntlmv?2?|tls|v\d{1,2}|sso|saml2?|oidc|ipv[46]|totp|webauthn)"
    r"(?:[-_/ ](?:[a-z]+|\d{1,4}))*",
    re.IGNORECASE,
)
"""Names of algorithms and formats, whose digits do not make them secrets."""
_CODE = re.compile(
    r"[A-Za-z_$][\w$]*(?:(?:\?\.|\.|->|::)[A-Za-z_$][\w$]*)*[(\[{].*|"
    r"(?:this|self|window|document|process|os|req|request|res|response|config|data|event|user|props|state|params|ctx|env|"
    r"options|settings|session|e|r|t|n|\$\w+)(?:\.|->)[A-Za-z_$][\w.$>-]*|[!&|(\[{$].*|(?:function|new|await|typeof)\b.*",
    re.DOTALL,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MACHINE = re.compile(r"[\w+/=.~%:-]{16,}", re.ASCII)
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[A-Za-z]")
_TERM = 40
_WEAK = 5
_PLAIN = re.compile(
    # Sizes, ordinals, versions, times, addresses with a port, names with a number, parts of a request line, calls.
    r"\d+(?:\.\d+)*[-_]?(?:[A-Za-z]{1,2}|st|nd|rd|th|[A-Za-z-]+)|[vV]?\d+(?:\.\d+)+\S*|\d{4}-\d\d\S*|\d+:\d+\S*|[\w.-]+:\d{1,5}(?:/\S*)?|"
    r"[A-Za-z]+[-_.]\d{1,4}|[A-Z]+/\d\S*|\S*\(\S*|/\S*|0x[0-9a-fA-F]+|[A-Z]{1,3}\d{1,4}[:;,]?|\S*=\S*"
)
_LONG = 400
"""Longer values are neither a placeholder nor a sentence."""


def holds_nothing(value: str) -> bool:
    """Whether a value is empty or a placeholder, such as ``null``, ``****`` or ``${PASSWORD}``."""
    value = value.strip()
    return len(value) < _LONG and (value.lower() in _NOTHING or _PLACEHOLDER.fullmatch(value) is not None)


def is_spoken(value: str) -> bool:
    """Whether a value is text about a secret: a type, a state, a label or a message."""
    value = value.strip()
    return len(value) < _LONG and _speaks(value)


@functools.lru_cache(maxsize=1024)
def _speaks(value: str) -> bool:
    if value.lower().strip(".!?:*") in _SPOKEN or _RULES.fullmatch(value) or _PLACE.fullmatch(value) or is_term(value):
        return True
    words = value.split()
    if len(words) < 2 or not all(map(_WORD.fullmatch, words)):
        return False
    return any(word.lower().rstrip(".,:;!?…") in _LINKING for word in words)


def is_term(value: str) -> bool:
    """Whether a value names an algorithm, a format or a version, such as ``scram-sha-256``."""
    return len(value) <= _TERM and _TERMS.fullmatch(value) is not None


def is_strong(value: str) -> bool:
    """Whether a word looks like a password even where ordinary words could occur: letters and digits together."""
    if len(value) < _WEAK or is_spoken(value) or holds_nothing(value) or not _LETTER.search(value):
        return False
    return _DIGIT.search(value) is not None and _PLAIN.fullmatch(value) is None and _UUID.fullmatch(value) is None


def is_code(value: str) -> bool:
    """Whether an unquoted value is an expression of a programming language, which gets the secret from elsewhere."""
    return _computes(value[:_LONG])


@functools.lru_cache(maxsize=1024)
def _computes(value: str) -> bool:
    return _CODE.fullmatch(value) is not None


def is_made(value: str) -> bool:
    """Whether a value looks randomly generated; UUIDs, which are ids, do not count."""
    if len(value) < _RANDOM or not _MACHINE.fullmatch(value) or _UUID.fullmatch(value):
        return False
    return _DIGIT.search(value) is not None and _LETTER.search(value) is not None and "://" not in value


def has_sign(value: str) -> bool:
    """Whether a value is more than letters, or mixes upper and lower case as passwords do and words do not."""
    return not value.isalpha() or not (value.islower() or value.isupper() or value.istitle())
