# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small factories for the history: snapshots and streams of a day, runs of the module's logic, and a look inside."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import sqlalchemy

from ansible_collections.appsec.perimeter.plugins.module_utils._history.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Identity
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import (
    Stream,
    describe,
    identity_hash,
    write_stream,
)

Record = dict[str, Any]
DAY = dt.timedelta(days=1)
START = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
"""The first day; day 0 of everything here."""
TABLES = ("runs", "sources", "findings", "observations", "scans", "webapps", "auth_records")
SHOP: Record = {"id": "4711", "name": "shop", "url": "https://shop.example.com/", "tags": []}
BLOG: Record = {"id": "4712", "name": "blog", "url": "https://blog.example.com/", "tags": []}


def on_day(day: float) -> dt.datetime:
    """Noon of a day."""
    return START + day * DAY


def time_of(day: float) -> str:
    """The same, as records have it."""
    return on_day(day).isoformat().replace("+00:00", "Z")


def finding(number: int = 1, **changes: Any) -> Record:
    """A high vulnerability of the shop that was found on day 0."""
    return {
        "record": "finding",
        "schema": 1,
        "source": "qualys",
        "id": str(1000 + number),
        "unique_id": f"uuid-{number}",
        "rule_id": "150001",
        "title": f"Cross-site scripting {number}",
        "kind": "vulnerability",
        "severity": "high",
        "status": "new",
        "ignored": None,
        "asset": SHOP,
        "url": f"https://shop.example.com/page{number}?token=canary-url",
        "parameter": "q",
        "first_seen": time_of(0),
        "last_seen": time_of(0),
        "last_tested": time_of(0),
        "fixed_at": None,
        "cvss_score": 6.1,
        "evidence": [{"payload": "canary-evidence"}],
        "fingerprint": f"{number:032x}",
        **changes,
    }


def scan(number: int = 1, **changes: Any) -> Record:
    """A scan of the shop."""
    return {
        "record": "scan", "schema": 1, "source": "qualys", "id": str(number), "name": "ci", "kind": "vulnerability",
        "asset": SHOP, "time": time_of(0), "ended": time_of(0.1), "status": "finished", "end_reason": "finished",
        "conclusive": True, "counts": {"critical": 0, "high": number, "medium": 0, "low": 0, "info": 0},
        "malware": None, **changes,
    }  # fmt: skip


def manifest_of(data: bytes, total: int, name: str, day: float, **changes: Any) -> Record:
    """What the export of that day states."""
    return {
        "record": "manifest", "schema": 1, "source": "qualys", "stream": "findings", "file": name, "compressed": False,
        "filters": [], "detail": "verbose", "since": None, "started": time_of(day - 0.01), "finished": time_of(day),
        "announced_before": total, "announced_after": total, "records": total, "complete": True, "assets": [],
        "unknown_values": {}, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changes,
    }  # fmt: skip


class Desk:
    """A folder with exports and a store."""

    def __init__(self, path: Path, url: str | None = None) -> None:
        self.path = path
        self.file = path / "history.db"
        self.url = url or f"sqlite:///{self.file}"

    def write(self, name: str, content: Any) -> str:
        """A file of text, or of JSON."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.path / name).write_text(text, encoding="utf-8")
        return str(self.path / name)

    def snapshot(self, findings: list[Any], day: float = 0, name: str = "findings.ndjson", **changes: Any) -> str:
        """A snapshot of that day with its manifest."""
        data = "".join(f"{json.dumps(item)}\n" for item in findings).encode()
        (self.path / name).write_bytes(data)
        self.write(f"{name}.manifest.json", manifest_of(data, len(findings), name, day, **changes))
        return str(self.path / name)

    def stream(self, *segments: list[Any], name: str = "stream", source: str = "indusface", account: str = "a") -> str:
        """The directory of a stream with one segment for each list of records, in their order."""
        root = self.path / name
        if not root.exists():
            identity = Identity(source=source, account=account, stream="scan_logs", parameters={})
            (root / "dt=2026-11-01").mkdir(parents=True)
            write_stream(root, Stream(identity_hash(identity), "owner", describe(identity)), mode=0o600)
        present = len(list(root.glob("dt=*/*.ndjson")))
        for number, records in enumerate(segments, present):
            path = root / "dt=2026-11-01" / f"20261101T{number:02}0000Z-20261101T{number:02}5959Z.ndjson"
            path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
            os.utime(path, (1_000 + number, 1_000 + number))
        return str(root)

    def run(self, findings: list[Any] | None = None, day: float = 0, *, check: bool = False, **options: Any) -> Result:
        """Run the module's logic at noon of a day, on a snapshot of these findings unless paths are given."""
        params: Record = {"database_url": self.url, "timeout": 60, **options}
        if findings is not None:
            params["findings"] = [self.snapshot(findings, day)]
        return run(params, check, clock=lambda: on_day(day))

    def rows(self, table: str, *columns: str) -> list[Any]:
        """What a table holds, as tuples; single values where one column is asked for."""
        engine = sqlalchemy.create_engine(self.url.replace("postgresql://", "postgresql+psycopg://"))
        chosen = ", ".join(columns) or "*"
        try:
            with engine.connect() as connection:
                found = connection.exec_driver_sql(f"select {chosen} from perimeter_{table}").fetchall()
        finally:
            engine.dispose()
        # Databases do not agree on how texts are sorted.
        return [row[0] if len(columns) == 1 else row for row in sorted(map(tuple, found), key=_sortable)]

    def everything(self) -> dict[str, list[Any]]:
        """All rows of all tables."""
        return {table: self.rows(table) for table in TABLES}


def _sortable(row: tuple[Any, ...]) -> list[Any]:
    return [(value is not None, isinstance(value, str), value) for value in row]


def counts(result: Result) -> dict[str, int]:
    """The changes of a run that are not zero."""
    return {name: count for name, count in result.values["changes"].items() if count}
