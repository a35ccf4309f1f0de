# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection of logs: against a serial loop, against fewer events, and what a run costs that finds nothing new."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import make_import_tree
from tests.perf.book import Bench
from tests.perf.environments import (
    HERE,
    BenchError,
    Certificates,
    Server,
    client_python,
    measured,
    measured_room,
    serving,
)

PER_DAY = 1_000_000
"""Events a day, whatever their number: so a window holds the same number of them in each measurement."""
FASTER = {"with orjson": 4.0, "without orjson": 2.5}
"""How much faster than the loop."""
PEAK_MB, GROWTH = 200, 1.10
SHARED: dict[str, Any] = {
    "first_run": "lookback", "lag": "0s", "overlap": None, "sweep": None, "backfill": None, "compress": False,
    "retain_days": None, "segment_mode": "0600", "segment_group": None, "sensitive": "redact", "include_raw": False,
}  # fmt: skip
"""The options that all exports of logs share, as the module would hand them over."""
OPEN_DAYS = 3
"""Today and the two before it: whose zone a day of Indusface is in is not known, and each day is a request."""
NOTHING_NEW: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "Edgecast": ("_edgecast", "export", {"event_filters": None}, 1),
    "Scutum": ("_scutum", "alert_export", {"ip": None, "details": "none", "details_limit": None}, 1),
    "Carbon Black": (
        "_carbon_black", "export", {"criteria": None, "search": None, "malware_findings": True}, 1,
    ),
    "Indusface": ("_indusface", "scan_log_export", {"chunk_days": 1}, OPEN_DAYS),
}  # fmt: skip
"""Room, logic, options of its own, and the fewest requests that tell that there is nothing new."""


def measure_collect(bench: Bench, certificates: Certificates, folder: Path) -> None:
    """Everything about the collection of logs."""
    sizes = bench.sizes
    nothing_new(bench, certificates, folder)
    clients = {"this Python": Path(sys.executable)} if bench.quick else {
        "with orjson": client_python("orjson"), "without orjson": client_python("plain")
    }  # fmt: skip
    dense = sizes.fewer_events / PER_DAY
    with serving(certificates, *sandbox_of(sizes.fewer_events, dense, sizes.latency_ms)) as server:
        # A peak is a matter of chance: which pages are in memory together. So fewer events get as many chances.
        chances = sizes.events // sizes.fewer_events
        fewer = {
            name: collect(python, server, folder, sizes.fewer_events, dense, chances)
            for name, python in clients.items()
        }
    bench.numbers["collect"] = {"fewer": fewer}
    measure_sparse(bench, certificates, folder, clients)
    days = sizes.events / PER_DAY
    with serving(certificates, *sandbox_of(sizes.events, days, sizes.latency_ms)) as server:
        runs = {
            name: collect(python, server, folder, sizes.events, days, sizes.event_rounds)
            for name, python in clients.items()
        }
        loops = {name: loop(python, server, folder, days) for name, python in clients.items()}
    bench.numbers["collect"] |= {"runs": runs, "loops": loops}
    for name, run in runs.items():
        show_collection(bench, f"{sizes.events:,} events, {name}", run)
        judge_memory(bench, name, run, fewer[name])
        judge_loop(bench, name, run, loops[name])


def measure_sparse(bench: Bench, certificates: Certificates, folder: Path, clients: Mapping[str, Path]) -> None:
    """A first run over many days, with few events in each."""
    events, days = bench.sizes.fewer_events, bench.sizes.sparse_days
    with serving(certificates, *sandbox_of(events, days, bench.sizes.latency_ms)) as server:
        rounds = bench.sizes.event_rounds
        runs = {name: collect(python, server, folder, events, days, rounds) for name, python in clients.items()}
        loops = {name: loop(python, server, folder, days) for name, python in clients.items()}
    bench.numbers["collect"]["sparse"] = {"runs": runs, "loops": loops}
    for name, run in runs.items():
        show_collection(bench, f"{events:,} events of {days} days, {name}", run)
        judge_loop(bench, name, run, loops[name])


def sandbox_of(events: int, days: float, latency_ms: int) -> tuple[str, ...]:
    """The arguments of a sandbox with so many events in so many days."""
    settings = json.dumps({"records": events, "days": days})
    return "--webapps", "1", "--findings", "0", "--latency-ms", str(latency_ms), "--edgecast", settings


