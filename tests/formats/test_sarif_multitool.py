# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SARIF reports in front of Microsoft's SARIF multitool, which the nox session ``formats`` installs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit
from tests.tools import workbench

KNOWN = {"SARIF2005"}
"""It would like an address with information about the tool; a collection has none of its own."""


def complaints(path: Path) -> set[tuple[str, str]]:
    """Rule and level of every error and warning. The exit code is 0 also for errors, so the tool's log is read.

    Its notes are about source code (snippets, revisions), which a web application does not have.
    """
    log = path.with_suffix(".log.sarif")
    command = [workbench.sarif_multitool(), "validate", path, "--output", log, "--level", "Error;Warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads(log.read_text(encoding="utf-8-sig"))["runs"]
    assert not run["invocations"][0].get("toolExecutionNotifications"), done.stdout
    rules = run["tool"]["driver"].get("rules", [])
    found = set()
    for result in run.get("results", []):
        found.add((result.get("ruleId") or rules[result["ruleIndex"]]["id"], result.get("level", "warning")))
    return found


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("case", kit.CASES)
def test_the_multitool_has_no_complaint(tmp_path: Path, case: str, full: bool) -> None:
    """Neither for no findings, nor for ordinary and hostile ones."""
    report = kit.full_report(tmp_path, case) if full else kit.report_of(kit.CASES[case]())
    path = tmp_path / "report.sarif"
    path.write_bytes(kit.render_bytes("sarif", report))
    assert {rule for rule, _level in complaints(path)} <= KNOWN


def test_the_multitool_has_no_complaint_about_what_does_not_count(tmp_path: Path) -> None:
    """Waived, ignored, protected and excluded results are suppressed."""
    findings = kit.ordinary()
    exclusions = [{"reason": "not ours", "urls": {"include": ["*/login*"]}}]
    gate = kit.gate_of(tmp_path, findings, policy={**kit.POLICY, "exclude": exclusions})
    path = tmp_path / "report.sarif"
    path.write_bytes(kit.render_bytes("sarif", kit.report_of(findings, gate=gate)))
    assert path.read_text().count("excluded by the policy: not ours") > 5
    assert {rule for rule, _level in complaints(path)} <= KNOWN


def test_the_multitool_bites(tmp_path: Path) -> None:
    """It is really asked, and its words are really read."""
    document = json.loads(kit.render("sarif", kit.report_of(kit.ordinary())))
    document["runs"][0]["results"][0]["ruleIndex"] = 4000
    path = tmp_path / "report.sarif"
    path.write_text(json.dumps(document))
    assert any(level == "error" for _rule, level in complaints(path))
