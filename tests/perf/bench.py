# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed and memory of the collection against the sandbox, as ratios within one run: ``make bench``.

``--quick`` makes everything small and judges only what does not depend on the clock. Numbers go to the screen and to
``tests/output/bench.json``; the exit code is 1 when something that is required does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.perf.book import QUICK, Bench, Sizes  # noqa: E402
from tests.perf.environments import BenchError, Certificates, make_certificates  # noqa: E402
from tests.perf.part_collect import measure_collect  # noqa: E402
from tests.perf.part_correlate import measure_correlate  # noqa: E402
from tests.perf.part_details import measure_details  # noqa: E402
from tests.perf.part_export import measure_export  # noqa: E402
from tests.perf.part_gate import measure_gate  # noqa: E402
from tests.perf.part_history import measure_history  # noqa: E402
from tests.perf.part_lake import measure_lake  # noqa: E402
from tests.perf.part_page import measure_page  # noqa: E402
from tests.perf.part_reconcile import measure_reconcile  # noqa: E402
from tests.perf.part_webapps import measure_webapps  # noqa: E402

OUTPUT = ROOT / "tests" / "output" / "bench.json"
PARTS: dict[str, Callable[[Bench, Certificates, Path], None]] = {
    "export": measure_export,
    "webapps": measure_webapps,
    "reconcile": measure_reconcile,
    "details": measure_details,
    "collect": measure_collect,
    "gate": measure_gate,
    "page": measure_page,
    "history": measure_history,
    "lake": measure_lake,
    "correlate": measure_correlate,
}


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
    verdicts = {True: "holds", False: "does not hold", None: "-"}
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
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    chosen = parser.parse_args(arguments)
    bench = Bench(QUICK if chosen.quick else Sizes(), chosen.quick)
    where, started = surroundings(), time.monotonic()
    print("This takes about half a minute." if chosen.quick else "This takes about 20 minutes.", flush=True)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            certificates = make_certificates(folder)
            for name in [chosen.only] if chosen.only else PARTS:
                PARTS[name](bench, certificates, folder)
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
    missed = sum(line.holds is False for line in bench.lines)
    print(f"{missed} of the requirements do not hold." if missed else "Every requirement that was judged holds.")
    print(f"The numbers are in {OUTPUT.relative_to(ROOT)}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