def collect(python: Path, server: Server, folder: Path, events: int, days: float, rounds: int) -> dict[str, Any]:
    """The best of several collections of everything, each in a fresh process with a directory of its own."""
    runs = []
    for _round in range(rounds):
        with Scratch(folder / "collect") as scratch:
            # Beyond the oldest event by an hour, which is time enough for all rounds.
            lookback = f"{int(days * 86400) + 3600}s"
            options = {**SHARED, **scratch.options(server), "lookback": lookback, "event_filters": None}
            run = measured_room(python, server, "export", options, room="_edgecast")
            run["lines"] = digest(scratch.folder)
        runs.append(run)
        if not run["complete"] or run["lines"][0] != events:
            raise BenchError(f"The collection wrote {run['lines'][0]} of {events} events.")
    best: dict[str, Any] = min(runs, key=lambda run: run["wall_s"])
    peaks = sorted(run["peak_mb"] for run in runs)
    return {**best, "peak_mb": statistics.median(peaks), "largest_peak_mb": peaks[-1]}


def loop(python: Path, server: Server, folder: Path, days: float) -> dict[str, Any]:
    """What the serial loop costs."""
    end = dt.datetime.now(dt.UTC)
    start = end - dt.timedelta(days=days, hours=2)
    with Scratch(folder / "loop") as scratch:
        path = scratch.folder / "events.ndjson"
        span = (f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (start, end))
        run = measured([python, HERE / "work_loop.py", make_import_tree(), *span, path], server.login)
        return run | {"lines": digest(scratch.folder)}


class Scratch:
    """A folder for one run; a million events take a gigabyte, so it is emptied at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Scratch:
        self.folder.mkdir()
        return self

    def __exit__(self, *_details: object) -> None:
        shutil.rmtree(self.folder)

    def options(self, server: Server) -> dict[str, Any]:
        """Where the run writes, and whom it trusts."""
        here = self.folder
        return {"dest": str(here / "stream"), "state_dir": str(here / "state"), "ca_path": str(server.certificates.ca)}


def digest(folder: Path) -> tuple[int, str]:
    """How many lines there are, and a digest of them that does not depend on their order."""
    lines, total = 0, 0
    for line in _lines(folder):
        lines += 1
        total += int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")
    return lines, f"{total % (1 << 128):032x}"


def _lines(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*.ndjson"):
        with path.open("rb") as file:
            yield from file


def show_collection(bench: Bench, what: str, run: Mapping[str, Any]) -> None:
    """What one collection cost."""
    bench.show(
        f"collection of {what}",
        f"{run['wall_s']:.1f} s, {run['cpu_s']:.1f} s CPU, {run['stats']['requests']} requests",
    )


def judge_memory(bench: Bench, name: str, run: Mapping[str, Any], fewer: Mapping[str, Any]) -> None:
    """How much memory a collection needs, and whether that grows with the events."""
    before = fewer["largest_peak_mb"]
    growth = run["peak_mb"] / before
    largest = run["largest_peak_mb"]
    bench.judge(f"its peak memory, {name}", f"{largest:.0f} MB", f"under {PEAK_MB} MB", largest < PEAK_MB)
    bench.judge(
        f"its growth from {bench.sizes.fewer_events:,} events, {name}",
        f"{run['peak_mb']:.0f} MB; {before:.0f} MB before: {growth:.2f}x",
        f"at most {GROWTH:.2f}x",
        growth <= GROWTH,
    )


def judge_loop(bench: Bench, name: str, run: Mapping[str, Any], loop: Mapping[str, Any]) -> None:
    """How much faster a collection is than the loop, which has to write the same lines."""
    bench.show(f"a serial loop, {name}", f"{loop['wall_s']:.1f} s, {loop['cpu_s']:.1f} s CPU, {loop['peak_mb']:.0f} MB")
    bench.judge(
        f"the lines of both, {name}",
        f"{run['lines'][0]:,} and {loop['lines'][0]:,}",
        "the same",
        run["lines"] == loop["lines"],
        by_clock=False,
    )
    faster, required = loop["wall_s"] / run["wall_s"], FASTER.get(name, 1.0)
    bench.judge(f"faster than the loop, {name}", f"{faster:.1f}x", f"at least {required:.1f}x", faster >= required)


def nothing_new(bench: Bench, certificates: Certificates, folder: Path) -> None:
    """The requests of a second run, which finds nothing new."""
    python = Path(sys.executable)
    with serving(certificates, "--webapps", "1", "--findings", "0") as server, Scratch(folder / "quiet") as scratch:
        found = {}
        for service, (room, logic, own, fewest) in NOTHING_NEW.items():
            own = {**SHARED, **scratch.options(server), **own, "lookback": "3d"}
            own["dest"] += room
            first = measured_room(python, server, logic, own, room=room)
            server.reset_counters()
            second = measured_room(python, server, logic, own, room=room)
            found[service] = requests = server.counters()["requests"]
            if not first["records"] or second["records"] or not second["complete"]:
                raise BenchError(f"{service}: {first['records']} records, and {second['records']} in the second run.")
            what = "1 request" if fewest == 1 else f"{fewest} requests, one for each open day"
            bench.judge(
                f"nothing new at {service}", f"{requests} requests", f"at most {what}", requests <= fewest,
                by_clock=False,
            )  # fmt: skip
    bench.numbers["nothing_new"] = found
