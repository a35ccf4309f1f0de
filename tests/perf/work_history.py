# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: findings of an estate into the history.

Usage: ``python work_history.py IMPORT_TREE STEP FINDINGS FOLDER``, with ``prepare``, ``first``, ``second`` or ``later``
for the step, in this order in the same folder; prints one JSON object: what the step cost. ``second`` has the findings
of ``first`` once more, and in ``later`` some of them have changed.
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

PACKAGE = "ansible_collections.appsec.perimeter"
NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
APPLICATIONS = 200
EXPORTS = {"first": ("before", "2026-11-18T09:00:00Z"), "second": ("again", "2026-11-19T09:00:00Z"),
           "later": ("now", "2026-11-20T09:00:00Z")}  # fmt: skip
"""Of each step the name of its snapshot, and when that was made."""


def prepare(findings: int, folder: pathlib.Path) -> None:
    """Three snapshots with their manifests: as the estate was, the same again, and as it is."""
    factory = import_module(f"{PACKAGE}.tests.unit.plugins.module_utils._report.factory")
    traffic = import_module("work_gate").with_traffic
    for step, (name, finished) in EXPORTS.items():
        estate = factory.estate_findings(findings, APPLICATIONS)
        records = estate if step == "later" else factory.estate_before(estate)
        factory.write_snapshot(
            folder / f"{name}.ndjson", traffic(records, factory.evidence), started=finished, finished=finished
        )


def record(step: str, folder: pathlib.Path) -> dict[str, Any]:
    """One run, and what it was."""
    run = import_module(f"{PACKAGE}.plugins.module_utils._history.run").run
    name, _finished = EXPORTS[step]
    options = {
        "database_url": f"sqlite:///{folder}/history.db",
        "findings": [str(folder / f"{name}.ndjson")],
        "policy": {"critical": 7, "high": 30, "medium": 90},
        "horizon": "7d",
        "run_id": step,
        "dest": str(folder / "history.json"),
    }
    values = run(options, False, clock=lambda: NOW).values
    size = (folder / "history.db").stat().st_size
    return {"recorded": values["recorded"]["findings"], "changes": values["changes"], "megabytes": size / 1e6}


def main() -> None:
    """Do the step, and say what it cost."""
    tree, step, findings, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), pathlib.Path(sys.argv[4])
    sys.path.insert(0, tree)
    started = time.monotonic()
    done: dict[str, Any] = {}
    if step == "prepare":
        prepare(findings, folder)
    else:
        done = record(step, folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = {"wall_s": time.monotonic() - started, "cpu_s": used.ru_utime + used.ru_stime}
    print(json.dumps({**done, **cost, "peak_mb": used.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
