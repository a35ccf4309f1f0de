# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands beside findings in tests, pictures and measurements: events, matches, a history, waivers and images."""

from __future__ import annotations

import datetime
import hashlib
import json
import pathlib
import random
import typing as t

from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory

Record = dict[str, t.Any]
_START = datetime.datetime(2026, 11, 6, tzinfo=datetime.UTC)
_COUNTRIES = ("CN", "RU", "US", "NL", "BR", "VN", "DE", "IN", None)
_CATEGORIES = ("SQL injection", "Cross-site scripting", "Path traversal", "Command injection", "Scanner", "Bad bot")
_ACTIONS = ("blocked", "blocked", "blocked", "blocked", "challenged", "redirected", "alerted", "allowed", "unknown")


def event(number: int = 1, **changes: t.Any) -> Record:
    """One complete event; keyword arguments replace members."""
    record: Record = {
        "record": "event",
        "schema": 1,
        "source": "edgecast",
        "id": str(number),
        "time": "2026-11-19T04:00:00Z",
        "action": "blocked",
        "action_native": "BLOCK_REQUEST",
        "client_ip": "203.0.113.9",
        "country": "NL",
        "host": "shop.example.de",
        "url": "https://shop.example.de/item?id=1",
        "path": "/item",
        "method": "GET",
        "user_agent": "curl/8",
        "referer": None,
        "categories": ["SQL injection"],
        "rule_ids": ["942100"],
        "message": "SQL injection",
        "severity": "high",
        "severity_native": "3",
        "profile": "production",
        "sub_events": [],
        "details": {},
    }
    return record | changes


def events(count: int = 2000, seed: int = 9) -> t.Iterator[Record]:
    """Attacks on the hosts of the estate over two weeks, the same for the same seed."""
    dice = random.Random(seed)
    hosts = [app["url"].removeprefix("https://").rstrip("/") for app in factory.webapps(40)]
    clients = [f"198.51.100.{number}" for number in range(1, 250)]
    weights = [dice.paretovariate(0.9) for _client in clients]
    for number in range(count):
        client = dice.choices(clients, weights)[0]
        moment = _START + datetime.timedelta(seconds=int(14 * 86400 * dice.random() ** 0.8))
        yield event(
            number,
            source=dice.choice(("edgecast", "edgecast", "scutum")),
            time=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            action=dice.choice(_ACTIONS),
            client_ip=client,
            country=_COUNTRIES[sum(map(ord, client)) % len(_COUNTRIES)],
            host=dice.choice(hosts),
            categories=[dice.choice(_CATEGORIES)],
            severity=dice.choice(("critical", "high", "medium", "low")),
        )


def poisoned_event(payload: str, number: int = 1) -> Record:
    """An event whose every text is the payload."""
    names = (
        "source",
        "id",
        "client_ip",
        "country",
        "host",
        "url",
        "path",
        "method",
        "user_agent",
        "message",
        "profile",
    )
    return event(number, **dict.fromkeys(names, payload), categories=[payload], rule_ids=[payload], action="allowed")


def match(finding: Record, kind: str = "attacked_not_blocked", **changes: t.Any) -> Record:
    """A match about a finding."""
    outcome = {"attacked_not_blocked": "allowed", "blocked": "blocked"}.get(kind)
    count = 3 if outcome else 0
    times = "2026-11-18T22:14:00Z" if outcome else None
    record: Record = {
        "record": "match",
        "schema": 1,
        "finding": {name: finding[name] for name in ("source", "id", "unique_id")},
        "class": kind,
        "outcome": outcome,
        "strength": "parameter" if outcome else None,
        "family": "sqli",
        "events": {"count": count, "first": times, "last": times, "ids": ["1", "2", "3"][:count]},
        "sources": ["198.51.100.7", "203.0.113.9"][:count],
        "host_events": 12,
    }
    return record | changes


def matches(findings: t.Iterable[Record], seed: int = 10) -> t.Iterator[Record]:
    """A match for each open finding, few of them bad."""
    dice = random.Random(seed)
    kinds = ("attacked_not_blocked", "blocked", "scanner_only", "unobserved")
    for finding in findings:
        if finding["status"] != "fixed" and finding["kind"] != "information":
            yield match(finding, dice.choices(kinds, (1, 6, 8, 85))[0])


