# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: what decoding, normalising and encoding of the export's bytes costs one thread.

Usage: ``python work_floor.py IMPORT_TREE OPTIONS PAGES``. The pages are fetched first and the clock runs only on them;
prints one JSON object with seconds of CPU for each record, so that a sample of the pages is enough.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from typing import Any

ROOM = "ansible_collections.appsec.perimeter.plugins.module_utils"


def fetch(options: dict[str, Any], pages: int) -> list[bytes]:
    """The bodies of the first pages, as the export asks for them."""
    client_of = import_module(f"{ROOM}._qualys.api.client").connect
    fields = import_module(f"{ROOM}._qualys.findings.finding_fields")
    envelope: Any = import_module(f"{ROOM}._qualys.api.envelope")
    bodies: list[bytes] = []
    parse = envelope._parse

    def keep(body: bytes) -> Any:
        bodies.append(body)
        return parse(body)

    envelope._parse = keep
    cursor = 0
    with client_of(options, os.environ) as client:
        for _number in range(pages):
            criteria = [{"field": "id", "operator": "GREATER", "value": str(cursor)}]
            size = fields.PAGE_SIZES[fields.VERBOSE]
            page = client.page(fields.RESOURCE, criteria, limit=size, verbose=True)
            if page.last_id is None:
                break
            cursor = page.last_id
    envelope._parse = parse
    return bodies


def work(bodies: list[bytes]) -> tuple[int, float]:
    """Decode, normalise and encode. Returns the number of records and the seconds of CPU."""
    codec = import_module(f"{ROOM}._records.codec")
    normaliser = import_module(f"{ROOM}._qualys.findings.normalise").FindingNormaliser()
    records = 0
    started = time.process_time()
    for body in bodies:
        for entry in codec.loads(body)["ServiceResponse"]["data"]:
            codec.dump_line(normaliser.finding(entry["Finding"]))
            records += 1
    return records, time.process_time() - started


def main() -> None:
    """Fetch, work a few times, and tell the best."""
    sys.path.insert(0, sys.argv[1])
    bodies = fetch(json.loads(sys.argv[2]), int(sys.argv[3]))
    records, seconds = min((work(bodies) for _round in range(3)), key=lambda found: found[1])
    print(json.dumps({"records": records, "cpu_s": seconds, "bytes": sum(map(len, bodies))}))


if __name__ == "__main__":
    main()
