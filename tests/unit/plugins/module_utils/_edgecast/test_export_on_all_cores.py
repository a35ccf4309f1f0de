# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection with worker processes writes what it writes without: the same bytes, the same counts, the same errors.

Each case is a program of its own, since the process of the tests has threads and is never forked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import IMPORT_TREE
from tests.sandbox import Sandbox

from ..edgecast_kit import ANCHOR, connection
from ..spool_kit import read

PROGRAM = """
import datetime as dt, json, os, sys
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import export
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._http import session
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor import crew

connection, cores, options, now = json.loads(sys.argv[1])
crew.usable_cores = lambda: cores
session.backoff = lambda _attempt, **_options: 0.0
encoded = []
taken = export.EdgecastEvents.take_unknown
export.EdgecastEvents.take_unknown = lambda self, counted: (encoded.append(self.crew.size), taken(self, counted))
with connect(connection, {}) as client:
    result = export.run(options, client, False, lambda: dt.datetime.fromisoformat(now))
error = result.error.to_dict() if result.error else None
print(json.dumps([result.values, result.warnings, error, max(encoded)]))
"""


def collect(sandbox: Sandbox, folder: Path, cores: int, **changes: Any) -> list[Any]:
    """Collect in a process of its own, which may use so many cores."""
    options: dict[str, Any] = {
        "dest": str(folder / "stream"), "state_dir": str(folder / "state"), "first_run": "lookback", "lookback": "28d",
        "lag": None, "overlap": None, "sweep": None, "backfill": None, "compress": False, "retain_days": None,
        "segment_mode": "0600", "segment_group": None, "on_failed_window": "stop", "sensitive": "redact",
        "include_raw": False, "event_filters": None, **changes,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    argument = json.dumps([connection(sandbox, retries=1), cores, options, ANCHOR])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, argument],
        env={"PATH": os.defpath, "PYTHONPATH": str(IMPORT_TREE), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    values, *rest = json.loads(done.stdout)
    values.pop("stats")
    return [values, *rest]


def lines_of(stream: Path) -> Counter[bytes]:
    """Every line of a stream; in which order windows are read is a matter of chance."""
    return Counter(line for path in stream.rglob("*.ndjson") for line in read(path).splitlines())


@pytest.mark.parametrize("changes", [{}, {"include_raw": True, "sensitive": "keep"}], ids=["redacted", "raw"])
def test_lines_and_results_are_the_same_with_workers(sandbox: Sandbox, tmp_path: Path, changes: dict[str, Any]) -> None:
    sandbox.edgecast.add_events(2500, 3600, 3600)
    seen = []
    for cores in (1, 2):
        folder = tmp_path / str(cores)
        *told, workers = collect(sandbox, folder, cores, **changes)
        assert workers == (0 if cores == 1 else 2)
        again, _warnings, _error, _workers = collect(sandbox, folder, cores, **changes)
        assert (again["records"], again["complete"]) == (0, True)
        seen.append((told, lines_of(folder / "stream")))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] == seen[1][1]
    assert seen[0][1].total() > 2500


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html_200"},
        {"kind": "truncated_json"},
        {"kind": "status", "status": 200, "body": '{"events": 1}'},
        {"kind": "status", "status": 403},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_an_answer_that_cannot_be_used_is_the_same_error_with_workers(
    sandbox: Sandbox, tmp_path: Path, fault: dict[str, Any]
) -> None:
    sandbox.edgecast.add_events(2500, 3600, 3600)
    errors = []
    for cores in (1, 2):
        sandbox.faults.clear()
        sandbox.faults.add({**fault, "match": {"route": "/waf/eventlogs"}, "times": -1, "skip": 1})
        _values, _warnings, error, _workers = collect(sandbox, tmp_path / str(cores), cores)
        errors.append(error)
    assert errors[0] is not None
    assert errors[0] == errors[1]
