# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: findings of an estate held against the events of its web firewall.

Usage: ``python work_correlate.py IMPORT_TREE STEP FINDINGS EVENTS FOLDER``; the steps are ``prepare``, ``spool``,
``to_lake`` and ``lake``, in this order in the same folder. Prints one JSON object: what the step cost.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import pathlib
import random
import resource
import sys
import time
from importlib import import_module
from typing import Any

PACKAGE = "ansible_collections.appsec.perimeter"
NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
DAYS = 30
HOSTS = 200
PATHS = 400
PARAMETERS = ("q", "id", "page", "user", "sort", "lang", "ref", "token", "file", "next")
ATTACKS = (
    (89, "942100", "SQL injection"),
    (79, "941100", "XSS"),
    (22, "930110", "Path traversal"),
    (78, "932100", "RCE"),
)
ACTIONS = ("blocked", "blocked", "blocked", "alerted")


def _place(dice: random.Random) -> tuple[str, str]:
    # Few places get most of the attacks, as everywhere.
    number = int(PATHS * dice.random() ** 3)
    return f"app{dice.randrange(HOSTS)}.example.com", f"/section{number % 20}/page{number}/{{id}}/view"


def _finding(number: int, dice: random.Random) -> dict[str, Any]:
    host, path = _place(dice)
    cwe, _rule, title = dice.choice(ATTACKS)
    return {
        "record": "finding",
        "schema": 1,
        "source": "qualys",
        "id": str(number),
        "unique_id": f"{number:032x}",
        "rule_id": "150003",
        "title": title,
        "kind": "vulnerability",
        "severity": dice.choice(("critical", "high", "medium", "low")),
        "status": "open",
        "ignored": None,
        "asset": {"id": host, "name": host, "url": f"https://{host}/", "tags": []},
        "url": f"https://{host}{path.replace('{id}', str(number))}",
        "parameter": dice.choice(PARAMETERS),
        "cwe": [cwe],
        "fingerprint": f"{number:032x}",
        "evidence": [{"response": "x" * 1500}],
    }


def _event_line(number: int, at: str, dice: random.Random) -> str:
    """A line as the collector writes it for an event of Edgecast, of 1.4 kB. Text, as a million of them are made."""
    host, path = _place(dice)
    _cwe, rule, title = dice.choice(ATTACKS)
    parameter, action = dice.choice(PARAMETERS), dice.choice(ACTIONS)
    path = path.replace("{id}", str(number))
    return _EVENT % {
        "id": f"{number:088x}",
        "at": at,
        "action": action,
        "ip": f"198.51.{dice.randrange(100)}.{dice.randrange(254)}",
        "host": host,
        "path": path,
        "parameter": parameter,
        "number": number,
        "version": dice.randrange(90, 120),
        "rule": rule,
        "title": title,
    }


_EVENT = json.dumps(
    {
        "record": "event",
        "schema": 1,
        "source": "edgecast",
        "id": "%(id)s",
        "time": "%(at)s",
        "action": "%(action)s",
        "action_native": "%(action)s",
        "client_ip": "%(ip)s",
        "country": "NL",
        "host": "%(host)s",
        "url": "https://%(host)s%(path)s?%(parameter)s=VALUE_%(number)d",
        "path": "%(path)s",
        "method": None,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/%(version)d Safari",
        "referer": "https://%(host)s/",
        "categories": ["OWASP_CRS/ANOMALY/EXCEEDED"],
        "rule_ids": ["920320", "%(rule)s"],
        "message": "Inbound Anomaly Score Exceeded (Total Score: 8): Last Matched Message: %(rule)s-%(title)s",
        "severity": "critical",
        "severity_native": "2",
        "profile": "rules",
        "sub_events": [
            {"rule_id": rule, "message": title, "severity": "critical", "severity_native": "2", "score": 5,
             "total_score": 8, "matched_on": matched_on, "matched_value": None}
            for rule, title, matched_on in (
                ("920320", "Missing header", "REQUEST_HEADERS"), ("%(rule)s", "%(title)s", "ARGS:%(parameter)s"),
            )
        ],
        "details": dict.fromkeys(("event_id", "profile_type", "instance_name", "city", "acl_name"), "some text"),
    },
    separators=(",", ":"),
)  # fmt: skip


