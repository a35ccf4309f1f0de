# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host and path template of a request, in a form in which a scanner's URL and a firewall's agree.

This module is private to the collection and may change at any time.

An attacker may have written either side, so nothing here raises, and the time is linear in the length of the text.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote_to_bytes

ID = "{id}"
"""Replaces a part of the path that identifies one of many things."""

_LONG = 1024
"""Longer URLs are not cached: a few thousand of them would take megabytes."""
_LONGEST_ID = 512
_SCHEME = re.compile(r"(https?|wss?)://", re.IGNORECASE)
_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443"}
_HOST_END = re.compile(r"[/?#\\]")
_PATH_SESSION = re.compile(r";[^/]*")
_COOKIELESS = re.compile(r"\((?:[A-Za-z]\([^()/]*\))+\)")
"""ASP.NET's session as a part of the path, ``/(S(...))/``."""

_NUMBERS = r"[0-9]+(?:[-_][0-9]+)*"
_UUID = r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?"
_HEX = r"(?=[0-9a-f]*[0-9])[0-9a-f]{16,}"
_ID = re.compile(rf"(?:{_NUMBERS}|{_UUID}|{_HEX})(\.[a-z][a-z0-9]{{0,7}})?", re.IGNORECASE)
"""A number, several numbers such as a date, a UUID, or at least 16 hexadecimal digits; a suffix is kept."""
_MAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}")
_BORDER = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_BORDERS = 3
"""Changes between letters and digits that make a random token; the words of a title hardly ever have as many."""
_REDACTED = "VALUE_REDACTED"
"""The replacement for a redacted token. A test compares it with ``redaction.values.MARKER``."""

_ENCODED = re.compile("[\\s\x00-\x20%?#;/\\\\\x7f-\x9f\ud800-\udfff]")
"""Characters that are percent-encoded in a template, so that the template of a template is the same text."""


def host_of(url_or_host: str) -> str:
    """The host of a URL, or of a ``Host`` header's value.

    Returns:
        In lower case and ASCII, without user, default port and final dot; empty when there is none. Without a
        scheme, both 80 and 443 count as the default port.
    """
    return _remembered_host(url_or_host) if len(url_or_host) <= _LONG else _host(url_or_host)


def path_template(url_or_path: str) -> str:
    """The path of a URL, or a path, without the parts that differ from request to request.

    Scheme, host, query, fragment, path parameters (``;jsessionid=...``), a final slash and needless percent-encoding
    are removed; ids become ``{id}``. Case is kept, and so is an encoded slash, which servers distinguish from a plain
    one. The template of a template is the same text.

    Returns:
        A text that begins with a slash; ``/`` for a URL without a path, and empty for a text without a URL or path.
    """
    return _remembered_path(url_or_path) if len(url_or_path) <= _LONG else _template(url_or_path)


def _host(text: str) -> str:
    text = text.strip()
    found = _SCHEME.match(text)
    rest = text[found.end() :] if found else text
    authority = _HOST_END.split(rest, maxsplit=1)[0].rpartition("@")[2]
    name, colon, port = authority.rpartition(":")
    if not colon or "]" in port or (":" in name and not name.endswith("]")):
        name, port = authority, ""
    default = (_PORTS[found[1].lower()],) if found else ("80", "443")
    name = _ascii(name).rstrip(".")
    return f"{name}:{port}" if name and port and port.lstrip("0") not in default else name


def _ascii(name: str) -> str:
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            pass  # not a valid DNS name: it is compared as it is
    return name.lower()


def _template(text: str) -> str:
    text = text.strip()
    found = _SCHEME.match(text)
    rest = (text[found.end() :] if found else text).partition("#")[0].partition("?")[0]
    slash = rest.find("/")
    if slash < 0:
        return "/" if found and rest else ""
    parts = _PATH_SESSION.sub("", rest[slash + 1 :]).split("/")
    kept = [clean for part in parts if (clean := _part(part)) is not None]
    return "/" + "/".join(kept).rstrip("/")


def _part(part: str) -> str | None:
    """The template of one part of the path; None for a part that is removed."""
    if "%" in part or not part.isascii():
        part = unquote_to_bytes(part.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
    if _COOKIELESS.fullmatch(part):
        return None
    found = _ID.fullmatch(part) if len(part) <= _LONGEST_ID else None
    if found:
        return ID + (found[1] or "")
    if part == _REDACTED or _MAIL.fullmatch(part) or _is_token(part):
        return ID
    return _ENCODED.sub(_encoded, part)


def _is_token(part: str) -> bool:
    if _TOKEN.fullmatch(part) is None or part.lower() == part or part.upper() == part:
        return False
    return len(_BORDER.findall(part)) >= _BORDERS


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


_remembered_host = functools.lru_cache(maxsize=2048)(_host)
_remembered_path = functools.lru_cache(maxsize=8192)(_template)
