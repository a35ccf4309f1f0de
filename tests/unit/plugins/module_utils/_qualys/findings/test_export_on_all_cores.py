# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The export with worker processes gives what it gives without: the same bytes, the same counts, the same errors.

Each case is a program of its own, since the process of the tests has threads and is never forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import IMPORT_TREE
from tests.sandbox import Sandbox

from ...qualys_kit import connection, export_options

PROGRAM = """
import json, os, sys
ROOM = "ansible_collections.appsec.perimeter.plugins.module_utils"
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._http import session
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import listing
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_export as export
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor import crew

cores, exports, settings = json.loads(sys.argv[1])
crew.usable_cores = lambda: cores
session.backoff = lambda _attempt, **_options: 0.0
export.FEW = 0
for name, value in settings.items():
    setattr(listing if hasattr(listing, name) else export, name, value)
sizes = []
enter = crew.Crew.__enter__

def counted(self):
    enter(self)
    sizes.append(self.size)
    return self

crew.Crew.__enter__ = counted
told = []
for connection, options in exports:
    with connect(connection, {}) as client:
        try:
            told.append(export.run(options, client, False).values)
        except PerimeterError as error:
            told.append([type(error).__name__, error.to_dict()])
try:
    os.waitpid(-1, os.WNOHANG)
    children = True
except ChildProcessError:
    children = False
print(json.dumps([told, sizes, children]))
"""


def exports(given: list[tuple[Sandbox, Any]], cores: int, **settings: Any) -> tuple[list[Any], list[int]]:
    """Make exports, each from its sandbox, in a process of its own, which may use so many cores."""
    wanted = [(connection(sandbox, max_connections=4, retries=1), options) for sandbox, options in given]
    argument = json.dumps([cores, wanted, settings])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, argument],
        env={"PATH": os.defpath, "PYTHONPATH": str(IMPORT_TREE), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told, sizes, children = json.loads(done.stdout)
    assert not children
    return told, sizes


def test_files_and_results_are_the_same_with_any_number_of_workers(estate: Sandbox, tmp_path: Path) -> None:
    applications = [app["id"] for app in estate.qualys.webapps.values()][:170]
    variants: dict[str, dict[str, Any]] = {
        "verbose": {},
        "summary.gz": {"detail": "summary"},
        "raw": {"include_raw": True, "sensitive": "keep"},
        "in parts": {"filters": [{"field": "webApp.id", "value": applications}]},
        "none": {"filters": [{"field": "id", "value": 1}]},
        "full": {"detail": "full", "filters": [{"field": "severity", "value": 5}]},
    }
    seen = []
    for cores in (1, 2, 4):
        folder = tmp_path / str(cores)
        folder.mkdir()
        wanted = [(estate, export_options(folder / name, **own)) for name, own in variants.items()]
        results, sizes = exports(
            wanted, cores, IDS_PER_SEARCH=30, PAGE_SIZES={"verbose": 40, "summary": 50, "full": 20}
        )
        workers = 0 if cores == 1 else cores
        assert sizes == [workers] * 5 + [0], "findings that are read one by one wait more than they work"
        for result in results:
            result["dest"] = result["manifest"] = ""
        seen.append((results, {name: (folder / name).read_bytes() for name in variants}))
    assert seen[0] == seen[1] == seen[2]
    assert [result["records"] > 0 for result in seen[0][0]] == [True] * 4 + [False, True]
    assert all(result["complete"] for result in seen[0][0])


FAULTS: dict[str, dict[str, Any]] = {
    "credentials": {"kind": "response_code", "code": "INVALID_CREDENTIALS"},
    "html": {"kind": "html_200"},
    "truncated": {"kind": "truncated_json"},
    "fault": {"kind": "status", "status": 500},
    "no id": {
        "kind": "status",
        "status": 200,
        "body": '{"ServiceResponse": {"responseCode": "SUCCESS", "data": [{"Finding": {}}]}}',
    },
    "no record": {
        "kind": "status",
        "status": 200,
        "body": '{"ServiceResponse": {"responseCode": "SUCCESS", "data": [[]]}}',
    },
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each fault, which the exports shall leave empty."""
    return {name: tmp_path_factory.mktemp("fault") for name in FAULTS}


@pytest.fixture(scope="module")
def errors(folders: dict[str, Path]) -> list[dict[str, Any]]:
    """What the export says to each fault, without workers and with two. One process makes the exports of all faults."""
    found = []
    with contextlib.ExitStack() as stack:
        estates = [stack.enter_context(Sandbox(webapps=200, findings=700)) for _name in FAULTS]
        for estate, fault in zip(estates, FAULTS.values(), strict=True):
            estate.faults.add({**fault, "match": {"route": "/search/"}, "times": -1})
        for cores in (1, 2):
            wanted = [
                (estate, export_options(folder / "a")) for estate, folder in zip(estates, folders.values(), strict=True)
            ]
            results, sizes = exports(wanted, cores, PAGE_SIZES={"verbose": 700})
            assert sizes == [0 if cores == 1 else 2] * len(FAULTS)
            found.append(dict(zip(FAULTS, results, strict=True)))
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_an_answer_that_cannot_be_used_is_the_same_error_with_workers(
    errors: list[dict[str, Any]], folders: dict[str, Path], name: str
) -> None:
    alone, shared = (found[name] for found in errors)
    assert alone == shared
    assert isinstance(alone, list)
    assert list(folders[name].iterdir()) == []


def test_with_workers_pages_are_as_large_as_their_budget_allows(estate: Sandbox, tmp_path: Path) -> None:
    def searches(cores: int, **settings: Any) -> int:
        estate.reset_counters()
        exports([(estate, export_options(tmp_path / "a"))], cores, PAGE_SIZES={"verbose": 20}, **settings)
        return int(estate.counters.snapshot()["by_route"]["POST /qps/rest/3.0/search/was/finding"])

    in_place, small, large = searches(1), searches(2, FEWEST=1, MOST=20), searches(2)
    assert in_place == small > large
