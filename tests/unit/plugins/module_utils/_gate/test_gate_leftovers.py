# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that was killed leaves behind, and what a scan that still runs is said to be."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.files import StagedFile
from tests.unit.plugins.module_utils._gate.gate_kit import Folder, scan

TARGETS = ["gate.json", "gate.explain.ndjson", "baseline.json", "baseline.json.gone.json"]


def _left(folder: Folder, target: str, *, seconds: float = 3600, held: bool = False) -> Path:
    """A temporary file as a process leaves it that is killed, or has it open."""
    staged = StagedFile(folder.path / target)
    staged.file.write(b"half")
    staged.file.flush()
    if not held:
        staged.file.close()
    then = time.time() - seconds
    os.utime(staged.path, (then, then))
    return staged.path


@pytest.mark.parametrize("target", TARGETS)
def test_temporary_files_of_a_killed_run_are_removed_by_the_next(target: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    left = _left(folder, target)
    assert folder.gate([], baseline=str(folder.baseline)).values["verdict"] == "pass"
    assert not left.exists()
    assert list(tmp_path.glob(".*.tmp")) == []


def test_temporary_files_of_a_run_at_work_stay(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    staged = StagedFile(folder.dest)
    then = time.time() - 3600
    os.utime(staged.path, (then, then))
    young, foreign = _left(folder, "gate.json", seconds=1), tmp_path / ".gate.json.mine.tmp"
    foreign.write_text("x", encoding="utf-8")
    os.utime(foreign, (then, then))
    folder.gate([])
    assert all(path.exists() for path in (staged.path, young, foreign))
    staged.discard()


def test_check_mode_removes_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    left = _left(folder, "gate.json")
    folder.gate([], check=True)
    assert left.exists()


@pytest.mark.parametrize(("status", "end"), [("running", None), ("running", "still_running")])
def test_a_scan_that_still_runs_is_the_first_reason_and_no_later_day_is_named(
    status: str, end: str | None, tmp_path: Path
) -> None:
    running = scan(status=status, end_reason=end, conclusive=False, ended=None)
    values = Folder(tmp_path).gate([], scans=[running]).values
    assert values["verdict"] == "inconclusive"
    assert values["reasons"][0]["code"] == "scan_running"
    assert not any("later day" in item["message"] for item in values["reasons"])
