# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a large report: how long it takes to write, to open in Chromium, and to sort."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.browser.devtools import Page
from tests.conftest import make_import_tree
from tests.perf.book import Bench
from tests.perf.environments import HERE, BenchError, Certificates, measured
from tests.tools import workbench

FINDINGS, FEWER = 20_000, 1_000
SECONDS, READY_MS, SORT_MS = 20.0, 2_000, 300
COLUMNS = ("application", "url", "age", "title")
READY = "performance.getEntriesByType('navigation')[0].domInteractive"
# The click sorts; the second frame after it is one in which the sorted rows are painted.
SORT = """new Promise((done) => {{
  const begun = performance.now();
  document.querySelector("[data-column={}] .sort").click();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));
}})"""


def measure_page(bench: Bench, _certificates: Certificates, folder: Path) -> None:
    """One page with evidence of real size, opened once."""
    findings = FEWER if bench.quick else FINDINGS
    place = folder / "page"
    place.mkdir()
    command: list[str | Path] = [sys.executable, HERE / "work_gate.py", make_import_tree()]
    steps = {name: measured([*command, name, str(findings), place]) for name in ("prepare", "page")}
    seconds = steps["page"]["wall_s"]
    what = f"{findings:,} findings"
    bench.judge(f"page of {what}, written", f"{seconds:.1f} s", f"under {SECONDS:.0f} s", seconds < SECONDS)
    if workbench.find_chromium() is None:
        raise BenchError("Chromium was not found: install it (Debian: apt-get install chromium).")
    ready, sorted_in = opened(place / "report.html")
    bench.judge(f"page of {what}, interactive", f"{ready:.0f} ms", f"under {READY_MS} ms", ready < READY_MS)
    slowest = max(sorted_in.values())
    bench.judge(f"page of {what}, sorted and shown", f"{slowest:.0f} ms", f"under {SORT_MS} ms", slowest < SORT_MS)
    bench.numbers["page"] = {"findings": findings, **steps["page"], "ready_ms": ready, "sort_ms": sorted_in}


def opened(path: Path) -> tuple[float, dict[str, float]]:
    """Milliseconds until the page answers, and until it shows each order that was asked for."""
    with Page() as page:
        page.open(path)
        ready = float(page.evaluate(READY))
        return ready, {name: float(page.evaluate(SORT.format(name))) for name in COLUMNS}
