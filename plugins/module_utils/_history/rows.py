# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts findings, scans, applications and authentication records to the rows of the store.

This module is private to the collection and may change at any time.

A row has names, ids, states and times. Evidence, the URLs of findings and login fields are never stored.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from urllib.parse import urlsplit

from .._records.changes import content_of, state_of
from .._records.codec import dumps_sorted
from .._records.coerce import bounded, items, mapping, number, text, truth, whole
from .._records.files.snapshot_scope import APPLICATION_FIELDS, FilterIdentity
from .._records.files.types import mistyped_finding
from .._records.identity import UNKNOWN_SOURCE, AppKey, app_key, record_digest, run_key
from .._records.model import SEVERITIES, STATUSES, Finding
from .._records.times import canonical_time
from .schema import KEY

Row = dict[str, t.Any]
Record = t.Mapping[str, t.Any]
TITLE = 300
"""Characters of a title, and of the name of an application."""
_KINDS = frozenset({"vulnerability", "sensitive_content", "information"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that PostgreSQL does not accept: NUL, and surrogates."""


class BadRecord(Exception):
    """A record that the store cannot accept. The text is the end of a sentence."""


def storable(word: str) -> str:
    """The text, with U+FFFD in place of characters that databases do not accept."""
    # Nearly every text ends here, and a million findings have ten each.
    if word.isascii() and "\x00" not in word:
        return word
    return _UNSTORABLE.sub("\ufffd", word)


def kept(value: t.Any, limit: int = 0) -> str | None:
    """A text of a record in the form that is stored. A limit shortens texts that are only displayed."""
    word = bounded(value)
    if word is None:
        return None
    return storable(word if not limit or len(word) <= limit else f"{word[: limit - 1]}…")


def hashed(*parts: str) -> str:
    """The key of a row: 32 hexadecimal digits."""
    data = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=KEY // 2).hexdigest()


def view_of(filters: t.Iterable[FilterIdentity]) -> str:
    """A hash of what a snapshot leaves out of the findings of an application; empty when it shows all of them."""
    narrowing = sorted(
        repr((field, operator, sorted(values), name))
        for field, operator, values, name in filters
        if field not in APPLICATION_FIELDS
    )
    return hashed(*narrowing) if narrowing else ""


def finding_app(record: Record) -> tuple[AppKey, str | None]:
    """The application of a record, and its name."""
    asset = mapping(record.get("asset"))
    return app_key(bounded(record.get("source")) or UNKNOWN_SOURCE, asset), bounded(asset.get("name"))


def finding_row(record: Record, view: str, *, exact: bool) -> Row:
    """Convert a finding.

    Args:
        record: the record as read; its values may be anything.
        view: the view of its snapshot.
        exact: whether another record with the same identity is another finding, as in a snapshot. In a stream it is a
            later sighting of the same finding.

    Raises:
        BadRecord: it has no identity, or a value of the wrong type.
    """
    get = record.get
    if wrong := mistyped_finding(record):
        raise BadRecord(f"has a value of the wrong type in {wrong}")
    source, asset = bounded(get("source")) or UNKNOWN_SOURCE, mapping(get("asset"))
    own, unique, fingerprint = (bounded(get(name)) for name in ("id", "unique_id", "fingerprint"))
    known_by = run_key(unique, fingerprint, own)
    if known_by is None:
        raise BadRecord("has neither a unique id nor a fingerprint nor an id")
    identity = hashed(source, known_by)
    row: Row = {
        "record": record_digest(app_key(source, asset)[1], _named(record)).hex() if exact else identity,
        "identity": identity,
        "key": identity,
        "source": kept(source),
        "finding_id": kept(own),
        "unique_id": kept(unique),
        "fingerprint": kept(fingerprint),
        "rule_id": kept(get("rule_id")),
        "title": kept(get("title"), TITLE),
        "kind": _one_of(get("kind"), _KINDS),
        "severity": _one_of(get("severity"), SEVERITIES),
        "app_id": kept(asset.get("id")),
        # Without an id, the name is the identity, so it is not shortened.
        "app_name": kept(asset.get("name"), TITLE if bounded(asset.get("id")) else 0),
        "cvss_score": _score(get("cvss_score")),
        "view": view,
        "first_seen": _time(get("first_seen")),
        "fixed_at": _time(get("fixed_at")),
        "seen": _time(get("last_tested")) or _time(get("last_seen")) or "",
    }
    ignored = None if get("ignored") in (None, False) else mapping(get("ignored"))
    status = _one_of(get("status"), STATUSES)
    row["state"] = state_of(t.cast(Finding, {"kind": row["kind"], "status": status, "ignored": ignored}))
    if not exact:
        # A stream may not state when a finding was first seen; its oldest sighting does.
        row["first_seen"] = row["first_seen"] or row["seen"] or None
    row["content"] = content_of(t.cast(Finding, record))
    return row


def _named(record: Record) -> Row:
    return {name: record.get(name) for name in ("source", "id", "unique_id", "fingerprint")}


def _one_of(value: t.Any, allowed: t.Container[str]) -> str:
    return value if isinstance(value, str) and value in allowed else "unknown"


def _score(value: t.Any) -> str | None:
    score = number(value)
    return None if score is None else f"{score:g}"


def _time(value: t.Any) -> str | None:
    return canonical_time(value) if isinstance(value, str) else None


def scan_row(record: Record) -> Row:
    """Convert a scan or a scan log."""
    asset, counts = mapping(record.get("asset")), mapping(record.get("counts"))
    conclusive, malware = truth(record.get("conclusive")), whole(record.get("malware"))
    row = {
        "source": kept(record.get("source")) or UNKNOWN_SOURCE,
        "id": kept(record.get("id")),
        "name": kept(record.get("name"), TITLE),
        "kind": kept(record.get("kind")),
        "app_id": kept(asset.get("id")),
        "app_name": kept(asset.get("name"), TITLE),
        "time": _time(record.get("time")),
        "ended": _time(record.get("ended")),
        "status": kept(record.get("status")),
        "end_reason": kept(record.get("end_reason")),
        "conclusive": None if conclusive is None else str(conclusive).lower(),
        "counts": dumps_sorted({name: whole(counts.get(name)) for name in SEVERITIES}).decode() if counts else None,
        "malware": None if malware is None else str(malware),
    }
    return _with_key(row)


def webapp_row(record: Record) -> Row:
    """Convert a web application, as returned by an information module."""
    risk = number(record.get("risk_score"))
    tags = sorted({storable(tag) for tag in map(_tag, items(record.get("tags"))) if tag})
    row = {
        "source": kept(record.get("source")) or "qualys",
        "id": kept(record.get("id")),
        "name": kept(record.get("name"), TITLE),
        "url": _address(record.get("url")),
        "risk_score": None if risk is None else f"{risk:g}",
        "tags": dumps_sorted(tags).decode(),
    }
    return _with_key(row)


def auth_record_row(record: Record) -> Row:
    """Convert an authentication record: only its name and type, and no login data."""
    forms = [name for name in ("form", "server", "oauth2") if record.get(name)]
    kinds = [f"{name}:{bounded(mapping(record[name]).get('type')) or ''}".rstrip(":") for name in forms]
    row = {
        "source": kept(record.get("source")) or "qualys",
        "id": kept(record.get("id")),
        "name": kept(record.get("name"), TITLE),
        "type": storable(", ".join(kinds)) or kept(record.get("type")),
    }
    return _with_key(row)


def _with_key(row: Row) -> Row:
    if row["id"] is None:
        raise BadRecord("has no id")
    content = hashed(*(str(value) for value in row.values()))
    return row | {"key": hashed(row["source"], row["id"]), "content": content}


def _tag(value: t.Any) -> str | None:
    return text(mapping(value).get("name")) if isinstance(value, dict) else text(value)


def _address(value: t.Any) -> str | None:
    """A URL without credentials and query, either of which may be secret."""
    word = kept(value)
    try:
        parts = urlsplit(word or "")
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    return f"{parts.scheme}://{host}{parts.path}" if host else None
