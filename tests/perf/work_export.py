# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: ``qualys_was_finding_export`` without Ansible, in a fresh interpreter.

Usage: ``python work_export.py IMPORT_TREE OPTIONS``, with the options as JSON; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from importlib import import_module


def main() -> None:
    """Export, and say what it cost."""
    tree, options = sys.argv[1], json.loads(sys.argv[2])
    sys.path.insert(0, tree)
    started = time.monotonic()
    # Importing counts: a module pays for it each time.
    room = "ansible_collections.appsec.perimeter.plugins.module_utils"
    client_of = import_module(f"{room}._qualys.client").connect
    run = import_module(f"{room}._qualys.finding_export").run
    codec = import_module(f"{room}._records.codec")
    with client_of(options, os.environ) as client:
        result = run(options, client, False)
        stats = client.http.stats.to_dict()
    wall = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "orjson": codec.HAS_ORJSON,
        "records": result.values["records"],
        "complete": result.values["complete"],
        "bytes": result.values["bytes"],
        "stats": stats,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
