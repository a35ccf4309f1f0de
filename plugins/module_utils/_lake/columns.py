# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of each kind of record in Parquet: stable names and types, read from the members of the records.

This module is private to the collection and may change at any time.

Every type is one that DuckDB, Spark, Trino and Athena read alike. Times are TIMESTAMP without a zone, in UTC, so that
no session's time zone matters. Lists of texts and numbers are lists. What is nested is JSON text. Whatever a member
holds, its column gets a value of its type or NULL: a record never makes a day fail. A column name has one type in all
kinds. ``record``, ``source`` and ``dt`` are columns too: of the folders, which is why no file repeats them.
"""

from __future__ import annotations

import dataclasses

TEXT, TEXTS, TIME, WHOLE, NUMBER, TRUTH = "VARCHAR", "VARCHAR[]", "TIMESTAMP", "BIGINT", "DOUBLE", "BOOLEAN"


@dataclasses.dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        type: its type in DuckDB.
        member: the member of the record that it is read from; empty for what the lake adds.
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
class Kind:
    """A kind of record.

    Attributes:
        columns: its columns, in their order in the file, without those that all kinds have (``ADDED``).
        order: columns by which a file is sorted.
        derived: columns that Python computes (:mod:`.derive`).
    """

    columns: tuple[Column, ...]
    order: tuple[str, ...]
    derived: tuple[Column, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns of a file."""
        return tuple(column.name for column in (*ADDED, *self.columns, *self.derived))


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, TEXT, name) for name in names)


def _times(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, TIME, name) for name in names)


def _list(name: str, kind: str = TEXTS) -> Column:
    return Column(name, kind, name, json=True)


def _nested(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, TEXT, name, json=True) for name in names)


def _inner(member: str, inner: str, kind: str = TEXT, name: str | None = None) -> Column:
    return Column(name or f"{member}_{inner}", kind, member, inner, json=True)


ADDED = (
    Column("lake_stream", TEXT),
    Column("lake_origin", TEXT),
    Column("lake_as_of", TIME),
)
"""What the lake adds to each record: its stream or snapshot, which of the two it is, and when a snapshot was taken."""
_KEYED = _texts("key", "content")
_ASSET = (*(_inner("asset", name) for name in ("id", "name", "url")), _inner("asset", "tags", TEXTS))
_LAST = _nested("details", "raw")

EVENT = Kind(
    columns=(
        *_KEYED,
        *_texts("id"),
        *_times("time"),
        *_texts("action", "action_native", "client_ip", "country"),
        # ``host`` is the comparable form, among the derived columns.
        Column("host_native", TEXT, "host"),
        *_texts("url", "path", "method", "user_agent", "referer"),
        _list("categories"),
        _list("rule_ids"),
        *_texts("message", "severity", "severity_native", "profile"),
        *_nested("sub_events"),
        *_LAST,
    ),
    derived=tuple(Column(name, TEXT) for name in ("host", "path_template", "parameter", "attack_family")),
    order=("time", "key"),
)

FINDING = Kind(
    columns=(
        *_KEYED,
        *_texts("id", "unique_id", "rule_id", "title", "kind", "severity", "severity_native", "original_severity"),
        Column("cvss_score", NUMBER, "cvss_score"),
        *_texts("cvss_vector"),
        Column("detection_score", NUMBER, "detection_score"),
        *_texts("status"),
        *(_inner("ignored", name) for name in ("reason", "by")),
        *(_inner("ignored", name, TIME) for name in ("at", "until")),
        *_nested("ignored"),
        *_ASSET,
        *_texts("url", "method", "parameter"),
        *_times("first_seen", "last_seen", "last_tested", "fixed_at"),
        Column("times_seen", WHOLE, "times_seen"),
        _list("cwe", "BIGINT[]"),
        *_nested("owasp", "wasc"),
        # GROUP is a word of SQL.
        Column("finding_group", TEXT, "group"),
        *_texts("finding_type"),
        Column("potential", TRUTH, "potential"),
        *_texts("external_ref", "patch"),
        *_nested("ssl", "evidence"),
        *_texts("fingerprint"),
        *_LAST,
    ),
    order=("asset_name", "asset_id", "severity", "id", "key"),
)

SCAN = Kind(
    columns=(
        *_KEYED,
        *_texts("id", "name", "reference", "kind", "mode", "profile"),
        *_ASSET,
        *_times("time", "ended"),
        Column("duration", WHOLE, "duration"),
        *_texts("status", "status_native", "results_status", "auth_status", "end_reason"),
        Column("conclusive", TRUTH, "conclusive"),
        Column("links_crawled", WHOLE, "links_crawled"),
        Column("requests_sent", WHOLE, "requests_sent"),
        *_texts("launched_by"),
        *(_inner("counts", name, WHOLE) for name in ("critical", "high", "medium", "low", "info", "unknown")),
        Column("malware", WHOLE, "malware"),
        *_LAST,
    ),
    order=("time", "key"),
)

GAP = Kind(
    columns=(
        *_KEYED,
        *_texts("stream"),
        # FROM and TO are words of SQL.
        Column("from_time", TIME, "from"),
        Column("to_time", TIME, "to"),
        *_texts("reason"),
    ),
    order=("from_time",),
)

MATCH = Kind(
    columns=(
        *_KEYED,
        *(_inner("finding", name) for name in ("source", "id", "unique_id")),
        *_texts("class", "outcome", "strength", "family"),
        _inner("events", "count", WHOLE),
        _inner("events", "first", TIME),
        _inner("events", "last", TIME),
        _inner("events", "ids", TEXTS),
        _list("sources"),
        Column("host_events", WHOLE, "host_events"),
        *_nested("finding", "events"),
    ),
    order=("class", "finding_source", "finding_id"),
)

CHANGE = Kind(
    columns=(
        *_KEYED,
        *_texts("change"),
        *_times("at"),
        *(_inner("before", name) for name in ("state", "severity")),
        *(_inner("finding", name) for name in ("source", "id", "unique_id", "title", "severity", "status")),
        Column("finding_asset_id", TEXT, "finding", "asset.id", json=True),
        Column("finding_asset_name", TEXT, "finding", "asset.name", json=True),
        Column("risk_score", NUMBER, "risk_score"),
        *_nested("finding", "knowledge", "snapshot"),
    ),
    order=("at", "key"),
)

WEBAPP = Kind(
    columns=(
        *_KEYED,
        *_texts("change"),
        *_times("at"),
        *_texts("id", "name", "url"),
        Column("risk_score", NUMBER, "risk_score"),
        _list("tags"),
        *(_inner("open", name, WHOLE) for name in ("critical", "high", "medium", "low", "info", "unknown")),
        *_nested("snapshot"),
    ),
    order=("at", "key"),
)

SNAPSHOT = Kind(
    columns=(
        *_texts("stream", "file"),
        *_times("started", "finished"),
        Column("records", WHOLE, "records"),
        _list("assets"),
        *_nested("filters"),
    ),
    order=("file",),
)
"""One record for each snapshot, so that one without a finding is in the lake as well."""

KINDS: dict[str, Kind] = {
    "event": EVENT,
    "finding": FINDING,
    "scan": SCAN,
    "gap": GAP,
    "match": MATCH,
    "change": CHANGE,
    "webapp": WEBAPP,
    "snapshot": SNAPSHOT,
}


def members(kind: Kind) -> dict[str, str]:
    """The members of a kind's records that its columns are read from, each with the type to read it as."""
    return {column.member: "JSON" if column.json else TEXT for column in kind.columns}
