# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small factories for the gate: findings, scans, snapshots with manifests, and runs on a folder of files."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result

Record = dict[str, Any]
NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
DROP: Any = object()
"""The value of a key that is left out."""

POLICY: Record = {
    "schema": 1,
    "name": "test",
    "missing_baseline": "all_new",
    "limits": {"new": {"vulnerability": {"critical": 0, "high": 0}}},
}


def ago(**delta: float) -> str:
    """A time before the present of the tests."""
    return (NOW - dt.timedelta(**delta)).isoformat().replace("+00:00", "Z")


def day(days: int) -> str:
    """A day from today on."""
    return (NOW.date() + dt.timedelta(days=days)).isoformat()


def finding(number: int = 1, **changes: Any) -> Record:
    """A high vulnerability of the application 4711 that was found yesterday."""
    record: Record = {
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
        "asset": {"id": "4711", "name": "shop", "url": "https://shop.example.com/", "tags": ["prod"]},
        "url": f"https://shop.example.com/page{number}",
        "parameter": "q",
        "first_seen": ago(days=1),
        "cwe": [79],
        "owasp": [{"code": 3, "name": "Injection", "url": None}],
        "cvss_score": 6.1,
        "detection_score": 60,
        "potential": False,
        "fingerprint": f"{number:032x}",
    }
    return _changed(record, changes)


def scan(**changes: Any) -> Record:
    """A scan of the application 4711 that went well."""
    record: Record = {
        "record": "scan",
        "schema": 1,
        "source": "qualys",
        "id": "9988",
        "name": "ci",
        "kind": "vulnerability",
        "profile": "CI quick",
        "asset": {"id": "4711", "name": "shop", "url": "https://shop.example.com/", "tags": []},
        "time": ago(hours=3),
        "ended": ago(hours=2),
        "status": "finished",
        "results_status": "FINISHED",
        "auth_status": "SUCCESSFUL",
        "end_reason": "finished",
        "conclusive": True,
        "links_crawled": 120,
        "counts": None,
        "malware": None,
    }
    return _changed(record, changes)


def image(**changes: Any) -> Record:
    """A scan of a container image without vulnerabilities."""
    asset: Record = {"id": "sha256:aa", "name": "registry.example.com/shop:1", "url": None, "tags": []}
    counts = {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0}
    return scan(**{"source": "carbon_black", "asset": asset, "counts": counts, "malware": 0, **changes})


def waiver(**changes: Any) -> Record:
    """A waiver for the first finding."""
    record = {
        "id": "W-1",
        "match": {"unique_ids": ["uuid-1"]},
        "type": "risk_accepted",
        "owner": "alice@example.com",
        "reason": "Behind the firewall.",
        "ticket": "SEC-1",
        "created": day(-10),
        "expires": day(20),
    }
    return _changed(record, changes)


def waivers(*items: Record) -> Record:
    """A document of waivers."""
    return {"schema": 1, "waivers": list(items)}


def policy(**changes: Any) -> Record:
    """The policy of the tests with some keys changed."""
    return _changed(json.loads(json.dumps(POLICY)), changes)


def _changed(record: Record, changes: Record) -> Record:
    return {key: value for key, value in {**record, **changes}.items() if value is not DROP}


class Folder:
    """A folder with the files of a pipeline, and the gate that runs on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dest = path / "gate.json"
        self.baseline = path / "baseline.json"

    def write(self, name: str, content: Any) -> str:
        """A file of text, or of JSON."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.path / name).write_text(text, encoding="utf-8")
        return str(self.path / name)

    def snapshot(self, findings: list[Any], name: str = "findings.ndjson", **changes: Any) -> str:
        """A snapshot with its manifest; a finding that is text is written as it stands."""
        lines = [item if isinstance(item, str) else json.dumps(item) for item in findings]
        data = "".join(line + "\n" for line in lines).encode()
        data = gzip.compress(data, mtime=0) if name.endswith(".gz") else data
        (self.path / name).write_bytes(data)
        manifest = {
            "record": "manifest",
            "schema": 1,
            "source": "qualys",
            "stream": "findings",
            "file": name,
            "compressed": name.endswith(".gz"),
            "filters": [{"field": "webApp.id", "operator": "EQUALS", "value": "4711"}],
            "detail": "verbose",
            "since": None,
            "started": ago(hours=1),
            "finished": ago(minutes=50),
            "announced_before": len(lines),
            "announced_after": len(lines),
            "records": len(lines),
            "complete": True,
            "assets": ["4711"],
            "unknown_values": {},
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        manifest = _changed(manifest, changes)
        (self.path / f"{name}.manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return str(self.path / name)

    def gate(
        self,
        findings: list[Any] | None = None,
        *,
        files: list[str] | None = None,
        check: bool = False,
        now: dt.datetime = NOW,
        **options: Any,
    ) -> Result:
        """Run the gate, on a snapshot of these findings unless files are given."""
        params: Record = {
            "scans": [scan()],
            "matches": [],
            "policy": policy(),
            "waivers": None,
            "baseline": None,
            "baseline_update": False,
            "max_scan_age": None,
            "run_id": "7",
            "report_only": False,
            "dest": str(self.dest),
        }
        given = [self.snapshot(findings or [])] if files is None else files
        return run({**params, "findings": given, **options}, check, clock=lambda: now)

    def verdict(self) -> Record:
        """The verdict file."""
        loaded: Record = json.loads(self.dest.read_text(encoding="utf-8"))
        return loaded

    def explained(self) -> list[Record]:
        """The explanations in the file beside the verdict."""
        text = (self.path / "gate.explain.ndjson").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def adopt(self, findings: list[Any], **options: Any) -> None:
        """Make these findings the baseline."""
        starting = policy(missing_baseline="adopt")
        self.baseline.unlink(missing_ok=True)
        result = self.gate(findings, policy=starting, baseline=str(self.baseline), baseline_update=True, **options)
        assert result.values["verdict"] == "pass", result.values["reasons"]
        assert self.baseline.exists()
