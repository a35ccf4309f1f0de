# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: events of a day into Parquet, and a count over the lake.

Usage: ``python work_lake.py IMPORT_TREE STEP EVENTS SEGMENTS FOLDER``, with ``prepare``, ``write`` or ``count`` for the
step, in this order in the same folder; prints one JSON object: what the step cost.
"""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import resource
import sys
import time
from importlib import import_module
from typing import Any

KIT = "ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils.lake_kit"


def prepare(events: int, segments: int, folder: pathlib.Path) -> dict[str, Any]:
    """A stream of one day."""
    kit = import_module(KIT)
    stream = kit.StreamFolder(folder / "stream")
    start = kit.NOW.replace(hour=0) - 3 * kit.DAY
    span = dt.timedelta(days=1) / segments
    for number in range(segments):
        begin = start + number * span
        stream.add(kit.traffic(events // segments, begin, span, seed=number + 1), begin.replace(microsecond=0))
    return {"bytes": sum(path.stat().st_size for path in stream.segments())}


def write(events: int, segments: int, folder: pathlib.Path) -> dict[str, Any]:
    """The stream becomes Parquet."""
    result = import_module(KIT).lake(folder / "lake", [folder / "stream"])
    (item,) = result.values["written"]
    if result.error or item["rows"] != events // segments * segments:
        raise SystemExit(f"The lake does not hold all events: {result.error or item}")
    return {"bytes": (folder / "lake" / item["path"]).stat().st_size}


def count(events: int, segments: int, folder: pathlib.Path) -> dict[str, Any]:
    """A count over the lake, without the start of the process."""
    import duckdb

    with duckdb.connect(":memory:") as database:
        started = time.perf_counter()
        glob = str(folder / "lake" / "record=event" / "*" / "*" / "*.parquet")
        query = "SELECT count(*), count(DISTINCT client_ip) FROM read_parquet(?, hive_partitioning = true)"
        ((found, _clients),) = database.execute(query, [glob]).fetchall()
        seconds = time.perf_counter() - started
    if found != events // segments * segments:
        raise SystemExit(f"{found} events are in the lake")
    return {"query_s": seconds}


STEPS = {"prepare": prepare, "write": write, "count": count}


def main() -> None:
    """Entry point."""
    tree, step, events, segments, folder = sys.argv[1:6]
    sys.path[:0] = [tree, str(pathlib.Path(__file__).resolve().parents[2])]
    started, cpu = time.perf_counter(), time.process_time()
    told = STEPS[step](int(events), int(segments), pathlib.Path(folder))
    print(
        json.dumps(
            {
                **told,
                "wall_s": time.perf_counter() - started,
                "cpu_s": time.process_time() - cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
