# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queries in docs/sql give the same answers on DuckDB and on Spark, over a lake that the module has written."""

from __future__ import annotations

import collections
import datetime as dt
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.unit.plugins.module_utils._report import factory
from tests.unit.plugins.module_utils.lake_kit import DAY, HOSTILE, HOUR, NOW, StreamFolder, event, lake, line, traffic

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "docs" / "sql"
PREAMBLES = ("duckdb", "spark")
QUERIES = sorted(path.stem for path in SQL.glob("*.sql") if path.stem not in PREAMBLES)
MONDAY = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
STOPPED = ("blocked", "challenged", "redirected")
Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]


def statements(path: Path) -> list[str]:
    """The statements of a file, without comments."""
    text = "\n".join(part for part in path.read_text(encoding="utf-8").splitlines() if not part.startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def match(number: int, finding: dict[str, Any]) -> dict[str, Any]:
    """What the correlate module says of a finding."""
    return {
        "record": "match", "schema": 1,
        "finding": {name: finding[name] for name in ("source", "id", "unique_id")},
        "class": ("attacked_not_blocked", "blocked", "scanner_only", "unobserved")[number % 4],
        "outcome": ("allowed", "blocked", None, None)[number % 4], "strength": "path", "family": "sqli",
        "events": {"count": number % 3, "first": "2026-11-16T01:00:00Z", "last": "2026-11-17T02:00:00Z", "ids": []},
        "sources": ["edgecast"], "host_events": number,
    }  # fmt: skip


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of events of three services' accounts, findings of a scanner and of a stream, and matches."""
    folder = tmp_path_factory.mktemp("made")
    dice = random.Random(11)
    first = StreamFolder(folder / "first", compress=True)
    second = StreamFolder(folder / "second", account="0002")
    third = StreamFolder(folder / "third", source="scutum")
    for day in range(3):
        start = MONDAY + day * DAY
        first.add(traffic(400, start, DAY, seed=day + 1), start)
        second.add(traffic(150, start, DAY, seed=day + 11), start)
        third.add((record | {"source": "scutum"} for record in traffic(90, start, DAY, seed=day + 21)), start)
    odd = event(
        1, MONDAY, host=HOSTILE, message=HOSTILE, client_ip=None, rule_ids=[], path=None, url=None, action="new"
    )
    second.add([odd, event(2, MONDAY, rule_ids=[HOSTILE, None], time="2026-11-16T23:59:59.123456Z")], MONDAY + HOUR)
    findings = list(factory.estate_findings(300, 25))
    for name, when, share in (("findings", 18, 1.0), ("findings", 19, 0.7)):
        kept = [finding for finding in findings if dice.random() < share]
        path = factory.write_snapshot(folder / f"{name}.ndjson", kept, finished=f"2026-11-{when}T09:00:00Z")
        lake(folder / "lake", snapshots=[path])
    matches = folder / "matches.ndjson"
    matches.write_bytes(b"".join(line(match(number, finding)) for number, finding in enumerate(findings)))
    os.utime(matches, (NOW.timestamp(), NOW.timestamp()))
    scans = StreamFolder(folder / "scans", source="indusface")
    for day in range(2):
        rows = (
            finding | {"source": "indusface", "key": f"k{number % 40}", "content": f"{day}{number}", "status": state}
            for number, finding in enumerate(findings[:40])
            for state in [("open", "fixed")[day and number % 2]]
        )
        writer = [{**row, "time": (MONDAY + day * DAY).isoformat()} for row in rows]
        scans.add(writer, MONDAY + day * DAY)
    streams = [item.root for item in (first, second, third, scans)]
    result = lake(folder / "lake", streams, [matches])
    assert result.error is None, result.error
    return folder / "lake"


@pytest.fixture(scope="session")
def on_duckdb(made: Path) -> Iterator[Ask]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"SET VARIABLE lake = '{made}'")
        for statement in statements(SQL / "duckdb.sql"):
            connection.execute(statement)
        yield lambda query: connection.execute(query).fetchall()


