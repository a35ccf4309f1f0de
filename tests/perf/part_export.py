# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The export of findings: against its floor, against fewer findings, against qualysdk, and as a playbook."""

from __future__ import annotations

import json
import math
import os
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
    playbook,
    serving,
)

CONNECTIONS = 4
MB = 1e6
FASTER = 12
"""How much faster than qualysdk the export has to be in the module."""
ON_TOP = 2.0
"""Seconds that a playbook may take longer than its module and an empty playbook together."""
TOGETHER_MB, GROWTH = 300, 1.10
"""Memory of all processes together, and how much more of it five times as many findings may take."""


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
    peaks = sorted(run["together_mb"] for run in runs)
    return {**best, "peak_mb": statistics.median(peaks), "largest_peak_mb": peaks[-1]}


def floor_of(python: Path, server: Server, folder: Path, sizes: Sizes, run: Mapping[str, Any]) -> dict[str, Any]:
    """What no client with this code can be faster than: waiting for the server, or the work on all cores."""
    options = json.dumps(export_options(server, folder))
    pages_read = str(sizes.floor_pages)
    command: list[str | Path] = [python, HERE / "work_floor.py", make_import_tree(), options, pages_read]
    sample = measured(command, server.login)
    waiting = sizes.latency_ms / 1000 * run["stats"]["requests"] / CONNECTIONS
    working = sample["cpu_s"] / sample["records"] * sizes.findings / (os.cpu_count() or 1)
    return {
        "waiting_s": waiting,
        "working_s": working,
        "floor_s": max(waiting, working),
        "bytes": sample["bytes"] / sample["records"],
        "profile": sample["profile"],
    }


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
        chances = sizes.more_findings // sizes.fewer_findings
        fewer = {name: export(python, server, folder, chances) for name, python in clients.items()}
    with serving(certificates, "--findings", str(sizes.more_findings), *size, *both) as server:
        more = {name: export(python, server, folder, 1) for name, python in clients.items()}
    with serving(certificates, "--findings", str(sizes.findings), *size, *both) as server:
        runs = {name: export(python, server, folder, sizes.rounds) for name, python in clients.items()}
        floors = {name: floor_of(python, server, folder, sizes, runs[name]) for name, python in clients.items()}
        in_playbook = playbook_export(server, folder)
        sdk = None if bench.quick else measured(
            [client_python("qualysdk"), HERE / "work_sdk.py", server.url, "findings"], server.login
        )  # fmt: skip
    bench.numbers["export"] = {
        "runs": runs, "fewer": fewer, "more": more, "floors": floors, "playbook": in_playbook, "qualysdk": sdk,
    }  # fmt: skip
    for name, run in runs.items():
        show_run(bench, name, run, floors[name])
        judge_memory(bench, name, more[name], fewer[name])
        show_profile(bench, name, floors[name]["profile"])
    judge_playbook(bench, in_playbook)
    if sdk is not None:
        judge_sdk(bench, runs, sdk)


def show_run(bench: Bench, name: str, run: Mapping[str, Any], floor: Mapping[str, Any]) -> None:
    """What one export cost, and how near that is to what it had to cost."""
    findings = bench.sizes.findings
    bench.show(
        f"export of {findings:,} findings of {floor['bytes']:,.0f} bytes, {name}",
        f"{run['wall_s']:.1f} s, {run['stats']['requests']} requests, {run['stats']['bytes'] / MB:.0f} MB received",
    )
    bench.show(
        f"CPU for 10,000 findings, {name}",
        f"{run['cpu_s'] / findings * 10_000:.2f} s, {run['workers_cpu_s'] / findings * 10_000:.2f} s of it in workers",
    )
    bench.show(
        f"its floor, {name}",
        f"{floor['floor_s']:.1f} s (waiting {floor['waiting_s']:.1f} s, the work on all cores "
        f"{floor['working_s']:.1f} s); the export takes {run['wall_s'] / floor['floor_s']:.2f}x",
    )


def judge_memory(bench: Bench, name: str, run: Mapping[str, Any], fewer: Mapping[str, Any]) -> None:
    """How much memory all processes need together, and whether that grows with the findings."""
    before, largest = fewer["largest_peak_mb"], run["largest_peak_mb"]
    growth = run["peak_mb"] / before if before else math.inf
    required, sizes = f"under {TOGETHER_MB} MB", bench.sizes
    what = f"peak memory together for {sizes.more_findings:,} findings, {name}"
    bench.judge(what, f"{largest:.0f} MB", required, largest < TOGETHER_MB)
    bench.judge(
        f"its growth, {name}",
        f"{run['peak_mb']:.0f} MB; {before:.0f} MB for {sizes.fewer_findings:,}: {growth:.2f}x",
        f"at most {GROWTH:.2f}x",
        growth <= GROWTH,
    )


def show_profile(bench: Bench, name: str, profile: list[tuple[str, float]]) -> None:
    """Where the time between bytes and lines goes."""
    for function, share in profile:
        bench.show(f"from bytes to lines, {name}: {function}", f"{share:.0%}")


def judge_sdk(bench: Bench, runs: Mapping[str, dict[str, Any]], sdk: Mapping[str, Any]) -> None:
    """How much faster than qualysdk."""
    bench.show("qualysdk 0.3.17 get_findings on the same server", f"{sdk['wall_s']:.1f} s, {sdk['peak_mb']:.0f} MB")
    if sdk["records"] != bench.sizes.findings:
        raise BenchError(f"qualysdk read {sdk['records']} findings.")
    for name, run in runs.items():
        faster = sdk["wall_s"] / run["wall_s"]
        # orjson is used when it is there; without it the number is for the record.
        if name == "with orjson":
            required = f"at least {FASTER}x"
            bench.judge(f"faster than qualysdk, {name}", f"{faster:.1f}x", required, faster >= FASTER)
        else:
            bench.show(f"faster than qualysdk, {name}", f"{faster:.1f}x")


def playbook_export(server: Server, folder: Path) -> dict[str, float]:
    """Seconds of the export in a playbook, of an empty playbook, and of the export in a process of its own."""
    dest = str(folder / "playbook.ndjson")
    content = {"qualys_was_finding_export": {"dest": dest}}
    # The same Python for both, which may have no orjson.
    module = export(Path(sys.executable), server, folder, 1)["wall_s"]
    empty = min(playbook(folder, server)[1] for _round in range(2))
    return {"playbook_s": playbook(folder, server, content)[1], "empty_s": empty, "module_s": module}


def judge_playbook(bench: Bench, seconds: Mapping[str, float]) -> None:
    """What a playbook costs beside its module."""
    on_top = seconds["playbook_s"] - seconds["empty_s"] - seconds["module_s"]
    bench.judge(
        "the same as a playbook",
        f"{seconds['playbook_s']:.1f} s: an empty one {seconds['empty_s']:.1f} s, the module "
        f"{seconds['module_s']:.1f} s, {on_top:.1f} s on top",
        f"at most {ON_TOP:.0f} s on top",
        on_top <= ON_TOP,
    )
