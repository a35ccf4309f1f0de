# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between snapshots: what the module says, and what stands in the stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils._report import factory

from .keep import Area, digest
from .stage import Options, Stage


class Stream(Stage):
    """A folder with a snapshot that is replaced, and the stream of its changes."""

    def snapshot(self, findings: list[Any], **manifest: Any) -> None:
        """The snapshot that is compared next."""
        factory.write_snapshot(self.folder / "findings.ndjson", findings, **manifest)

    def compare(self, case: str, *, check: bool = False, **options: Any) -> None:
        """One run of the module."""
        options = {"findings": str(self.folder / "findings.ndjson"), "dest": str(self.folder / "stream"), **options}
        given: Options = {**options, "state_dir": str(self.folder / "state")}
        self.run(case, "finding_changes", given, check=check, stream=self.written)

    def written(self) -> Any:
        """Each segment: how many records it has, their words, the first of them, and a hash of all."""
        found = {}
        for path in sorted((self.folder / "stream").glob("dt=*/*")):
            records = [json.loads(line) for line in path.read_bytes().splitlines()]
            words = [f"{item['record']} {item['change']}" for item in records]
            found[path.name] = {"words": words, "first": records[0], "sha256": digest(records)}
        return found


def record(folder: Path) -> list[Area]:
    """The area of changes."""
    area = Area("finding_changes")
    stream = Stream(area, folder)
    stream.begin()
    apps = [{"id": 100, "name": "Shop DE", "url": "https://shop.example.de", "risk_score": 410, "tags": ["prod"]}]
    entry = {"qid": 150003, "title": "SQL injection", "solution": "<p>Bind.</p>", "cves": ["CVE-2024-0001"]}
    (folder / "knowledge.json").write_text(json.dumps([entry]), encoding="utf-8")
    more: Options = {"webapps": apps, "knowledge": str(folder / "knowledge.json")}
    stream.snapshot([factory.finding(1), factory.finding(2, severity="low")])
    stream.compare("first: check", check=True, **more)
    stream.compare("first", **more)
    stream.compare("first: again", **more)
    worse = factory.poisoned("##vso[x] {{ x }}", 3)
    stream.snapshot([factory.finding(2, severity="high"), worse], finished="2026-11-21T09:12:00Z")
    stream.compare("second: check", check=True, **more)
    stream.compare("second", **more)
    _refused(stream)
    (stream.folder / "state").rename(stream.folder / "lost")
    stream.snapshot([factory.finding(2)], finished="2026-11-22T09:12:00Z")
    stream.compare("lost state", initial="none")
    return [area]


def _refused(stream: Stream) -> None:
    stream.compare("refused: no file", findings="/nowhere/findings.ndjson")
    stream.compare("refused: no application", webapps=["shop"])
    findings = [factory.finding(2)]
    cases: dict[str, Options] = {
        "incomplete": {"complete": False},
        "other bytes": {"sha256": "0"},
        "older": {"started": "2026-11-20T00:00:00Z", "finished": "2026-11-20T00:00:00Z"},
        "other filters": {"filters": [{"field": "severity", "operator": "EQUALS", "value": 5}]},
        "no manifest": {"manifest": False},
    }
    for case, manifest in cases.items():
        path = stream.folder / "findings.ndjson.manifest.json"
        path.unlink(missing_ok=True)
        stream.snapshot(findings, **{"finished": "2026-11-22T00:00:00Z", **manifest})
        stream.compare(f"refused: {case}")
