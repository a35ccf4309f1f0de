# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of each kind of record in Parquet: stable names and types, filled from the members of the records.

This module is private to the collection and may change at any time.

Every type is one that DuckDB, Spark, Trino and Athena read alike. Times are TIMESTAMP without a zone, in UTC, so that
no session's time zone matters. Lists of texts and numbers are lists. Nested values are JSON text. Whatever a member
contains, its column gets a value of its type or NULL, so a record never makes a day fail. A column name has the same
type in all kinds. ``record``, ``source`` and ``dt`` are columns too: they come from the folders and are not in the
files.
"""

from __future__ import annotations

import dataclasses

TEXT, TEXTS, TIME, WHOLE, NUMBER, TRUTH = "VARCHAR", "VARCHAR[]", "TIMESTAMP", "BIGINT", "DOUBLE", "BOOLEAN"


@dataclasses.dataclass(frozen=True)
class LakeColumn:
    """One column.

    Attributes:
        name: its name.
        type: its type in DuckDB.
        member: the member of the record that supplies it; empty for columns that the lake adds.
        inner: the member within that member; empty if the column is the member itself.
        json: whether the member has to be read as JSON, because it is nested or a list.
    """

    name: str
    type: str
    member: str = ""
    inner: str = ""
    json: bool = False

    @property
    def value(self) -> str:
        """The expression that reads the column from its member."""
        found = f'"{self.member}"'
        if self.inner:
            nested = self.type.endswith("[]")
            found = f"json_extract({found}, '$.{self.inner}')" if nested else f"({found} ->> '$.{self.inner}')"
        return f"TRY_CAST({found} AS {self.type})"


@dataclasses.dataclass(frozen=True)
class RecordKind:
    """A kind of record.

    Attributes:
        columns: its columns in file order, without those that all kinds have (``ADDED``).
        order: columns by which a file is sorted.
        derived: columns that Python computes (:mod:`.derive`).
    """

    columns: tuple[LakeColumn, ...]
    order: tuple[str, ...]
    derived: tuple[LakeColumn, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns of a file."""
        return tuple(column.name for column in (*ADDED, *self.columns, *self.derived))


def _texts(*names: str) -> tuple[LakeColumn, ...]:
    return tuple(LakeColumn(name, TEXT, name) for name in names)


def _times(*names: str) -> tuple[LakeColumn, ...]:
    return tuple(LakeColumn(name, TIME, name) for name in names)


def _list(name: str, kind: str = TEXTS) -> LakeColumn:
    return LakeColumn(name, kind, name, json=True)


def _nested(*names: str) -> tuple[LakeColumn, ...]:
    return tuple(LakeColumn(name, TEXT, name, json=True) for name in names)


def _inner(member: str, inner: str, kind: str = TEXT, name: str | None = None) -> LakeColumn:
    return LakeColumn(name or f"{member}_{inner}", kind, member, inner, json=True)


ADDED = (
    LakeColumn("lake_stream", TEXT),
    LakeColumn("lake_origin", TEXT),
    LakeColumn("lake_as_of", TIME),
)
"""Columns that the lake adds: stream or snapshot id, which of the two it is, and when the snapshot was taken."""
_KEYED = _texts("key", "content")
_ASSET = (*(_inner("asset", name) for name in ("id", "name", "url")), _inner("asset", "tags", TEXTS))
_LAST = _nested("details", "raw")

EVENT = RecordKind(
    columns=(
        *_KEYED,
        *_texts("id"),
        *_times("time"),
        *_texts("action", "action_native", "client_ip", "country"),
        # ``host`` is the comparable form, among the derived columns.
        LakeColumn("host_native", TEXT, "host"),
        *_texts("url", "path", "method", "user_agent", "referer"),
        _list("categories"),
        _list("rule_ids"),
        *_texts("message", "severity", "severity_native", "profile"),
        *_nested("sub_events"),
        *_LAST,
    ),
    derived=tuple(LakeColumn(name, TEXT) for name in ("host", "path_template", "parameter", "attack_family")),
    order=("time", "key"),
)

