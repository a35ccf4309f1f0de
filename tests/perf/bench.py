# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed and memory of the collection against the sandbox, as ratios within one run: ``make bench``.

``--quick`` makes everything small and judges only what does not depend on the clock. Numbers go to the screen and to
``tests/output/bench.json``; the exit code is 1 when something that is required does not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conftest import make_import_tree  # noqa: E402
from tests.integration.runner import Ansible, TaskResult  # noqa: E402
from tests.perf.environments import (  # noqa: E402
    HERE,
    BenchError,
    Certificates,
    Server,
    client_python,
    make_certificates,
    measured,
    serving,
)

OUTPUT = ROOT / "tests" / "output" / "bench.json"
CONNECTIONS = 4
VERBOSE_PAGE = 300
"""Findings a page that the export asks for; the floor is calculated with it."""
MB = 1e6


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    findings: int = 50_000
    fewer_findings: int = 10_000
    finding_bytes: int = 3_000
    webapps: int = 1_000
    loop: int = 50
    latency_ms: int = 100
    rounds: int = 3
    floor_pages: int = 40


QUICK = Sizes(findings=3_000, fewer_findings=600, webapps=60, loop=3, latency_ms=5, rounds=1, floor_pages=4)


@dataclass(frozen=True)
class Finding:
    """One line of the table. ``holds`` is None for what is only shown."""

    what: str
    measured: str
    required: str = ""
    holds: bool | None = None


@dataclass
class Bench:
    """Everything that was measured, and what it amounts to."""

    sizes: Sizes
    quick: bool
    lines: list[Finding] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def show(self, what: str, shown: str) -> None:
        """A number for the record."""
        self._add(Finding(what, shown))

    def judge(self, what: str, shown: str, required: str, holds: bool, *, by_clock: bool = True) -> None:
        """A number that is required; one that depends on the clock is not judged in a quick run."""
        self._add(Finding(what, shown, required, None if by_clock and self.quick else holds))

    def _add(self, line: Finding) -> None:
        self.lines.append(line)
        required = f" (required: {line.required})" if line.required else ""
        print(f"  {line.what}: {line.measured}{required}", flush=True)


# The export of findings


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
    options = json.dumps(export_options(server, folder))
    command: list[str | Path] = [python, HERE / "work_export.py", make_import_tree(), options]
    runs = [measured(command, server.login) for _round in range(rounds)]
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
            [client_python("qualysdk"), HERE / "work_sdk.py", server.url], server.login
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


# Many applications


def task(folder: Path, server: Server, content: dict[str, Any]) -> TaskResult:
    """One task of a real playbook."""
    run = Ansible(folder, make_import_tree()).play([content], environment=server.login)
    if run.status:
        raise BenchError(run.output[-3000:])
    return run.results[0]


def measure_webapps(bench: Bench, certificates: Certificates, folder: Path) -> None:
    """Many unchanged applications in one task, against a loop over the module for one."""
    sizes = bench.sizes
    estate = ("--webapps", str(sizes.webapps), "--findings", "10", "--latency-ms", str(sizes.latency_ms))
    with serving(certificates, *estate) as server:
        listing = {"detail": "verbose", "query": "[].{name: name, url: url, tags: tags}"}
        listed = task(folder, server, {"qualys_was_webapp_info": listing}).result["webapps"]
        # What is not there is nothing to remove, but only a get can tell.
        looked_at = [{**webapp, "domains_remove": ["never.example.com"]} for webapp in listed]
        for name, webapps in (("search", listed), ("get", looked_at)):
            path = folder / f"{name}.json"
            path.write_text(json.dumps(webapps), encoding="utf-8")
            # Not as a variable: the names hold template expressions, which a file's content is never taken for.
            estate_of = f"lookup('ansible.builtin.file', '{path}') | from_json"
            bench.numbers[f"webapps_{name}"] = measure_one_kind(server, folder, estate_of, sizes)
        judge_webapps(bench)
        server.reset_counters()
        single = task(folder, server, {"qualys_was_webapp": listed[1]})
        requests = server.counters()["requests"]
        if single.changed:
            raise BenchError("The application was changed.")
        bench.numbers["webapp_requests"] = requests
        bench.judge(
            "qualys_was_webapp that changes nothing", f"{requests} requests", "at most 2", requests <= 2, by_clock=False
        )