def prepare(findings: int, events: int, folder: pathlib.Path) -> None:
    """A snapshot with its manifest, and a stream of 30 days."""
    dice, digest = random.Random(7), hashlib.sha256()
    with (folder / "findings.ndjson").open("wb") as file:
        for number in range(findings):
            line = json.dumps(_finding(number, dice)).encode() + b"\n"
            digest.update(line)
            file.write(line)
    manifest = {"record": "manifest", "schema": 1, "source": "qualys", "stream": "findings", "complete": True}
    manifest |= {"since": None, "records": findings, "sha256": digest.hexdigest(), "finished": "2026-11-20T11:00:00Z"}
    (folder / "findings.ndjson.manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    begin = NOW.replace(hour=0) - dt.timedelta(days=DAYS)
    for day in range(DAYS):
        start = begin + dt.timedelta(days=day)
        segments = folder / "stream" / f"dt={start.date().isoformat()}"
        segments.mkdir(parents=True)
        compact = "%Y%m%dT%H%M%SZ"
        name = f"{start.strftime(compact)}-{(start + dt.timedelta(days=1)).strftime(compact)}.ndjson"
        with (segments / name).open("w", encoding="ascii") as text:
            for number in range(events * day // DAYS, events * (day + 1) // DAYS):
                at = f"{start.date().isoformat()}T{number % 24:02d}:{number // 24 % 60:02d}:{number % 60:02d}Z"
                text.write(_event_line(number, at, dice) + "\n")


def _correlate(findings: int, folder: pathlib.Path, events: str) -> None:
    run = import_module(f"{PACKAGE}.plugins.module_utils._correlate.run").run
    options: dict[str, Any] = {"findings": [str(folder / "findings.ndjson")], "events": [str(folder / events)]}
    options |= {"window": "90d", "scanner_sources": {"networks": ["198.51.7.0/24"]}}
    options |= {"dest": str(folder / f"matches-{events}.ndjson")}
    result = run(options, False, clock=lambda: NOW)
    classes = result.values["summary"]["classes"]
    if result.values["matches"] != findings or not classes["attacked_not_blocked"]:
        raise SystemExit(f"The findings were not correlated: {classes}")


def spool(findings: int, _events: int, folder: pathlib.Path) -> None:
    """From the segments of the stream."""
    _correlate(findings, folder, "stream")


def to_lake(_findings: int, _events: int, folder: pathlib.Path) -> None:
    """The days of the stream as Parquet with the columns of the join, as the lake has them."""
    columns_of = import_module(f"{PACKAGE}.plugins.module_utils._records.attack_families").event_columns
    duckdb = import_module("duckdb")
    names = ("id", "time", "action", "client_ip", "user_agent", "host", "path_template", "parameter", "attack_family")
    types = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    for segment in sorted((folder / "stream").glob("dt=*/*.ndjson")):
        place = folder / "lake" / "record=event" / "source=edgecast" / segment.parent.name
        place.mkdir(parents=True)
        plain = folder / "day.ndjson"
        with segment.open("rb") as source, plain.open("w", encoding="utf-8") as target:
            for line in source:
                event = json.loads(line)
                event |= columns_of(event)._asdict()
                target.write(json.dumps({name: event[name] for name in names}) + "\n")
        with duckdb.connect() as connection:
            rows = f"SELECT * REPLACE (time::TIMESTAMP AS time) FROM read_json('{plain}', columns = {{{types}}})"  # noqa: S608
            connection.execute(f"COPY ({rows}) TO '{place / 'data.parquet'}' (FORMAT parquet, COMPRESSION zstd)")
        plain.unlink()


def lake(findings: int, _events: int, folder: pathlib.Path) -> None:
    """From Parquet, in which the columns of the join are there."""
    _correlate(findings, folder, "lake")
    same = [(folder / f"matches-{name}.ndjson").read_bytes() for name in ("stream", "lake")]
    if same[0] != same[1]:
        raise SystemExit("The stream and the lake give different matches.")


def main() -> None:
    """Entry point."""
    tree, step, findings, events, folder = sys.argv[1:]
    sys.path.insert(0, tree)
    started, before = time.perf_counter(), time.process_time()
    {"prepare": prepare, "spool": spool, "to_lake": to_lake, "lake": lake}[step](
        int(findings), int(events), pathlib.Path(folder)
    )
    cost = {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - before}
    print(json.dumps({**cost, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
