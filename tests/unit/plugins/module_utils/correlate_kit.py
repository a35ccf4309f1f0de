# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings, events and their files for the tests of ``_correlate``."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._correlate.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result

NOW = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)
Record = dict[str, Any]


def finding(number: int = 1, url: str | None = "https://shop.example.com/search?q=1", **more: Any) -> Record:
    """An open SQL injection, unless told otherwise."""
    return {
        "record": "finding",
        "schema": 1,
        "source": "qualys",
        "id": str(number),
        "unique_id": f"unique-{number}",
        "rule_id": "150003",
        "title": "SQL Injection",
        "kind": "vulnerability",
        "severity": "high",
        "status": "open",
        "ignored": None,
        "asset": {"id": "4711", "name": "shop", "url": "https://shop.example.com/", "tags": []},
        "url": url,
        "method": "GET",
        "parameter": "q",
        "cwe": [89],
        "fingerprint": f"print-{number}",
        **more,
    }


def event(number: int = 1, url: str | None = "https://shop.example.com/search?q=2", **more: Any) -> Record:
    """A blocked SQL injection of Edgecast, unless told otherwise."""
    return {
        "record": "event",
        "schema": 1,
        "source": "edgecast",
        "id": f"event-{number}",
        "time": f"2026-11-29T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "action": "blocked",
        "client_ip": "198.51.100.7",
        "host": "shop.example.com",
        "url": url,
        "path": None if url is None else "/" + url.partition("://")[2].partition("/")[2].partition("?")[0],
        "method": "GET",
        "user_agent": "curl/8.5.0",
        "categories": ["OWASP_CRS/ANOMALY/EXCEEDED"],
        "rule_ids": ["942100"],
        "message": None,
        "sub_events": [{"rule_id": "942100", "message": "SQLi", "matched_on": "ARGS:q"}],
        "details": {},
        **more,
    }


def gap(start: str = "2026-11-29T01:00:00Z", until: str = "2026-11-29T02:00:00Z") -> Record:
    return {
        "record": "gap",
        "schema": 1,
        "source": "edgecast",
        "stream": "events",
        "from": start,
        "to": until,
        "reason": "older than the vendor keeps",
    }


def lines(records: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def snapshot(path: Path, findings: Iterable[Record], **manifest: Any) -> Path:
    """A file of findings with its manifest."""
    data = lines(findings)
    path.write_bytes(data)
    about = {
        "record": "manifest",
        "schema": 1,
        "source": "qualys",
        "stream": "findings",
        "filters": [],
        "since": None,
        "started": "2026-11-29T10:00:00Z",
        "finished": "2026-11-29T10:01:00Z",
        "records": data.count(b"\n"),
        "announced_after": data.count(b"\n"),
        "complete": True,
        "sha256": hashlib.sha256(data).hexdigest(),
        **manifest,
    }
    path.with_name(path.name + ".manifest.json").write_text(json.dumps(about))
    return path


def stream(
    folder: Path, records: Iterable[Record], *, day: str = "2026-11-29", number: int = 1, packed: bool = False
) -> Path:
    """A segment in the directory of a stream."""
    (folder / f"dt={day}").mkdir(parents=True, exist_ok=True)
    compact = day.replace("-", "")
    again = f"-{number}" if number > 1 else ""
    name = f"{compact}T000000Z-{compact}T235959Z{again}.ndjson" + (".gz" if packed else "")
    data = lines(records)
    (folder / f"dt={day}" / name).write_bytes(gzip.compress(data[:50]) + gzip.compress(data[50:]) if packed else data)
    return folder


def correlate(folder: Path, *, check_mode: bool = False, now: dt.datetime = NOW, **params: Any) -> Result:
    given = {"dest": str(folder / "matches.ndjson"), "window": None, "scanner_sources": None, **params}
    for option in ("findings", "events"):
        given[option] = [str(path) for path in given[option]]
    return run(given, check_mode, clock=lambda: now)


def matches(folder: Path, findings: Iterable[Record], events: Iterable[Record], **params: Any) -> list[dict[str, Any]]:
    """The matches of findings and events, which are written to files first."""
    file = snapshot(folder / "findings.ndjson", findings)
    log = folder / "events.ndjson"
    log.write_bytes(lines(events))
    correlate(folder, findings=[file], events=[log], **params)
    return [json.loads(line) for line in (folder / "matches.ndjson").read_bytes().splitlines()]


def lake_folder(folder: Path, events: Iterable[Record], *, day: str = "2026-11-29") -> Path:
    """A lake with the columns that ``correlate`` reads, from events that have them."""
    import duckdb

    by_source: dict[str, list[Record]] = {}
    for item in events:
        by_source.setdefault(item["source"], []).append(item)
    names = ("id", "action", "client_ip", "user_agent", "host", "path_template", "parameter", "attack_family")
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in (*names, "time"))
    for source, items in by_source.items():
        place = folder / "record=event" / f"source={source}" / f"dt={day}"
        place.mkdir(parents=True)
        plain = folder / f"{source}.ndjson"
        plain.write_bytes(lines({name: item[name] for name in (*names, "time")} for item in items))
        with duckdb.connect() as connection:
            connection.execute(
                f'COPY (SELECT * REPLACE ("time"::TIMESTAMP AS "time") FROM read_json(\'{plain}\', format ='
                f" 'newline_delimited', columns = {{{columns}}})) TO '{place / 'data.parquet'}' (FORMAT parquet)"
            )
        plain.unlink()
        (place / "_manifest.json").write_text("{}")
    return folder