def measure_one_kind(server: Server, folder: Path, webapps: str, sizes: Sizes) -> dict[str, Any]:
    """Seconds and requests of the plural module, and seconds of the loop, scaled to as many items."""
    server.reset_counters()
    bulk = task(folder, server, {"qualys_was_webapps": {"webapps": f"{{{{ {webapps} }}}}"}})
    counters = server.counters()
    if bulk.changed or bulk["plan"]["unchanged"] != sizes.webapps or counters["writes"]:
        raise BenchError(f"The applications were not unchanged: {bulk['plan']}")
    looped = task(
        folder,
        server,
        {
            "qualys_was_webapp": "{{ item }}",
            "loop": f"{{{{ ({webapps})[:{sizes.loop}] }}}}",
            "loop_control": {"label": "{{ item.url }}"},
        },
    )
    return {
        "bulk_s": bulk.seconds,
        "requests": counters["requests"],
        "routes": counters["by_route"],
        "loop_s": looped.seconds * sizes.webapps / sizes.loop,
        "loop_measured_s": looped.seconds,
    }


def judge_webapps(bench: Bench) -> None:
    """Requests and ratios of both kinds."""
    sizes = bench.sizes
    what = f"{sizes.webapps:,} unchanged applications"
    search, get = bench.numbers["webapps_search"], bench.numbers["webapps_get"]
    bench.judge(
        f"{what}, fields of the search", f"{search['requests']} requests", "at most 15", search["requests"] <= 15,
        by_clock=False,
    )  # fmt: skip
    reads = sum(count for route, count in get["routes"].items() if "/get/" in route)
    around = get["requests"] - reads
    bench.judge(
        f"{what}, fields of the get", f"{reads} reads and {around} requests around them",
        "at most one read each, and 15", reads <= sizes.webapps and around <= 15, by_clock=False,
    )  # fmt: skip
    floor = sizes.webapps * sizes.latency_ms / 1000 / CONNECTIONS
    ratio = get["bulk_s"] / floor
    bench.judge(
        "the same against applications x latency / connections",
        f"{get['bulk_s']:.1f} s, {ratio:.2f}x of {floor:.1f} s", "at most 1.50x", ratio <= 1.5,
    )  # fmt: skip
    for name, numbers, least in (("search", search, 50), ("get", get, 15)):
        faster = numbers["loop_s"] / numbers["bulk_s"]
        bench.judge(
            f"the same against a loop of qualys_was_webapp, fields of the {name}",
            f"{faster:.0f}x ({numbers['bulk_s']:.1f} s; the loop {numbers['loop_measured_s']:.1f} s for {sizes.loop}, "
            f"{numbers['loop_s']:.0f} s for all)",
            f"at least {least}x",
            faster >= least,
        )


# What is printed


def surroundings() -> dict[str, Any]:
    """Where the numbers come from."""
    versions = {}
    for name in ("ansible-core", "requests", "urllib3", "jmespath"):
        versions[name] = metadata.version(name)
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        **versions,
    }


def print_table(bench: Bench, where: Mapping[str, Any]) -> None:
    """The findings as a table."""
    verdicts = {True: "ok", False: "MISSED", None: "-"}
    rows = [("what", "measured", "required", "verdict")]
    rows += [(line.what, line.measured, line.required, verdicts[line.holds]) for line in bench.lines]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    print()
    for row in rows:
        print(f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]:<{third}}  {row[3]}".rstrip())
    print()
    print("Measured on " + ", ".join(f"{name} {value}" for name, value in where.items()) + ".")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all, print, and say whether everything required holds."""
    parser = argparse.ArgumentParser(description="Speed and memory of the collection against the sandbox.")
    parser.add_argument("--quick", action="store_true", help="small sizes, this Python only, no judgement by the clock")
    parser.add_argument("--only", choices=["export", "webapps"], help="one part")
    chosen = parser.parse_args(arguments)
    bench = Bench(QUICK if chosen.quick else Sizes(), chosen.quick)
    where, started = surroundings(), time.monotonic()
    print("This takes about ten seconds." if chosen.quick else "This takes about six minutes.", flush=True)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            certificates = make_certificates(folder)
            if chosen.only != "webapps":
                measure_export(bench, certificates, folder)
            if chosen.only != "export":
                measure_webapps(bench, certificates, folder)
    except BenchError as error:
        print(f"The measurement failed: {error}", file=sys.stderr)
        return 2
    print_table(bench, where)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "environment": where,
        "sizes": asdict(bench.sizes),
        "seconds": round(time.monotonic() - started, 1),
        "lines": [asdict(line) for line in bench.lines],
        "numbers": bench.numbers,
    }
    OUTPUT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    missed = [line.what for line in bench.lines if line.holds is False]
    print(f"{len(missed)} of the requirements are missed." if missed else "Every requirement that was judged holds.")
    print(f"The numbers are in {OUTPUT.relative_to(ROOT)}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
