# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: what the export's pages cost from bytes to lines, and where that time goes.

Usage: ``python work_floor.py IMPORT_TREE OPTIONS PAGES``. The pages are fetched first and the clock runs only on them;
prints one JSON object with seconds of CPU for each record, so that a sample of the pages is enough, and a profile.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sys
import time
from importlib import import_module
from pathlib import PurePath
from typing import Any

ROOM = "ansible_collections.appsec.perimeter.plugins.module_utils"
PROFILED = 12
"""Functions that the profile lists."""


def fetch(options: dict[str, Any], pages: int) -> list[bytes]:
    """The bodies of the first pages, as the export asks for them in place."""
    client_of = import_module(f"{ROOM}._qualys.api.client").connect
    fields = import_module(f"{ROOM}._qualys.findings.finding_fields")
    room = import_module(f"{ROOM}._qualys.findings.page_lines")
    bodies: list[bytes] = []
    cursor: int | None = 0

    def keep(body: bytes) -> Any:
        nonlocal cursor
        bodies.append(body)
        page = room.LineMaker(True, False).page(room.Span(None, None), body)
        cursor = page.last_id
        return page.envelope

    with client_of(options, os.environ) as client:
        while cursor is not None and len(bodies) < pages:
            criteria = [{"field": "id", "operator": "GREATER", "value": str(cursor)}]
            size = fields.PAGE_SIZES[fields.VERBOSE]
            client.search(fields.RESOURCE, criteria, limit=size, verbose=True, parse=keep)
    return bodies


def work(bodies: list[bytes]) -> tuple[int, float]:
    """Turn the pages into lines. Returns the number of records and the seconds of CPU."""
    room = import_module(f"{ROOM}._qualys.findings.page_lines")
    maker, span = room.LineMaker(False, False), room.Span(None, None)
    started = time.process_time()
    records = sum(maker.page(span, body).received for body in bodies)
    return records, time.process_time() - started


def profile(bodies: list[bytes]) -> list[tuple[str, float]]:
    """The functions that take most of the time, each with its own share of it. Profiling favours large functions."""
    profiler = cProfile.Profile()
    profiler.runcall(work, bodies)
    stats: Any = pstats.Stats(profiler)
    shares = [
        (f"{PurePath(file).stem}.{name}" if line else name, own / stats.total_tt)
        for (file, line, name), (_calls, _all, own, *_rest) in stats.stats.items()
    ]
    return sorted(shares, key=lambda share: -share[1])[:PROFILED]


def main() -> None:
    """Fetch, work a few times, and tell the best."""
    sys.path.insert(0, sys.argv[1])
    bodies = fetch(json.loads(sys.argv[2]), int(sys.argv[3]))
    records, seconds = min((work(bodies) for _round in range(3)), key=lambda found: found[1])
    size = sum(map(len, bodies))
    print(json.dumps({"records": records, "cpu_s": seconds, "bytes": size, "profile": profile(bodies[:10])}))


if __name__ == "__main__":
    main()
