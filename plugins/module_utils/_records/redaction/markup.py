# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in the elements of XML and HTML, in the parts of a form, and on a command line.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re

from .names import names_secret
from .values import MARKER, holds_nothing, is_code, is_spoken

Span = tuple[int, int, str]
"""Start and end of a value, and its replacement."""

_OPENED = re.compile(r"(?:<|&lt;)(?:[\w.-]{1,40}:)?\Z")
_PREFIX = 48
_TAG_END = re.compile(r"(?:\s[^<>]{0,2000}+)?>|(?:\s[^&<>]{0,2000}+)?&gt;")
_INNER = re.compile(r"\s*+([^<>]*+)")
_CUT_OFF = re.compile(r"[^\s\"'<>{}]+")
_ESCAPED_INNER = re.compile(r"([^&<>]++)(?=&lt;/)")
_CDATA = "<![CDATA["
_FORM_FIELD = re.compile(
    # The head of one part of a form, and everything until the next boundary or the end of a recording that is cut off.
    r"(Content-Disposition:[^\r\n]{0,200}?\bname=\"?([^\"\r\n;]{1,200})\"?[^\r\n]{0,200}+(?:\r?\n[^\r\n]{1,200}+){0,4}+\r?\n\r?\n)"
    r".+?(?=\r?\n--|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_ARGUMENT = r"(?:\"([^\"\r\n]++)\"|'([^'\r\n]++)'|([^\s\"'<>&;|,)\]}]++))"
_FLAG = re.compile(r"(?<![\w<!/-])--?([A-Za-z][\w-]{1,60}+)[ \t]++(?![-=|&<>])" + _ARGUMENT)
_CURL_USER = re.compile(r"(?<![\w-])(?:-u|-U|--user|--proxy-user)(?:[ \t]*+=?[ \t]*+)" + _ARGUMENT)
_NO_LOGIN_COMMAND = ("docker", "podman", "chown", "install", "runuser", "kubectl exec", "git push", "sort", "date ")
_HTTPIE = re.compile(r"\b(?:https?|xh)[ \t](?:[^\r\n|;]{0,200}?[ \t])?-a[ \t]{0,2}" + _ARGUMENT)
_USER_PERCENT = re.compile(r"(?<![\w-])(?:-U|--user)[ \t=]{1,2}['\"]?[\w\\.@-]{1,60}%([^\s'\"]++)")
_IDENTIFIED = re.compile(
    r"\bidentified[ \t]+(?:with[ \t]+\S{1,60}+[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?"
    r"(?:'([^'\r\n]++)'|\"([^\"\r\n]++)\")",
    re.IGNORECASE,
)
_INSERT = re.compile(r"\(([^()\r\n]{1,1000})\)\s{0,8}values\s{0,8}(\([^\r\n]{1,4000})", re.IGNORECASE)
_SQL_VALUE = re.compile(r"\s*+(?:'((?:[^'\\]|''|\\.)*+)'|\"([^\"]*+)\"|([^,()'\"]++(?:\([^()]*+\))?+))\s*+([,)])")
_FLAG_WORDS = ("pass", "token", "secret", "key", "pwd", "auth", "cred", "pin", "otp")
_COMMANDS = (
    "sshpass",
    "mongo",
    "redis-cli",
    "docker login",
    "podman login",
    "ldap",
    "sqlcmd",
    "rabbitmqadmin",
    "ipmitool",
)
_ATTACHED = ("mysql", "mariadb")
_SHORT_FLAG = re.compile(
    rf"\b(?:(?:{'|'.join(_COMMANDS)})\w*\b[^\r\n|;]{{0,200}}?\s-[pPwa][ \t]{{0,2}}|"
    # With a space, the option asks for the password.
    rf"(?:{'|'.join(_ATTACHED)})\w*\b[^\r\n|;]{{0,200}}?\s-p(?=\S)){_ARGUMENT}"
)


def opens_element(value: str, begin: int) -> bool:
    """Whether the name of an element begins at a position, as in ``<Password>`` or ``<wsse:Password Type="x">``."""
    before = value[begin - 1 : begin]
    if before == ":":
        return _OPENED.search(value[max(0, begin - _PREFIX) : begin]) is not None
    return before == "<" or (before == ";" and value.startswith("&lt;", begin - 4))


def element(value: str, end: int) -> Span | None:
    """The contents of the element whose name ends at a position; None when they are not secret."""
    tag = _TAG_END.match(value, end)
    if tag is None:
        return None
    if tag[0].endswith(";"):
        escaped = _ESCAPED_INNER.match(value, tag.end())
        return _contents(escaped.start(1), escaped.end(1), escaped[1]) if escaped else None
    inner = _INNER.match(value, tag.end())
    if inner is None:
        return None
    if not inner[1] and value.startswith(_CDATA, inner.end()):
        begin = inner.end() + len(_CDATA)
        close = value.find("]]>", begin)
        stop = close if close >= 0 else len(value)
        return _contents(begin, stop, value[begin:stop])
    following = value[inner.end() : inner.end() + 2]
    # The recording may be cut off in the middle of the secret.
    cut_off = (
        not following and _CUT_OFF.fullmatch(inner[1]) is not None and "\n" not in value[tag.end() : inner.start(1)]
    )
    if following != "</" and not cut_off:
        return None
    return _contents(inner.start(1), inner.end(1), inner[1])


def _contents(begin: int, end: int, held: str) -> Span | None:
    stripped = held.rstrip()
    if not stripped or (stripped != MARKER and (holds_nothing(held) or is_spoken(held) or _is_label(stripped))):
        return None
    return begin, begin + len(stripped), MARKER


def _is_label(held: str) -> bool:
    return held.isalpha() and names_secret(held)


def redact_form(value: str) -> str:
    """A text without the fields of a multipart form whose names are those of secrets."""
    return _FORM_FIELD.sub(_field, value)


def _field(match: re.Match[str]) -> str:
    return match[1] + MARKER if names_secret(match[2]) else match[0]


def redact_command(line: str, folded: str) -> str:
    """A line without the secrets of a command: ``--password secret``, ``curl -u user:secret``."""
    if any(map(folded.__contains__, _FLAG_WORDS)):
        line = _FLAG.sub(_flag, line)
    if " -u" in folded or "--user" in folded or "--proxy-user" in folded:
        if "curl" in folded or not any(map(folded.__contains__, _NO_LOGIN_COMMAND)):
            line = _CURL_USER.sub(_login, line)
        line = _USER_PERCENT.sub(_short, line)
    if " -a" in folded and ("http " in folded or "https " in folded or "xh " in folded):
        line = _HTTPIE.sub(_login, line)
    if any(map(folded.__contains__, _COMMANDS + _ATTACHED)):
        line = _SHORT_FLAG.sub(_short, line)
    return line


def redact_sql(line: str) -> str:
    """A line without the passwords in SQL: ``IDENTIFIED BY 'secret'``, and the values of columns with secret names."""
    line = _IDENTIFIED.sub(_short, line)
    return _INSERT.sub(_inserted, line)


def _inserted(match: re.Match[str]) -> str:
    secret = {place for place, name in enumerate(match[1].split(",")) if names_secret(name.strip(' `"[]'))}
    if not secret:
        return match[0]
    parts: list[str] = []
    start = 0
    place = 0
    at = 1
    rows = match[2]
    while (cell := _SQL_VALUE.match(rows, at)) is not None:
        index = cell.lastindex or 0
        held = cell[1] if cell[1] is not None else cell[2]
        if place in secret and held and not holds_nothing(held):
            begin = cell.start(1 if cell[1] is not None else 2)
            parts += [rows[start:begin], MARKER]
            start = begin + len(held)
        at, place = cell.end(), place + 1
        if cell[index] == ")":
            at, place = rows.find("(", at) + 1, 0
            if not at:
                break
    return match[0][: match.start(2) - match.start()] + "".join([*parts, rows[start:]])


def _flag(match: re.Match[str]) -> str:
    held = match[match.lastindex or 0]
    if not names_secret(match[1]) or holds_nothing(held) or is_spoken(held) or (is_code(held) and held != MARKER):
        return match[0]
    return _with_marker(match, 0)


def _login(match: re.Match[str]) -> str:
    held = match[match.lastindex or 0]
    user, colon, password = held.partition(":")
    if not colon or holds_nothing(password) or "//" in held or not user.strip("\"'"):
        return match[0]
    if user.isdigit() or user.startswith(("+", "$", "%")):
        # User and group ids, or a date format.
        return match[0]
    return _with_marker(match, len(user) + 1)


def _short(match: re.Match[str]) -> str:
    held = match[match.lastindex or 0]
    if holds_nothing(held) or (held.isdigit() and len(held) < 6) or held.startswith("-"):
        return match[0]
    return _with_marker(match, 0)


def _with_marker(match: re.Match[str], kept: int) -> str:
    index = match.lastindex or 0
    begin, end = match.start(index) - match.start() + kept, match.end(index) - match.start()
    return match[0][:begin] + MARKER + match[0][end:]
