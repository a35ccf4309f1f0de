# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The export of findings: against its floor, against fewer findings, and against qualysdk."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import make_import_tree
from tests.perf.book import Bench, Sizes
from tests.perf.environments import (
    HERE,
    BenchError,
    Certificates,
    Server,
    client_python,
    measured,
    measured_room,
    serving,
    task,
)

CONNECTIONS = 4
VERBOSE_PAGE = 300
"""Findings a page that the export asks for; the floor is calculated with it."""
MB = 1e6


def export_options(server: Server, folder: Path) -> dict[str, Any]:
    """The options of ``qualys_was_finding_export`` as the module would hand them to its room."""
    return {
        "dest": str(folder / "findings.ndjson"),
        "detail": "verbose",
        "filters": None,
        "filters_strict": True,
        "since": None,
        "compress": None,
        "sensitive": "redact",
        "include_raw": False,
        "ca_path": str(server.certificates.ca),
    }


def export(python: Path, server: Server, folder: Path, rounds: int) -> dict[str, Any]:
    """The best of several exports, each in a fresh process."""
    options = export_options(server, folder)
    runs = [measured_room(python, server, "findings.finding_export", options) for _round in range(rounds)]
    for run in runs:
        if not run["complete"]:
            raise BenchError("The export was not complete.")
    best: dict[str, Any] = min(runs, key=lambda run: run["wall_s"])
    peaks = sorted(run["peak_mb"] for run in runs)
    return {**best, "peak_mb": statistics.median(peaks), "largest_peak_mb": peaks[-1]}


def floor_of(python: Path, server: Server, folder: Path, sizes: Sizes) -> dict[str, float]:
    """What no client with this code can be faster than: waiting for the server, or one thread's work."""
    options = json.dumps(export_options(server, folder))
    pages_read = str(sizes.floor_pages)
    command: list[str | Path] = [python, HERE / "work_floor.py", make_import_tree(), options, pages_read]
    sample = measured(command, server.login)
    pages = math.ceil(sizes.findings / VERBOSE_PAGE)
    waiting = sizes.latency_ms / 1000 * pages / CONNECTIONS
    working = sample["cpu_s"] / sample["records"] * sizes.findings
    return {"waiting_s": waiting, "working_s": working, "floor_s": max(waiting, working)}


def measure_export(bench: Bench, certificates: Certificates, folder: Path) -> None:
    """The export, with and without orjson, against its floor, against fewer findings and against qualysdk."""
    sizes = bench.sizes
    size = ("--finding-bytes", str(sizes.finding_bytes), "--latency-ms", str(sizes.latency_ms))
    # What qualysdk cannot parse is left out for both sides.
    both = ("--switch", "qualysdk_readable=true", "--prewarm", "json:verbose", "--prewarm", "xml:verbose")
    clients = {"this Python": Path(sys.executable)} if bench.quick else {
        "with orjson": client_python("orjson"), "without orjson": client_python("plain")
    }  # fmt: skip
    with serving(certificates, "--findings", str(sizes.fewer_findings), *size, *both) as server:
        # A peak is a matter of chance: whose pages are in memory together. So fewer findings get as many chances.
        chances = sizes.findings // sizes.fewer_findings
        fewer = {name: export(python, server, folder, chances) for name, python in clients.items()}
    with serving(certificates, "--findings", str(sizes.findings), *size, *both) as server:
        runs = {name: export(python, server, folder, sizes.rounds) for name, python in clients.items()}
        floors = {name: floor_of(python, server, folder, sizes) for name, python in clients.items()}
        playbook = playbook_export(server, folder)
        sdk = None if bench.quick else measured(
            [client_python("qualysdk"), HERE / "work_sdk.py", server.url, "findings"], server.login
        )  # fmt: skip
    bench.numbers["export"] = {"runs": runs, "fewer": fewer, "floors": floors, "playbook_s": playbook, "qualysdk": sdk}
    for name, run in runs.items():
        floor = floors[name]
        bench.show(
            f"export of {sizes.findings:,} findings, {name}",
            f"{run['wall_s']:.1f} s, {run['cpu_s']:.1f} s CPU, {run['stats']['requests']} requests, "
            f"{run['stats']['bytes'] / MB:.0f} MB read",
        )
        bench.show(
            f"its floor, {name}",
            f"{floor['floor_s']:.1f} s (waiting {floor['waiting_s']:.1f} s, one thread's work "
            f"{floor['working_s']:.1f} s); the export takes {run['wall_s'] / floor['floor_s']:.2f}x",
        )
        before = fewer[name]["largest_peak_mb"]
        growth = run["peak_mb"] / before
        bench.judge(
            f"its peak memory, {name}",
            f"{run['peak_mb']:.0f} MB; {before:.0f} MB for {sizes.fewer_findings:,}: {growth:.2f}x",
            "at most 1.10x",
            growth <= 1.10,
        )
    bench.show("the same through ansible-playbook", f"{playbook:.1f} s")
    if sdk is not None:
        judge_sdk(bench, runs, sdk)


def judge_sdk(bench: Bench, runs: Mapping[str, dict[str, Any]], sdk: Mapping[str, Any]) -> None:
    """How much faster than qualysdk."""
    bench.show("qualysdk 0.3.17 get_findings on the same server", f"{sdk['wall_s']:.1f} s, {sdk['peak_mb']:.0f} MB")
    if sdk["records"] != bench.sizes.findings:
        raise BenchError(f"qualysdk read {sdk['records']} findings.")
    for name, run in runs.items():
        faster = sdk["wall_s"] / run["wall_s"]
        # orjson is used when it is there; without it the number is for the record.
        if name == "with orjson":
            bench.judge(f"faster than qualysdk, {name}", f"{faster:.1f}x", "at least 10x", faster >= 10)
        else:
            bench.show(f"faster than qualysdk, {name}", f"{faster:.1f}x")


def playbook_export(server: Server, folder: Path) -> float:
    """Seconds of the export as a task of a real playbook."""
    dest = str(folder / "playbook.ndjson")
    return task(folder, server, {"qualys_was_finding_export": {"dest": dest}}).seconds
