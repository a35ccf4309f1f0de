# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: the script that a user would write to read Edgecast's event log, with ``requests`` in a loop.

Usage: ``python work_loop.py IMPORT_TREE START END FILE``, with the login in EDGECAST_URL, EDGECAST_ACCOUNT_NUMBER and
EDGECAST_TOKEN, and the CA in REQUESTS_CA_BUNDLE; prints one JSON object.

One session, the largest pages, one after the other, JSON by the standard library. It writes the same lines as the
export, which needs the collection's own normaliser and hash. It has no position, no order of commits, no fsync, no
retry, and stops at nothing: what the collector does beyond a loop is not counted against the loop.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from importlib import import_module

import requests

PAGE_SIZE = 1000


def main() -> None:
    """Read, and say what it cost."""
    tree, start, end, path = sys.argv[1:]
    sys.path.insert(0, tree)
    started = time.monotonic()
    normalise = import_module("ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.normalise")
    identity = import_module("ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.fields")
    normaliser = normalise.EventNormaliser()
    url = f"{os.environ['EDGECAST_URL']}/v2/mcc/customers/{os.environ['EDGECAST_ACCOUNT_NUMBER']}/waf/eventlogs"
    page, pages, seen = 1, 1, set()
    with requests.Session() as session, open(path, "w", encoding="utf-8") as file:
        session.headers["Authorization"] = f"TOK:{os.environ['EDGECAST_TOKEN']}"
        while page <= pages:
            query: dict[str, str | int] = {"start_time": start, "end_time": end, "page": page, "page_size": PAGE_SIZE}
            answer = session.get(url, params=query, timeout=60)
            answer.raise_for_status()
            body = answer.json()
            for raw in body["events"]:
                record = normaliser.event(raw)
                if record["id"] not in seen:
                    seen.add(record["id"])
                    record["key"], record["content"] = record["id"], identity.event_content_of(raw)
                    file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            pages = body["page_of"]
            page += 1
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "wall_s": time.monotonic() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "records": len(seen),
        "requests": pages,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
