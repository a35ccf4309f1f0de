# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many applications read in full detail: against the latency, against qualysdk, and when some requests fail."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

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
    task,
)

CONNECTIONS = 10
PAGE = 1000
"""Applications a page."""
AROUND = 8
"""Requests beyond what is needed: the listing is counted before and after, and names that are shared are looked up."""
ONE_IN = 20
"""Of so many requests one fails once."""


def measure_details(bench: Bench, certificates: Certificates, folder: Path) -> None:
    """Read all applications in full, by us and by qualysdk, without faults and with some."""
    sizes = bench.sizes
    estate = ("--webapps", str(sizes.webapps), "--findings", "10", "--latency-ms", str(sizes.latency_ms))
    python = Path(sys.executable)
    with serving(certificates, *estate, "--switch", "qualysdk_readable=true") as server:
        runs = [ours(python, server) for _round in range(sizes.rounds)]
        clean = min(runs, key=lambda run: run["wall_s"])
        faulty = with_faults(server, sizes.webapps, lambda: ours(python, server))
        playbook = task(folder, server, {"qualys_was_webapp_info": {"detail": "full", "max_connections": CONNECTIONS}})
        theirs = None if bench.quick else [
            sdk(server), with_faults(server, sizes.webapps, lambda: sdk(server))
        ]  # fmt: skip
    bench.numbers["details"] = {"ours": runs, "faulty": faulty, "playbook_s": playbook.seconds, "qualysdk": theirs}
    judge(bench, clean, faulty)
    bench.show("the same through ansible-playbook", f"{playbook.seconds:.1f} s")
    if theirs is not None:
        judge_sdk(bench, clean, *theirs)


def ours(python: Path, server: Server) -> dict[str, Any]:
    """One reading by the logic of ``qualys_was_webapp_info``."""
    options = {
        "detail": "full", "count_only": False, "filters_strict": True, "max_connections": CONNECTIONS,
        "ca_path": str(server.certificates.ca),
    }  # fmt: skip
    return measured_room(python, server, "estate.webapp:run_info", options)


def sdk(server: Server) -> dict[str, Any]:
    """One reading by ``get_webapps_verbose`` of qualysdk 0.3.17."""
    return measured([client_python("qualysdk"), HERE / "work_sdk.py", server.url, "webapps"], server.login)


def with_faults(server: Server, webapps: int, read: Any) -> dict[str, Any]:
    """A reading in which some requests for one application fail with HTTP 500, each once."""
    match = {"route": "/get/was/webapp"}
    faults = [
        # A request that fails is not seen by the faults behind it.
        {"kind": "status", "status": 500, "match": match, "times": 1, "skip": number * (ONE_IN - 1) + ONE_IN // 2}
        for number in range(webapps // ONE_IN)
    ]
    server.set_faults(*faults)
    found: dict[str, Any] = read()
    server.set_faults()
    return {**found, "faults": len(faults)}


def judge(bench: Bench, clean: dict[str, Any], faulty: dict[str, Any]) -> None:
    """Requests, seconds against the latency, and records."""
    sizes = bench.sizes
    if clean["webapps"] != sizes.webapps:
        raise BenchError(f"{clean['webapps']} applications were read.")
    needed = math.ceil(sizes.webapps / PAGE) + sizes.webapps
    floor = needed * sizes.latency_ms / 1000 / CONNECTIONS
    requests = clean["stats"]["requests"]
    bench.judge(
        f"{sizes.webapps:,} applications in full detail", f"{requests} requests, {needed} needed",
        f"at most {AROUND} more", requests <= needed + AROUND, by_clock=False,
    )  # fmt: skip
    ratio = clean["wall_s"] / floor
    bench.judge(
        f"the same against requests needed x latency / {CONNECTIONS} connections",
        f"{clean['wall_s']:.1f} s ({clean['cpu_s']:.1f} s CPU), {ratio:.2f}x of {floor:.1f} s", "at most 1.20x",
        ratio <= 1.2,
    )  # fmt: skip
    retries = faulty["stats"]["retries"]
    bench.judge(
        f"the same when one request in {ONE_IN} fails with 500 once: records",
        f"{faulty['webapps']} after {retries} retries", "every record, as without faults",
        faulty["digest"] == clean["digest"] and retries == faulty["faults"], by_clock=False,
    )  # fmt: skip
    bench.show("its time", f"{faulty['wall_s']:.1f} s, {faulty['wall_s'] / floor:.2f}x of {floor:.1f} s")


def judge_sdk(bench: Bench, clean: dict[str, Any], theirs: dict[str, Any], faulty: dict[str, Any]) -> None:
    """How much faster than qualysdk, and what that one loses."""
    webapps = bench.sizes.webapps
    if theirs["records"] != webapps:
        raise BenchError(f"qualysdk read {theirs['records']} applications.")
    name = f"qualysdk 0.3.17 get_webapps_verbose(thread_count={CONNECTIONS})"
    faster = theirs["wall_s"] / clean["wall_s"]
    bench.judge(f"against {name}", f"{faster:.2f}x as fast ({theirs['wall_s']:.1f} s)", "more than 1x", faster > 1)
    bench.show(
        f"what qualysdk loses when one request in {ONE_IN} fails with 500 once",
        f"{webapps - faulty['records']} of {webapps:,} applications, without an error",
    )
