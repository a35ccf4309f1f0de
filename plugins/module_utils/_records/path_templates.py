# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a request goes, in a form in which a scanner's URL and a firewall's agree: the host, and the path's template.

This module is private to the collection and may change at any time.

Both sides may be written by an attacker, so nothing here raises, and the time grows with the length of the text only.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote_to_bytes

ID = "{id}"
"""What stands in a template for a part of the path that names one of many things."""

_LONG = 1024
"""Longer URLs are not remembered: a few thousand of them would take megabytes."""
_LONGEST_ID = 512
_SCHEME = re.compile(r"(https?|wss?)://", re.IGNORECASE)
_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443"}
_HOST_END = re.compile(r"[/?#\\]")
_PATH_SESSION = re.compile(r";[^/]*")
_COOKIELESS = re.compile(r"\((?:[A-Za-z]\([^()/]*\))+\)")
"""The session of ASP.NET as a part of the path, ``/(S(...))/``."""

_NUMBERS = r"[0-9]+(?:[-_][0-9]+)*"
_UUID = r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?"
_HEX = r"(?=[0-9a-f]*[0-9])[0-9a-f]{16,}"
_ID = re.compile(rf"(?:{_NUMBERS}|{_UUID}|{_HEX})(\.[a-z][a-z0-9]{{0,7}})?", re.IGNORECASE)
"""A number, several of them such as a date, a UUID, or 16 hexadecimal digits and more; a suffix is kept."""
_MAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}")
_BORDER = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_BORDERS = 3
"""How often letters and digits meet in a random token; in the words of a title they hardly ever do."""
_REDACTED = "VALUE_REDACTED"
"""What redaction puts for a token; a test holds it against ``redaction.values.MARKER``."""

_ENCODED = re.compile("[\\s\x00-\x20%?#;/\\\\\x7f-\x9f\ud800-\udfff]")
"""Characters that a template holds percent-encoded, so that a template is its own template."""


def host_of(url_or_host: str) -> str:
    """The host of a URL, or a host as it is written in a header.

    Returns:
        In lower case and ASCII, without user, default port and the dot at its end; empty when there is none. Without a
        scheme, both 80 and 443 count as the default port.
    """
    return _remembered_host(url_or_host) if len(url_or_host) <= _LONG else _host(url_or_host)


def path_template(url_or_path: str) -> str:
    """The path of a URL, or a path, without what differs from request to request.

    Left out are scheme, host, query, fragment, path parameters (``;jsessionid=...``), a slash at the end and what is
    percent-encoded without need; ids become ``{id}``. Case is kept, and so is an encoded slash, which servers tell from
    a plain one. A template is its own template.

    Returns:
        Begins with a slash; ``/`` for a URL without a path, and empty for a text in which there is none.
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
            pass  # no name that DNS knows: it still equals itself
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
    """The template of one part; None for one that is left out."""
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