def history(findings: t.Sequence[Record], weeks: int = 26, seed: int = 11) -> Record:
    """A history of weekly runs with due dates."""
    dice = random.Random(seed)
    counts = {"critical": 60, "high": 170, "medium": 300, "low": 340, "info": 120, "unknown": 0}
    trend = []
    for week in range(weeks):
        at = datetime.datetime(2026, 11, 20, 9, 12, tzinfo=datetime.UTC) - datetime.timedelta(weeks=weeks - 1 - week)
        counts = {name: max(0, int(count * dice.uniform(0.93, 1.1))) for name, count in counts.items()}
        news = {name: dice.randrange(30) for name in ("new", "fixed", "reopened", "escalated")}
        point = {"run_id": str(week), "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "open": counts}
        trend.append({**point, **news})
    late = [_due(item, number) for number, item in enumerate(findings[:40])]
    return {
        "schema": 1,
        "kind": "history",
        "run_id": "25",
        "at": "2026-11-20T09:12:00Z",
        "counts": {"new": 12, "fixed": 30, "reopened": 3, "escalated": 2, "gone": 1, "changed": 4},
        "open": trend[-1]["open"],
        "trend": trend,
        "time_to_fix": [
            {"severity": None, "application": None, "count": 412, "mean_days": 31.4, "median_days": 22},
            {"severity": "critical", "application": None, "count": 40, "mean_days": 12.5, "median_days": 9.0},
            {
                "severity": None,
                "application": {"id": "100000", "name": "Shop DE production"},
                "count": 9,
                "mean_days": 40.0,
                "median_days": 38.5,
            },
        ],
        "sla": {
            "policy": {"critical": 14, "high": 30, "medium": 90},
            "horizon": "7d",
            "breached_total": 61,
            "due_total": len(late[25:]),
            "by_severity": {
                "critical": {"breached": 21, "due": 4},
                "high": {"breached": 40, "due": 11},
                "medium": {"breached": 0, "due": 0},
            },
            "breached": late[:25],
            "due": late[25:],
        },
    }


def _due(finding: Record, number: int) -> Record:
    asset = {name: finding["asset"][name] for name in ("id", "name")}
    due = f"2026-11-{number % 28 + 1:02d}T00:00:00Z"
    names = ("source", "id", "unique_id", "title", "severity", "first_seen")
    return {**{name: finding[name] for name in names}, "asset": asset, "due_at": due}


def image(number: int = 1, **changes: t.Any) -> Record:
    """The scan of one container image."""
    digest = "sha256:" + hashlib.sha256(str(number).encode()).hexdigest()
    name = f"registry.example/{('shop', 'pay', 'search')[number % 3]}-{number}:1.{number}"
    record: Record = {
        "record": "scan",
        "schema": 1,
        "source": "carbon_black",
        "id": str(number),
        "name": name,
        "asset": {"id": digest, "name": name, "url": None, "tags": []},
        "time": "2026-11-19T04:00:00Z",
        "ended": "2026-11-19T04:00:00Z",
        "status": "finished",
        "conclusive": True,
        "counts": {
            "critical": number % 4, "high": number % 7, "medium": 9, "low": 20, "info": 0, "unknown": 0,
        },
        "malware": int(number % 11 == 5),
        "details": {"workloads": number % 5},
    }  # fmt: skip
    return record | changes


def waiver(number: int = 1, **changes: t.Any) -> Record:
    """One waiver of the gate."""
    record: Record = {
        "id": f"W-{number}",
        "type": "risk_accepted",
        "owner": "a.keller",
        "reason": "Behind the VPN until the move.",
        "ticket": f"SEC-{100 + number}",
        "created": "2026-10-01",
        "expires": f"2026-1{number % 3}-{number % 27 + 1:02d}",
        "match": {"ids": [str(number)]},
    }
    return record | changes


def gap(**changes: t.Any) -> Record:
    """One gap of a stream."""
    record = {
        "record": "gap",
        "schema": 1,
        "source": "scutum",
        "stream": "alerts",
        "from": "2026-11-10T00:00:00Z",
        "to": "2026-11-10T06:00:00Z",
        "reason": "older than the service keeps",
    }
    return record | changes


def write_lines(path: pathlib.Path, records: t.Iterable[Record]) -> str:
    """An NDJSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in records:
            file.write(json.dumps(record).encode() + b"\n")
    return str(path)


def write_stream(root: pathlib.Path, records: t.Iterable[Record]) -> str:
    """The directory of a stream, with one segment for each day."""
    days: dict[str, list[Record]] = {}
    for record in records:
        days.setdefault(str(record.get("time") or record.get("last_seen") or record.get("from"))[:10], []).append(
            record
        )
    for day, of_day in days.items():
        name = f"{day.replace('-', '')}T000000Z-{day.replace('-', '')}T235959Z.ndjson"
        write_lines(root / f"dt={day}" / name, of_day)
    return str(root)


def everything(folder: pathlib.Path, findings: t.Sequence[Record], count: int = 2000) -> dict[str, t.Any]:
    """Options of the report with all that may stand beside findings."""
    waivers = {"schema": 1, "waivers": [waiver(number) for number in range(1, 8)]}
    (folder / "waivers.json").write_text(json.dumps(waivers))
    (folder / "history.json").write_text(json.dumps(history(findings)))
    return {
        "events": [write_stream(folder / "events", [*events(count), gap()])],
        "matches": [write_lines(folder / "matches.ndjson", matches(findings))],
        "history": str(folder / "history.json"),
        "waivers": str(folder / "waivers.json"),
        "scans": [write_lines(folder / "images.ndjson", map(image, range(1, 41)))],
        "services": [
            {"name": "Qualys WAS", "complete": True, "records": len(findings)},
            {"name": "Edgecast WAF", "complete": True, "records": count},
            {"name": "Scutum WAF", "failed": True, "reason": "HTTP 401: the key is not accepted."},
        ],
    }
