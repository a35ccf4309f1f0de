# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan, export and gate through the sandbox: what the rooms of Qualys write is what the gate reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_export
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._records.times import utc_text
from tests.sandbox import Sandbox
from tests.sandbox.switches import SCAN_OUTCOMES
from tests.unit.plugins.module_utils._gate.gate_kit import DROP, Folder, policy
from tests.unit.plugins.module_utils.qualys_kit import client_of, no_pauses
from tests.unit.plugins.module_utils.scan_kit import APP, Scans

__all__ = ["no_pauses"]

EXPORT = {"filters_strict": True, "detail": "verbose", "sensitive": "redact", "include_raw": False, "since": None}


class Pipeline:
    """Scans an application of the sandbox, exports its findings, and runs the gate."""

    def __init__(self, sandbox: Sandbox, folder: Folder) -> None:
        self.scans = Scans(sandbox)
        self.sandbox = sandbox
        self.folder = folder

    def __call__(self, *, options: dict[str, Any] | None = None, **gate: Any) -> Result:
        scan = self.scans(**(options or {})).values["scan"]
        dest = str(self.folder.path / "findings.ndjson.gz")
        filters = [{"field": "webApp.id", "value": APP}]
        with client_of(self.sandbox) as client:
            finding_export.run({**EXPORT, "dest": dest, "filters": filters, "compress": None}, client, False)
        now = self.sandbox.clock.now() + dt.timedelta(seconds=30)
        return self.folder.gate(files=[dest], scans=[scan], now=now, **gate)


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    with Sandbox(webapps=20, findings=200) as sandbox:
        monkeypatch.setattr(finding_export, "now_text", lambda: utc_text(sandbox.clock.now().replace(microsecond=0)))
        yield Pipeline(sandbox, Folder(tmp_path))


def test_a_scan_that_went_well_is_judged(pipeline: Pipeline) -> None:
    many = policy(limits=DROP, rules=[{"name": "many", "limit": 10_000}])
    result = pipeline(policy=many)
    assert result.values["verdict"] == "pass", result.values["reasons"]
    assert result.values["counts"]["findings"] > 0
    none = policy(limits=DROP, rules=[{"name": "none"}])
    assert pipeline(policy=none).values["verdict"] == "fail"


@pytest.mark.parametrize("outcome", sorted(set(SCAN_OUTCOMES) - {"finished", "successful"}))
def test_a_scan_with_any_other_end_is_inconclusive(pipeline: Pipeline, outcome: str) -> None:
    pipeline.sandbox.switches["scan_outcome"] = outcome
    many = policy(limits=DROP, rules=[{"name": "many", "limit": 10_000}])
    result = pipeline(policy=many)
    assert result.values["verdict"] == "inconclusive", result.values["reasons"]


def test_a_scan_that_was_not_waited_for_is_inconclusive(pipeline: Pipeline) -> None:
    many = policy(limits=DROP, rules=[{"name": "many", "limit": 10_000}])
    pipeline.sandbox.switches["scan_polls"] = "5"
    for options in ({"wait_timeout": "2m"}, {"state": "launched"}, {"type": "DISCOVERY", "name": "d"}):
        result = pipeline(policy=many, options=options)
        assert result.values["verdict"] == "inconclusive", (options, result.values["reasons"])


def test_scanning_once_more_launders_nothing(pipeline: Pipeline) -> None:
    """Each scan of the sandbox finds something new, which Qualys calls NEW once and ACTIVE from the next scan on."""
    options: dict[str, Any] = {"baseline": str(pipeline.folder.baseline), "baseline_update": True}
    start = policy(missing_baseline="adopt", limits=DROP, rules=[{"name": "new", "states": ["new"]}])
    assert pipeline(policy=start, **options).values["verdict"] == "pass"
    frozen = pipeline.folder.baseline.read_bytes()
    assert pipeline(policy=start, **options).values["verdict"] == "fail"
    first = {item["key"]: item["status"] for item in pipeline.folder.explained() if item["decision"] == "fail"}
    assert "new" in first.values()
    assert pipeline(policy=start, **options).values["verdict"] == "fail"
    second = {item["key"]: item["status"] for item in pipeline.folder.explained() if item["decision"] == "fail"}
    assert first.keys() <= second.keys()
    assert "open" in {second[key] for key in first}
    assert pipeline.folder.baseline.read_bytes() == frozen
