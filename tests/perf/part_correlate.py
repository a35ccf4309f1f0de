# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings held against a million events: how long, and how much memory, from a stream and from a lake."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import make_import_tree
from tests.perf.book import Bench
from tests.perf.environments import HERE, Certificates, measured

SECONDS = {"spool": 60.0, "lake": 15.0}
MEGABYTES = 500.0


def measure_correlate(bench: Bench, _certificates: Certificates, folder: Path) -> None:
    """The same findings and events from both, each in a process of its own, as modules are."""
    place = folder / "correlate"
    place.mkdir()
    sizes = bench.sizes
    command = [sys.executable, HERE / "work_correlate.py", make_import_tree()]
    amounts = [str(sizes.findings), str(sizes.events), place]
    what = f"{sizes.findings:,} findings, {sizes.events:,} events"
    for step in ("prepare", "spool", "to_lake", "lake"):
        used = measured([*command, step, *amounts])
        bench.numbers[f"correlate {step}"] = used
        if step not in SECONDS:
            continue
        name = f"correlate from the {step}, {what}"
        bench.show(name, f"{used['wall_s']:.1f} s, {used['cpu_s']:.1f} s CPU, {used['peak_mb']:.0f} MB")
        bench.judge(name, f"{used['wall_s']:.1f} s", f"under {SECONDS[step]:.0f} s", used["wall_s"] < SECONDS[step])
        bench.judge(
            f"memory, {name}",
            f"{used['peak_mb']:.0f} MB",
            f"under {MEGABYTES:.0f} MB",
            used["peak_mb"] < MEGABYTES,
            by_clock=False,
        )
