# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many applications of which some differ: one task against the requests that the differences need."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.perf.book import Bench
from tests.perf.environments import BenchError, Certificates, Server, serving, task

CONNECTIONS = 4
PAGE = 1000
"""Applications a page."""
AROUND = 5
"""Requests that may be spent beyond what is needed: the listing is counted before and after."""


def measure_reconcile(bench: Bench, certificates: Certificates, folder: Path) -> None:
    """Make some of many applications as they shall be, for fields of the search and for fields of the get."""
    sizes = bench.sizes
    estate = ("--webapps", str(sizes.webapps), "--findings", "10", "--latency-ms", str(sizes.latency_ms))
    with serving(certificates, *estate) as server:
        listing = {"detail": "verbose", "query": "[].{name: name, url: url, tags: tags}"}
        listed = task(folder, server, {"qualys_was_webapp_info": listing}).result["webapps"]
        # What is not there is nothing to remove, but only a get can tell.
        looked_at = [{**webapp, "domains_remove": ["never.example.com"]} for webapp in listed]
        for name, webapps in (("search", listed), ("get", looked_at)):
            # The short one is at the mercy of whatever else the machine does, so the best of several counts.
            rounds = range(sizes.rounds if name == "search" else 1)
            runs = [reconcile(bench, server, folder, webapps, f"{name}-{turn}") for turn in rounds]
            bench.numbers[f"reconcile_{name}"] = min(runs, key=lambda run: run["seconds"])
            judge(bench, name)


def with_differences(webapps: list[dict[str, Any]], differing: int, name: str) -> list[dict[str, Any]]:
    """The applications, of which every so many shall have another address."""
    step = len(webapps) // differing
    changed = {index * step for index in range(differing)}
    return [
        {**webapp, "url": f"https://{name}-{index}.example.com/"} if index in changed else webapp
        for index, webapp in enumerate(webapps)
    ]


def reconcile(bench: Bench, server: Server, folder: Path, webapps: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Seconds and requests of the task; after it a second one must find nothing to do."""
    wanted = with_differences(webapps, bench.sizes.differing, name)
    path = folder / "wanted.json"
    path.write_text(json.dumps(wanted), encoding="utf-8")
    # Not as a variable: the names hold template expressions, which a file's content is never taken for.
    content = f"{{{{ lookup('ansible.builtin.file', '{path}') | from_json }}}}"
    server.reset_counters()
    done = task(folder, server, {"qualys_was_webapps": {"webapps": content}})
    counters = server.counters()
    plan, differing = done["plan"], bench.sizes.differing
    if not (len(plan["update"]) == counters["writes"] == differing and plan["unchanged"] == len(wanted) - differing):
        raise BenchError(f"{differing} applications should have been updated, not {len(plan['update'])}.")
    if task(folder, server, {"qualys_was_webapps": {"webapps": content}}).changed:
        raise BenchError("The second run changed something.")
    return {
        "seconds": done.seconds,
        "module_s": done["stats"]["elapsed"],
        "requests": counters["requests"],
        "routes": counters["by_route"],
    }


def judge(bench: Bench, name: str) -> None:
    """Requests, and seconds against what the needed ones take on all connections."""
    sizes, numbers = bench.sizes, bench.numbers[f"reconcile_{name}"]
    what = f"{sizes.webapps:,} applications of which {sizes.differing} differ, fields of the {name}"
    needed = math.ceil(sizes.webapps / PAGE) + sizes.differing + (sizes.webapps if name == "get" else 0)
    floor = needed * sizes.latency_ms / 1000 / CONNECTIONS
    bench.judge(
        what, f"{numbers['requests']} requests, {needed} needed", f"at most {AROUND} more",
        numbers["requests"] <= needed + AROUND, by_clock=False,
    )  # fmt: skip
    ratio = numbers["seconds"] / floor
    bench.judge(
        f"the same against requests needed x latency / {CONNECTIONS} connections",
        f"{numbers['seconds']:.1f} s (in the module {numbers['module_s']:.1f} s), {ratio:.2f}x of {floor:.1f} s",
        "at most 2.00x",
        ratio <= 2,
    )
