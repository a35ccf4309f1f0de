# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lake: how long a day of events takes to become Parquet, how much memory, and how fast it is counted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.conftest import make_import_tree
from tests.perf.book import Bench
from tests.perf.environments import HERE, Certificates, client_python, measured

SECONDS = 60.0
MEGABYTES = 500.0
QUERY_SECONDS = 1.0
SEGMENTS = {False: ((1_000_000, 400), (616 * 2_476, 616)), True: ((5_000, 20),)}
"""Events and segments, by whether it is a quick run."""


def measure_lake(bench: Bench, _certificates: Certificates, folder: Path) -> None:
    """Events to Parquet, each step in a process of its own, as modules are."""
    python = Path(sys.executable) if bench.quick else client_python("lake")
    numbers: dict[str, Any] = {}
    for events, segments in SEGMENTS[bench.quick]:
        place = folder / f"lake-{events}"
        place.mkdir()
        command: list[str | Path] = [python, HERE / "work_lake.py", make_import_tree()]
        arguments = (str(events), str(segments), place)
        steps = {name: measured([*command, name, *arguments]) for name in ("prepare", "write", "count")}
        numbers[f"{events} events in {segments} segments"] = steps
        written, counted = steps["write"], steps["count"]
        what = f"{events:,} events in {segments} segments"
        bench.show(
            f"{what}: NDJSON and Parquet",
            f"{steps['prepare']['bytes'] / 1e6:.0f} MB and {written['bytes'] / 1e6:.1f} MB",
        )
        if events <= 1_000_000:
            bench.judge(
                f"{what} to Parquet", f"{written['wall_s']:.1f} s ({written['cpu_s']:.1f} s CPU)",
                f"under {SECONDS:.0f} s", written["wall_s"] < SECONDS,
            )  # fmt: skip
        else:
            bench.show(f"{what} to Parquet", f"{written['wall_s']:.1f} s ({written['cpu_s']:.1f} s CPU)")
        bench.judge(
            f"{what} to Parquet: memory", f"{written['peak_mb']:.0f} MB", f"under {MEGABYTES:.0f} MB",
            written["peak_mb"] < MEGABYTES, by_clock=False,
        )  # fmt: skip
        bench.judge(
            f"{what}: a count over the lake", f"{counted['query_s']:.2f} s", f"under {QUERY_SECONDS:.0f} s",
            counted["query_s"] < QUERY_SECONDS,
        )  # fmt: skip
    bench.numbers["lake"] = numbers