@pytest.fixture(scope="session")
def on_spark(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """One session for all tests, as its start takes ten seconds. Its time zone is not UTC."""
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    builder = SparkSession.builder.master("local[2]").appName("perimeter")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "Asia/Tokyo",
        "spark.sql.warehouse.dir": str(folder),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "700m",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -Duser.timezone=America/New_York",
    }.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as environment:
        # Java's optimizing compiler is for long runs: it takes longer than these small queries.
        environment.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto")
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    session.sql(f"SET lake={made}")
    for statement in statements(SQL / "spark.sql"):
        session.sql(statement)
    yield lambda query: [tuple(row) for row in session.sql(query).collect()]
    session.stop()


def plain(rows: Rows) -> Rows:
    """Rows with the types of both engines made one."""
    return [tuple(int(value) if type(value).__name__ == "Decimal" else value for value in row) for row in rows]


@pytest.mark.parametrize("name", QUERIES)
def test_both_engines_give_the_same_answer_in_the_same_order(on_duckdb: Ask, on_spark: Ask, name: str) -> None:
    (query,) = statements(SQL / f"{name}.sql")
    expected = plain(on_duckdb(query))
    assert expected
    assert plain(on_spark(query)) == expected


@pytest.mark.parametrize("view", ["events", "findings", "matches"])
def test_both_engines_read_the_same_columns_and_values(on_duckdb: Ask, on_spark: Ask, view: str) -> None:
    # In the order of the names, as the folders' columns come first on one engine and last on the other.
    names = sorted(row[0] for row in on_duckdb(f"DESCRIBE {view}"))
    assert sorted(row[0] for row in on_spark(f"DESCRIBE {view}")) == names
    chosen = f"SELECT {', '.join(f'v.{name}' for name in names if name != 'dt')}, CAST(dt AS DATE) AS dt FROM {view} v"
    ours, theirs = on_duckdb(chosen), on_spark(chosen)
    assert sorted(map(repr, ours)) == sorted(map(repr, theirs))
    assert len(ours) > 50


def told(made: Path, kind: str) -> int:
    return sum(
        entry["rows"]
        for path in made.glob(f"record={kind}/*/*/_manifest.json")
        for entry in json.loads(path.read_bytes())["files"].values()
    )


def test_answers_are_those_that_counting_gives(made: Path, on_duckdb: Ask) -> None:
    records = [record for day in range(3) for seed in (1, 11, 21) for record in _of(day, seed)]
    assert told(made, "event") == len(records) + 2
    (query,) = statements(SQL / "blocked_share_over_time.sql")
    shares = {(row[0], row[1]): row[2:] for row in on_duckdb(query)}
    tuesday = _of(1, 1) + _of(1, 11)
    stopped = sum(record["action"] in STOPPED for record in tuesday)
    assert shares["edgecast", dt.date(2026, 11, 17)] == (550, stopped, round(100 * stopped / 550, 1))
    (query,) = statements(SQL / "top_attackers.sql")
    counted = collections.Counter(record["client_ip"] for record in records if record["client_ip"])
    counted["203.0.113.9"] += 1
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:20]
    assert [row[:2] for row in on_duckdb(query)] == ranked


def _of(day: int, seed: int) -> list[dict[str, Any]]:
    count = {1: 400, 11: 150, 21: 90}[seed]
    return list(traffic(count, MONDAY + day * DAY, DAY, seed=day + seed))


def test_findings_are_those_of_the_newest_snapshot_and_row(made: Path, on_duckdb: Ask) -> None:
    found = dict(on_duckdb("SELECT source, COUNT(*) FROM findings GROUP BY source"))
    newest = json.loads((made / "record=finding/source=qualys/dt=2026-11-19/_manifest.json").read_bytes())["files"]
    assert found == {"qualys": next(iter(newest.values()))["rows"], "indusface": 40}
    assert 150 < found["qualys"] < 300
    assert on_duckdb("SELECT COUNT(*) FROM findings WHERE source = 'indusface' AND status = 'fixed'") == [(20,)]


def test_what_the_preambles_do_not_share_is_short() -> None:
    same = [(SQL / f"{name}.sql").read_text(encoding="utf-8").split("are the same.\n", 1)[1] for name in PREAMBLES]
    assert same[0] == same[1]
    assert len(QUERIES) == 8
