# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many applications that are as they shall be: one task against a loop, and the requests of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.perf.book import Bench, Sizes
from tests.perf.environments import BenchError, Certificates, Server, serving, task

CONNECTIONS = 4


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