FINDING = RecordKind(
    columns=(
        *_KEYED,
        *_texts("id", "unique_id", "rule_id", "title", "kind", "severity", "severity_native", "original_severity"),
        LakeColumn("cvss_score", NUMBER, "cvss_score"),
        *_texts("cvss_vector"),
        LakeColumn("detection_score", NUMBER, "detection_score"),
        *_texts("status"),
        *(_inner("ignored", name) for name in ("reason", "by")),
        *(_inner("ignored", name, TIME) for name in ("at", "until")),
        *_nested("ignored"),
        *_ASSET,
        *_texts("url", "method", "parameter"),
        *_times("first_seen", "last_seen", "last_tested", "fixed_at"),
        LakeColumn("times_seen", WHOLE, "times_seen"),
        _list("cwe", "BIGINT[]"),
        *_nested("owasp", "wasc"),
        # GROUP is a word of SQL.
        LakeColumn("finding_group", TEXT, "group"),
        *_texts("finding_type"),
        LakeColumn("potential", TRUTH, "potential"),
        *_texts("external_ref", "patch"),
        *_nested("ssl", "evidence"),
        *_texts("fingerprint"),
        *_LAST,
    ),
    order=("asset_name", "asset_id", "severity", "id", "key"),
)

SCAN = RecordKind(
    columns=(
        *_KEYED,
        *_texts("id", "name", "reference", "kind", "mode", "profile"),
        *_ASSET,
        *_times("time", "ended"),
        LakeColumn("duration", WHOLE, "duration"),
        *_texts("status", "status_native", "results_status", "auth_status", "end_reason"),
        LakeColumn("conclusive", TRUTH, "conclusive"),
        LakeColumn("links_crawled", WHOLE, "links_crawled"),
        LakeColumn("requests_sent", WHOLE, "requests_sent"),
        *_texts("launched_by"),
        *(_inner("counts", name, WHOLE) for name in ("critical", "high", "medium", "low", "info", "unknown")),
        LakeColumn("malware", WHOLE, "malware"),
        *_LAST,
    ),
    order=("time", "key"),
)

GAP = RecordKind(
    columns=(
        *_KEYED,
        *_texts("stream"),
        # FROM and TO are words of SQL.
        LakeColumn("from_time", TIME, "from"),
        LakeColumn("to_time", TIME, "to"),
        *_texts("reason"),
    ),
    order=("from_time",),
)

MATCH = RecordKind(
    columns=(
        *_KEYED,
        *(_inner("finding", name) for name in ("source", "id", "unique_id")),
        *_texts("class", "outcome", "strength", "family"),
        _inner("events", "count", WHOLE),
        _inner("events", "first", TIME),
        _inner("events", "last", TIME),
        _inner("events", "ids", TEXTS),
        _list("sources"),
        LakeColumn("host_events", WHOLE, "host_events"),
        *_nested("finding", "events"),
    ),
    order=("class", "finding_source", "finding_id"),
)

CHANGE = RecordKind(
    columns=(
        *_KEYED,
        *_texts("change"),
        *_times("at"),
        *(_inner("before", name) for name in ("state", "severity")),
        *(_inner("finding", name) for name in ("source", "id", "unique_id", "title", "severity", "status")),
        LakeColumn("finding_asset_id", TEXT, "finding", "asset.id", json=True),
        LakeColumn("finding_asset_name", TEXT, "finding", "asset.name", json=True),
        LakeColumn("risk_score", NUMBER, "risk_score"),
        *_nested("finding", "knowledge", "snapshot"),
    ),
    order=("at", "key"),
)

WEBAPP = RecordKind(
    columns=(
        *_KEYED,
        *_texts("change"),
        *_times("at"),
        *_texts("id", "name", "url"),
        LakeColumn("risk_score", NUMBER, "risk_score"),
        _list("tags"),
        *(_inner("open", name, WHOLE) for name in ("critical", "high", "medium", "low", "info", "unknown")),
        *_nested("snapshot"),
    ),
    order=("at", "key"),
)

SNAPSHOT = RecordKind(
    columns=(
        *_texts("stream", "file"),
        *_times("started", "finished"),
        LakeColumn("records", WHOLE, "records"),
        _list("assets"),
        *_nested("filters"),
    ),
    order=("file",),
)
"""One record for each snapshot, so that a snapshot without findings is in the lake too."""

KINDS: dict[str, RecordKind] = {
    "event": EVENT,
    "finding": FINDING,
    "scan": SCAN,
    "gap": GAP,
    "match": MATCH,
    "change": CHANGE,
    "webapp": WEBAPP,
    "snapshot": SNAPSHOT,
}


def members(kind: RecordKind) -> dict[str, str]:
    """The members of a kind's records that its columns are read from, each with the type to read it as."""
    return {column.member: "JSON" if column.json else TEXT for column in kind.columns}
