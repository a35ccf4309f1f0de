# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of findings in SQLite: the first run, the same data again, and a run in which some of them changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.conftest import make_import_tree
from tests.perf.book import Bench
from tests.perf.environments import HERE, BenchError, Certificates, client_python, measured

SIZES = (20_000, 100_000)
QUICK_SIZES = (500, 1_000)
SECONDS = {"first": 30.0, "second": 15.0}
"""For the largest size, each in a process of its own, as modules are."""
MEGABYTES, GROWTH = 200.0, 1.5
"""At most, and how much more for five times the findings."""
SAID = {"first": "the first run", "second": "the same findings again", "later": "a week of changes"}


def runs_of(python: Path, findings: int, folder: Path) -> dict[str, dict[str, Any]]:
    """All steps with so many findings."""
    folder.mkdir()
    command: list[str | Path] = [python, HERE / "work_history.py", make_import_tree()]
    steps = {name: measured([*command, name, str(findings), folder]) for name in ("prepare", *SAID)}
    if steps["second"]["recorded"] or not steps["first"]["recorded"] or not steps["later"]["recorded"]:
        raise BenchError(f"The history recorded {[steps[name]['recorded'] for name in SAID]} findings.")
    for path in folder.iterdir():
        path.unlink()
    return steps


def measure_history(bench: Bench, _certificates: Certificates, folder: Path) -> None:
    """Everything about the history."""
    python = Path(sys.executable) if bench.quick else client_python("history")
    runs = {size: runs_of(python, size, folder / f"history-{size}") for size in (QUICK_SIZES if bench.quick else SIZES)}
    for size, steps in runs.items():
        for name, words in SAID.items():
            step = steps[name]
            bench.show(
                f"history of {size:,} findings, {words}",
                f"{step['wall_s']:.1f} s, {step['cpu_s']:.1f} s CPU, {step['peak_mb']:.0f} MB;"
                f" {step['recorded']:,} recorded, store {step['megabytes']:.1f} MB",
            )
    # The largest of the runs; what prepares them holds the estate.
    fewer, most = (max(steps[name]["peak_mb"] for name in SAID) for steps in runs.values())
    largest, steps = max(runs.items())
    for name, limit in SECONDS.items():
        seconds = steps[name]["wall_s"]
        what = f"history of {largest:,} findings, {SAID[name]}"
        bench.judge(what, f"{seconds:.1f} s", f"under {limit:.0f} s", seconds < limit)
    what = f"memory for the history of {largest:,} findings"
    bench.judge(what, f"{most:.0f} MB", f"under {MEGABYTES:.0f} MB", most < MEGABYTES, by_clock=False)
    required = f"at most {GROWTH:.2f}x of fewer findings"
    bench.judge(f"{what}, growth", f"{most / fewer:.2f}x", required, most / fewer <= GROWTH, by_clock=False)
    bench.numbers["history"] = {str(size): found for size, found in runs.items()}
