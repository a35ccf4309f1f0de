# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that records: ``python -m tests.recording.process FOLDER PART...``.

Its clocks stand still from the start.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

from tests.recording import still_time

OUTSIDE = (
    "QUALYS_",
    "INDUSFACE_",
    "EDGECAST_",
    "SCUTUM_",
    "CBC_",
    "CSP_",
    "PERIMETER_",
    "ANSIBLE_",
    "SPLUNK_",
    "ELASTIC",
)
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
BUNDLES = frozenset({"requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file"})


def main() -> None:
    """Record the parts that are named into the folder that is named."""
    still_time.stop()
    for name in list(os.environ):
        if name.startswith(OUTSIDE) or name.lower() in PROXIES | BUNDLES:
            del os.environ[name]
    # Only now, as everything that they import shall find the clocks stopped.
    importlib.import_module("tests.conftest")
    keep = importlib.import_module("tests.recording.keep")
    folder, *parts = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="recording-") as scratch:
        for part in parts:
            place = Path(scratch).resolve() / part
            place.mkdir()
            keep.write(importlib.import_module(f"tests.recording.{part}").record(place), Path(folder))


if __name__ == "__main__":
    main()
