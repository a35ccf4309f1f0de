# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams, snapshots and events for the tests of the lake and of the queries over it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._lake.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.options import Options
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.segment import Writer
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Identity, Timing, Window
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import (
    Stream,
    describe,
    identity_hash,
    new_owner,
    write_stream,
)

Record = dict[str, Any]
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MONDAY = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
HOSTILE = "';DROP TABLE loaded;-- \" \\ \u0000 {{ 7*7 }} \u2028 <script>\n"
"""Text of an attack on the lake itself."""
RULES = ("942100", "941110", "930120", "932100", "920350", "913100")
HOSTS = ("Shop.example.com:443", "shop.example.com", "api.example.com", "blog.example.net.", None)


def event(number: int, when: dt.datetime | str, **more: Any) -> Record:
    """One line of a stream, as the collector of Edgecast writes it."""
    time = when if isinstance(when, str) else when.isoformat().replace("+00:00", "Z")
    return {
        "record": "event",
        "schema": 1,
        "source": "edgecast",
        "id": f"id-{number}",
        "time": time,
        "action": "blocked",
        "action_native": "BLOCK_REQUEST",
        "client_ip": "203.0.113.9",
        "country": "DE",
        "host": "shop.example.com",
        "url": f"https://shop.example.com/cart/{number}?q=1",
        "path": f"/cart/{number}",
        "method": "GET",
        "user_agent": "Mozilla/5.0",
        "referer": None,
        "categories": ["OWASP_CRS/WEB_ATTACK/SQLI"],
        "rule_ids": ["942100"],
        "message": "SQL Injection Attack Detected",
        "severity": "high",
        "severity_native": "2",
        "profile": "production",
        "sub_events": [
            {
                "rule_id": "942100", "message": "SQL Injection", "severity": "high", "severity_native": "2", "score": 5,
                "total_score": 5, "matched_on": "ARGS:q", "matched_value": None,
            }
        ],
        "details": {"sub_event_count": 1},
        "key": f"id-{number}",
        "content": f"{number:016x}",
    } | more  # fmt: skip


def traffic(count: int, start: dt.datetime, span: dt.timedelta = DAY, seed: int = 3) -> Iterator[Record]:
    """Events as a firewall has them, in the order of time: a few attackers, and many others; the same for a seed."""
    dice = random.Random(seed)
    for number in range(count):
        rule = RULES[min(int(dice.expovariate(1)), len(RULES) - 1)]
        host = dice.choice(HOSTS)
        attacker = int(dice.paretovariate(0.7)) % 65_000
        path = f"/{dice.choice(('cart', 'api/v1/users', 'search', 'login'))}/{dice.randrange(1000)}"
        moment = start + span * (number / count)
        yield event(
            seed * 10_000_000 + number,
            moment.replace(microsecond=0),
            action=dice.choice(("blocked", "blocked", "alerted", "allowed", "redirected")),
            client_ip=f"198.51.{attacker >> 8}.{attacker & 255}" if attacker else None,
            host=host,
            url=f"https://{host or 'shop.example.com'}{path}?id={dice.randrange(10_000)}",
            path=path,
            user_agent=f"Mozilla/5.0 ({dice.randrange(300)}) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
            rule_ids=[rule],
            severity=dice.choice(("high", "medium", "low")),
            message=f"Inbound Anomaly Score Exceeded, last matched message: {rule}",
        )


class StreamFolder:
    """The directory of a stream, as a collector leaves it."""

    def __init__(self, root: Path, *, account: str = "0001", source: str = "edgecast", compress: bool = False) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        identity = Identity(source=source, account=account, stream="events", parameters={"sensitive": "redact"})
        timing = Timing(lag=HOUR, overlap=HOUR, window=HOUR)
        self.options = Options(
            dest=root, timing=timing, first_run="fail", lookback=DAY, sweep=None, backfill=None, compress=compress,
            retain_days=None, mode=0o600, group=None,
        )  # fmt: skip
        write_stream(root, Stream(identity_hash(identity), new_owner(), describe(identity)), mode=0o600)

    def add(self, records: Iterable[Record], start: dt.datetime, span: dt.timedelta = HOUR) -> list[str]:
        """Commit one segment, or more if the records are of several days; returns their names."""
        writer = Writer(Window(start, start + span), self.options)
        for record in records:
            moment = record.get("time") or start.isoformat()
            writer.write(dt.datetime.fromisoformat(moment).date(), line(record))
        return writer.commit(start + span)

    def segments(self, day: dt.date | None = None) -> list[Path]:
        """The segments of a day, or all."""
        return sorted(self.root.glob(f"dt={day or '*'}/[!._]*"))


def line(record: Record) -> bytes:
    """A record as a line."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def lake(
    dest: Path, streams: Sequence[Path] = (), snapshots: Sequence[Path] = (), *, check: bool = False,
    now: dt.datetime = NOW, **options: Any,
) -> Result:  # fmt: skip
    """One run of the module's logic."""
    params = {
        "dest": str(dest), "streams": [str(path) for path in streams], "snapshots": [str(path) for path in snapshots],
        "rebuild": False, "retain_days": None, **options,
    }  # fmt: skip
    return run(params, check, clock=lambda: now)


def files_of(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash, and every folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in sorted(folder.rglob("*"))
    }


def query(dest: Path, statement: str, record: str = "event") -> list[tuple[Any, ...]]:
    """Rows of the lake, as any engine sees them."""
    import duckdb

    glob = f"{dest}/record={record}/*/*/*.parquet"
    with duckdb.connect(":memory:") as connection:
        return connection.execute(
            f"WITH lake AS (FROM read_parquet(?, hive_partitioning = true)) {statement}", [glob]
        ).fetchall()


def reasons(result: Result) -> dict[str, str]:
    """Why each day was written or not."""
    assert result.error is None, result.error
    return {item["day"]: item["reason"] for item in (*result.values["written"], *result.values["skipped_days"])}


def parquet_files(dest: Path) -> list[Path]:
    """Every Parquet file below a directory."""
    return sorted(dest.rglob("*.parquet"))


def naive(text: str) -> dt.datetime:
    """A time as the lake has it: UTC, without saying so."""
    return dt.datetime.fromisoformat(text)
