# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of a report in all formats, with a previous run to compare with.

The collection must be importable: in ``ansible_collections/appsec/perimeter`` below a directory on PYTHONPATH.

    PYTHONPATH=<directory> python docs/report-assets/measure.py --findings 100000
"""

from __future__ import annotations

import argparse
import multiprocessing
import pathlib
import resource
import tempfile
import time

from ansible_collections.appsec.perimeter.plugins.module_utils._report import run as report
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import WRITERS
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory


def prepare(folder: pathlib.Path, findings: int) -> None:
    """Write two snapshots of one estate, a week apart, and the report of the first."""
    old = factory.estate_before(factory.estate_findings(findings))
    before = factory.write_snapshot(folder / "before.ndjson", old, finished="2026-11-13T09:00:00Z")
    report.run({"findings": [str(before)], "outputs": {"json": str(folder / "before.json")}}, False)
    factory.write_snapshot(folder / "findings.ndjson.gz", factory.estate_findings(findings))


def measure(folder: pathlib.Path) -> None:
    """Write all formats and print time and memory. Runs in a process of its own, to measure the report only."""
    outputs = {name: str(folder / f"report.{name}") for name in WRITERS}
    params = {"findings": [str(folder / "findings.ndjson.gz")], "outputs": outputs}
    start, work = time.monotonic(), time.process_time()
    result = report.run(params | {"previous": str(folder / "before.json"), "webapps": factory.webapps()}, False)
    seconds, work = time.monotonic() - start, time.process_time() - work
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = result.values["summary"]["total"]
    print(f"{total} findings: {seconds:.1f} s ({work:.1f} s of processor time), {memory:.0f} MiB at most")
    for item in result.values["written"]:
        print(f"  {item['format']}: {item['bytes'] / 1e6:.1f} MB")


def main() -> int:
    """Prepare and measure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=100_000)
    count = parser.parse_args().findings
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        for step in (
            spawn.Process(target=prepare, args=(pathlib.Path(name), count)),
            spawn.Process(target=measure, args=(pathlib.Path(name),)),
        ):
            step.start()
            step.join()
            if step.exitcode:
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
