# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: findings of an estate through the gate, and then through every writer of the report.

Usage: ``python work_gate.py IMPORT_TREE STEP FINDINGS FOLDER``, with ``prepare``, then ``gate``, ``report`` or ``page``
for the step, in the same folder (``report`` shows the verdict of ``gate``); prints one JSON object: what the step cost.
"""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import random
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PACKAGE = "ansible_collections.appsec.perimeter"
NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
APPLICATIONS = 200
POLICY = {
    "schema": 1,
    "name": "bench",
    "missing_baseline": "all_new",
    "ignored_at_source": "honour",
    "limits": {
        "new": {"vulnerability": {"critical": 0, "high": 0}},
        "all": {"vulnerability": {"critical": 10, "high": 100, "medium": 1000}},
    },
}


def with_traffic(records: Iterable[dict[str, Any]], evidence: Any) -> Iterator[dict[str, Any]]:
    """Findings of 2.5 kB as a verbose export has them: 1.5 exchanges of 500 bytes of response and 250 of request."""
    dice = random.Random(5)
    for record in records:
        record["evidence"] = [
            evidence(
                headers=f"Host: shop.example.de\r\nCookie: VALUE_REDACTED\r\nX-Trace: {dice.randbytes(90).hex()}",
                response=f"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n<html>{dice.randbytes(220).hex()}",
            )
            for _item in range(dice.choice((1, 2)))
        ]
        yield record


def prepare(findings: int, folder: pathlib.Path) -> None:
    """A snapshot with its manifest, a scan of each application, and a catalog."""
    factory = import_module(f"{PACKAGE}.tests.unit.plugins.module_utils._report.factory")
    estate = with_traffic(factory.estate_findings(findings, APPLICATIONS), factory.evidence)
    factory.write_snapshot(folder / "findings.ndjson", estate)
    kit = import_module(f"{PACKAGE}.tests.unit.plugins.module_utils._gate.gate_kit")
    webapps = factory.webapps(APPLICATIONS)
    with (folder / "scans.ndjson").open("w", encoding="utf-8") as file:
        for app in webapps:
            asset = {name: app[name] for name in ("id", "name", "url", "tags")}
            record = kit.scan(id=app["id"], asset=asset, time="2026-11-20T06:00:00Z", ended="2026-11-20T07:00:00Z")
            file.write(json.dumps(record) + "\n")
    names = "".join(f"  - name: {json.dumps(app['name'])}\n" for app in webapps)
    (folder / "webapps.yml").write_text(f"webapps:\n{names}", encoding="utf-8")


def gate(findings: int, folder: pathlib.Path) -> None:
    """The verdict."""
    run = import_module(f"{PACKAGE}.plugins.module_utils._gate.run").run
    options: dict[str, Any] = dict.fromkeys(("waivers", "baseline", "max_scan_age", "run_id"))
    options |= {"findings": [str(folder / "findings.ndjson")], "scans": [str(folder / "scans.ndjson")], "matches": []}
    options |= {"policy": POLICY, "dest": str(folder / "gate.json"), "report_only": True, "baseline_update": False}
    result = run(options, False, clock=lambda: NOW)
    counts = result.values["counts"]
    if result.values["verdict"] != "fail" or counts.get("findings") != findings:
        raise SystemExit(f"The gate did not judge all findings: {result.values['reasons'][:3]}")


def report(_findings: int, folder: pathlib.Path) -> None:
    """Every format."""
    run = import_module(f"{PACKAGE}.plugins.module_utils._report.run").run
    formats = import_module(f"{PACKAGE}.plugins.module_utils._report.writers").FORMATS
    options = {
        "findings": [str(folder / "findings.ndjson")],
        "gate": str(folder / "gate.json"),
        "scans": [str(folder / "scans.ndjson")],
        "catalog": [str(folder / "webapps.yml")] if find_spec("yaml") else [],
        "catalog_root": str(folder),
        "outputs": {name: str(folder / f"report.{name}") for name in formats},
    }
    if len(run(options, False).values["written"]) != len(formats):
        raise SystemExit("Not every format was written.")


def page(_findings: int, folder: pathlib.Path) -> None:
    """The page alone."""
    run = import_module(f"{PACKAGE}.plugins.module_utils._report.run").run
    options = {
        "findings": [str(folder / "findings.ndjson")],
        "scans": [str(folder / "scans.ndjson")],
        "outputs": {"html": str(folder / "report.html")},
    }
    run(options, False)


def main() -> None:
    """Do the step, and say what it cost."""
    tree, step, findings, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), pathlib.Path(sys.argv[4])
    sys.path.insert(0, tree)
    started = time.monotonic()
    {"prepare": prepare, "gate": gate, "report": report, "page": page}[step](findings, folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = {"wall_s": time.monotonic() - started, "cpu_s": used.ru_utime + used.ru_stime}
    print(json.dumps({**cost, "peak_mb": used.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
