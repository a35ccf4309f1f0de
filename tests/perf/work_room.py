# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: the logic of a module without Ansible, in a fresh interpreter.

Usage: ``python work_room.py IMPORT_TREE ROOM LOGIC OPTIONS``, with the name of the vendor's room, that of the logic's
file in it, and the options as JSON; prints one JSON object: what it cost, what it returned (lists as their length) and
a digest of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from importlib import import_module

CLIENTS = {"_qualys": "api.client"}
"""Where a room keeps its client, when not at its top."""


def main() -> None:
    """Do the work, and say what it cost."""
    tree, vendor, logic, options = *sys.argv[1:4], json.loads(sys.argv[4])
    sys.path.insert(0, tree)
    started = time.monotonic()
    # Importing counts: a module pays for it each time.
    room = "ansible_collections.appsec.perimeter.plugins.module_utils"
    client_of = import_module(f"{room}.{vendor}.{CLIENTS.get(vendor, 'client')}").connect
    file, _colon, function = logic.partition(":")
    run = getattr(import_module(f"{room}.{vendor}.{file}"), function or "run")
    codec = import_module(f"{room}._records.codec")
    with client_of(options, os.environ) as client:
        result = run(options, client, False)
        if result.error is not None:
            raise result.error
        stats = client.http.stats.to_dict()
    wall = time.monotonic() - started
    used, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    values = {name: value for name, value in result.values.items() if name != "stats"}
    report = {
        **{name: len(value) if isinstance(value, (list, dict)) else value for name, value in values.items()},
        "digest": hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest(),
        "warnings": result.warnings,
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime + workers.ru_utime + workers.ru_stime,
        "workers_cpu_s": workers.ru_utime + workers.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "orjson": codec.HAS_ORJSON,
        "stats": stats,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
