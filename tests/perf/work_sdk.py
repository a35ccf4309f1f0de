# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured process: qualysdk 0.3.17 reads all findings, or all applications in full, into memory.

Usage: ``python work_sdk.py URL findings|webapps``, with the environment of a venv of its own, the login in
QUALYS_WAS_USERNAME and QUALYS_WAS_PASSWORD, and the CA in REQUESTS_CA_BUNDLE; prints one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time


def main() -> None:
    """Read, and say what it cost."""
    url = sys.argv[1]
    started = time.monotonic()
    # It prints its progress on standard output.
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        from qualysdk import BasicAuth, was  # type: ignore[import-not-found,import-untyped,unused-ignore]

        hosts = {"api_url": url, "gateway_url": url, "qualysguard_url": url}
        login = os.environ["QUALYS_WAS_USERNAME"], os.environ["QUALYS_WAS_PASSWORD"]
        account = BasicAuth(*login, override_platform=hosts)
        if sys.argv[2] == "findings":
            records = was.get_findings(account, verbose="true")
        else:
            records = was.get_webapps_verbose(account, thread_count=10)
    wall = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "records": len([record for record in records if record]),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
