# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate and every writer of the report: how long, how much memory, and whether both grow with the findings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.conftest import make_import_tree
from tests.perf.book import Bench
from tests.perf.environments import HERE, Certificates, client_python, measured

SIZES = (10_000, 50_000, 100_000)
QUICK_SIZES = (500, 1_000)
SECONDS = 60.0
MEGABYTES = 200.0
SLOPE = 1.5
"""How much more a finding of the largest run may cost than one of the smallest."""


def run_of(python: Path, findings: int, folder: Path) -> dict[str, Any]:
    """Gate and report of so many findings, each in a process of its own, as modules are."""
    folder.mkdir()
    command: list[str | Path] = [python, HERE / "work_gate.py", make_import_tree()]
    steps = {name: measured([*command, name, str(findings), folder]) for name in ("prepare", "gate", "report")}
    for path in folder.iterdir():
        path.unlink()
    return {
        "findings": findings,
        "wall_s": steps["gate"]["wall_s"] + steps["report"]["wall_s"],
        "cpu_s": steps["gate"]["cpu_s"] + steps["report"]["cpu_s"],
        "peak_mb": max(steps["gate"]["peak_mb"], steps["report"]["peak_mb"]),
        "gate": steps["gate"],
        "report": steps["report"],
    }


def measure_gate(bench: Bench, _certificates: Certificates, folder: Path) -> None:
    """The gate and all formats, for several numbers of findings."""
    sizes = QUICK_SIZES if bench.quick else SIZES
    clients = {"this Python": Path(sys.executable)} if bench.quick else {
        "with orjson": client_python("orjson"), "without orjson": client_python("plain")
    }  # fmt: skip
    numbers: dict[str, Any] = {}
    for name, python in clients.items():
        runs = [run_of(python, findings, folder / f"gate-{python.parent.parent.name}-{findings}") for findings in sizes]
        numbers[name] = runs
        for run in runs:
            bench.show(
                f"gate and all formats, {run['findings']:,} findings, {name}",
                f"{run['wall_s']:.1f} s (gate {run['gate']['wall_s']:.1f} s), {run['cpu_s']:.1f} s CPU, "
                f"{run['peak_mb']:.0f} MB",
            )
        least, most = runs[0], runs[-1]
        bench.judge(
            f"CPU for {most['findings']:,} findings, {name}",
            f"{most['cpu_s']:.1f} s",
            f"under {SECONDS:.0f} s",
            most["cpu_s"] < SECONDS,
        )
        bench.judge(
            f"memory for {most['findings']:,} findings, {name}",
            f"{most['peak_mb']:.0f} MB",
            f"under {MEGABYTES:.0f} MB",
            most["peak_mb"] < MEGABYTES,
            by_clock=False,
        )
        slope = (most["cpu_s"] / most["findings"]) / (least["cpu_s"] / least["findings"])
        bench.judge(
            f"CPU for a finding, {most['findings']:,} against {least['findings']:,}, {name}",
            f"{slope:.2f}x",
            f"at most {SLOPE:.2f}x",
            slope <= SLOPE,
        )
    bench.numbers["gate"] = numbers
