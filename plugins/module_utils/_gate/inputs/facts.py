# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the gate needs of one finding, and accepts every value that a file can have.

This module is private to the collection and may change at any time.

A finding is judged by the worst possible meaning of its values: an unknown severity counts as critical, an unknown
status as open, and an unknown kind as a vulnerability. If somebody edited the severity at the source, the worse of the
original and the edited one counts. A finding that was seen after it was fixed is open.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._records.coerce import bounded, items, mapping, whole
from ..._records.identity import AppKey, app_key, run_key
from ..._records.times import read_time

Record = t.Mapping[str, t.Any]

_DOT = re.compile("%2e", re.IGNORECASE)
_SLASH = re.compile("%2f|%5c", re.IGNORECASE)
_DOTS = re.compile(r"(?:[/\\]|%5c|%2f)(?:\.|%2e)", re.IGNORECASE)
RANKS = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}
KINDS = frozenset({"vulnerability", "sensitive_content", "information"})
STATUSES = frozenset({"new", "open", "reopened", "fixed", "protected", "retesting"})


def counted_severity(value: t.Any) -> str:
    """Return the severity that a finding is judged by: an unknown one is critical."""
    return value if isinstance(value, str) and value in RANKS else "critical"


def worse(first: str, second: str) -> str:
    """Return the worse of two severities."""
    return min(first, second, key=RANKS.__getitem__)


def _original_severity(raw: Record) -> str | None:
    """Return the severity before somebody edited it at the source; None if nobody edited it.

    ``details.original_severity`` holds it in the words of the model. If only the word of the source is known, it could
    have been any severity, so it counts as critical.
    """
    told = mapping(raw.get("details")).get("original_severity")
    if told is not None:
        return counted_severity(told)
    native = raw.get("original_severity")
    return None if native is None or native == raw.get("severity_native") else counted_severity(native)


@dataclasses.dataclass(slots=True)
class Facts:
    """One finding as the gate sees it.

    ``severity`` is the one that it is judged by, ``edited`` the milder one that somebody set at the source, or None.
    ``raw`` is the unchanged record. ``attack`` is the class of its match, or None without a match. If ``unwaived`` is
    set, only rules that are not waivable count the finding.
    """

    raw: Record
    source: str
    id: str | None
    unique_id: str | None
    fingerprint: str | None
    rule_id: str | None
    severity: str
    kind: str
    status: str
    ignored: Record | None
    app: AppKey
    app_name: str | None
    url: str | None
    parameter: str | None
    tags: list[str]
    cwe: list[int]
    edited: str | None = None
    attack: str | None = None
    unwaived: bool = False

    @property
    def key(self) -> str | None:
        """The identity of the finding across runs; None if the record has none."""
        return run_key(self.unique_id, self.fingerprint, self.id)


def facts_of(raw: Record) -> Facts:
    """Return the facts of a record of kind finding. Never fails because of a value."""
    get = raw.get
    asset = mapping(get("asset"))
    source = bounded(get("source")) or "unknown"
    kind, ignored = get("kind"), get("ignored")
    shown, original = counted_severity(get("severity")), _original_severity(raw)
    severity = shown if original is None else worse(shown, original)
    return Facts(
        raw=raw,
        source=source,
        id=bounded(get("id")),
        unique_id=bounded(get("unique_id")),
        fingerprint=bounded(get("fingerprint")),
        rule_id=bounded(get("rule_id")),
        severity=severity,
        kind=kind if isinstance(kind, str) and kind in KINDS else "vulnerability",
        status=_status(raw),
        ignored=None if ignored is None or ignored is False else mapping(ignored),
        app=app_key(source, asset),
        app_name=bounded(asset.get("name")),
        url=bounded(get("url")),
        parameter=bounded(get("parameter")),
        tags=[tag for tag in map(bounded, items(asset.get("tags"))) if tag],
        cwe=[code for code in map(_weakness, items(get("cwe"))) if code is not None],
        edited=None if severity == shown else shown,
    )


def _status(raw: Record) -> str:
    status = raw.get("status")
    if not isinstance(status, str) or status not in STATUSES:
        return "open"
    if status == "fixed" and (fixed_at := raw.get("fixed_at")) is not None:
        seen, fixed = read_time(raw.get("last_seen")), read_time(fixed_at)
        if seen is not None and (fixed is None or seen > fixed):
            return "open"
    return status


def _weakness(value: t.Any) -> int | None:
    """Return the number of a weakness, which may be a number or text such as ``CWE-79``."""
    return whole(value.strip().upper().removeprefix("CWE-") if isinstance(value, str) else value)


def owasp_codes(facts: Facts) -> list[int]:
    """Return the numbers of the finding's OWASP Top 10 categories."""
    codes = (whole(mapping(item).get("code")) for item in items(facts.raw.get("owasp")))
    return [code for code in codes if code is not None]


def places_of(url: str | None) -> tuple[str | None, ...]:
    """Return a URL as it is written and, if different, as a browser resolves it, without ``..`` and its encodings.

    Otherwise somebody who may choose paths could give a page an address that an exclusion leaves out.
    """
    if url is None or not _DOTS.search(url):
        return (url,)
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.replace("\\", "/").partition("/")
    path, tail = _split(path)
    kept: list[str] = []
    # Many servers also treat an encoded slash as a slash.
    for part in _SLASH.sub("/", path).split("/"):
        plain = _DOT.sub(".", part)
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(part)
    resolved = f"{scheme}{separator}{host}{slash}{'/'.join(kept)}{tail}"
    return (url,) if resolved == url else (url, resolved)


def _split(path: str) -> tuple[str, str]:
    """Return the path, and the query and fragment that follow it."""
    end = min((place for place in map(path.find, "?#") if place >= 0), default=len(path))
    return path[:end], path[end:]


def label(app: AppKey, name: str | None) -> str:
    """Return the name and the id of an application, for people."""
    identity = app[1]
    if identity.startswith("name:"):
        return name or identity[5:] or f"(no application, {app[0]})"
    return f"{name} ({identity})" if name else identity
