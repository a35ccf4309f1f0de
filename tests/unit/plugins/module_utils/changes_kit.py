# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of findings, and the stream of their changes, for the tests of ``_changes``."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._changes.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory

Record = dict[str, Any]
DAY = dt.timedelta(days=1)
FIRST = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)


class Changes:
    """A folder with snapshots, a stream and a state, and a clock that goes on a day for each snapshot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dest = folder / "stream"
        self.state = folder / "state"
        self.now = FIRST - DAY

    def snapshot(self, findings: list[Record], *, name: str = "findings.ndjson", **changes: Any) -> str:
        """A snapshot that was made a day after the one before; keywords replace members of its manifest."""
        self.now += DAY
        told = {"finished": text(self.now), "started": text(self.now), "account": "https://qualys.example 1"}
        return str(factory.write_snapshot(self.folder / name, findings, **{**told, **changes}))

    def run(self, findings: list[Record] | str, *, check: bool = False, **options: Any) -> Result:
        """One run on a snapshot, or on a new one of these findings."""
        path = findings if isinstance(findings, str) else self.snapshot(findings)
        params = {"findings": path, "dest": str(self.dest), "state_dir": str(self.state), **options}
        return run(params, check, lambda: self.now)

    def written(self) -> list[Record]:
        """The records of all segments, in the order of their names."""
        found = []
        for path in sorted(self.dest.glob("dt=*/[!._]*")):
            data = path.read_bytes()
            found += (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        return [json.loads(line) for line in found]

    def words(self) -> list[tuple[str, str]]:
        """Word and id of every change of a finding that was written."""
        changes = [record for record in self.written() if record["record"] == "change"]
        return [(record["change"], record["finding"]["id"]) for record in changes]

    def files(self) -> dict[str, bytes]:
        """Everything that is on the disk, lock files excepted."""
        paths = [path for root in (self.dest, self.state) for path in root.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in paths if path.suffix != ".lock"}

    def state_file(self) -> Path:
        """The state."""
        (path,) = (self.state / "changes").glob("*[0-9a-f].json")
        return path


def text(moment: dt.datetime) -> str:
    """As manifests have it."""
    return moment.isoformat().replace("+00:00", "Z")


def finding(number: int, **changes: Any) -> Record:
    """One finding of the factory, with an item of evidence."""
    return factory.finding(number, **{"id": str(number), "evidence": [factory.evidence()], **changes})
