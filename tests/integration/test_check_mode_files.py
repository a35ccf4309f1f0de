# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode leaves every file of this machine as it is, those of a killed run too; a real run removes those.

The uses are those of test_each_core.py, where a module that is missing is an error. They run in this process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import login_to
from tests.integration.in_process import run_tasks
from tests.integration.log_kit import environment, log_sandbox
from tests.integration.runner import PREFIX, base_environment
from tests.integration.test_each_core import SCRIPT, WRITES
from tests.sandbox import Sandbox

USES: dict[str, dict[str, Any]] = {
    "qualys_kb_info": {"qids": [150001, 150012], "dest": "{{ playbook_dir }}/knowledge.json"},
    **WRITES,
}
BESIDE = {
    "correlate": ("matches.ndjson", "matches.ndjson.manifest.json"),
    "gate": ("gate.json", "gate.explain.ndjson"),
    "history": ("history.json",),
    "qualys_kb_info": ("knowledge.json",),
    "qualys_was_finding_export": ("findings.ndjson.gz", "findings.ndjson.gz.manifest.json"),
    "qualys_was_report": ("report.pdf",),
    "qualys_was_selenium_script": ("login.html",),
    "report": ("report.html", "report.sarif"),
}
"""The files that a module replaces as a whole; streams and lakes have folders of their own, with tests of their own."""

Tree = dict[str, tuple[int, bytes] | None]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with log_sandbox(webapps=12, findings=150, switches={"clock": "real", "retest_polls": 0}) as running:
        running.qualys.webapps[410002]["crawlingScripts"] = [{"id": 55999, "name": "login.html", "data": SCRIPT}]
        yield running


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> dict[str, dict[str, Tree]]:
    """What is on the disk around the runs of each module: check mode, a real run, check mode."""
    folder = tmp_path_factory.mktemp("files")
    given = environment(sandbox, folder / "state") | login_to(sandbox)
    base_environment(folder, folder)
    found: dict[str, dict[str, Tree]] = {}
    for name, options in USES.items():
        planted = [_plant(folder, file) for file in BESIDE.get(name, ())]
        around = {"before": _tree(folder)}
        for word in ("check", "real", "check again"):
            if word == "check again":
                _plant_all(folder)
                around["then"] = _tree(folder)
            task = {"name": word, PREFIX + name: options, "check_mode": word != "real"}
            run = run_tasks(folder, [task], given, sandbox)
            assert not run[word].failed, (name, word, run[word].result)
            around[word] = _tree(folder)
            if word == "real":
                around["left"] = {path: None for path in planted if (folder / path).exists()}
        found[name] = around
        _sweep(folder)
    return found


@pytest.mark.parametrize("name", USES)
def test_check_mode_writes_and_deletes_nothing(trees: dict[str, dict[str, Tree]], name: str) -> None:
    around = trees[name]
    assert around["check"] == around["before"]
    assert around["check again"] == around["then"]


@pytest.mark.parametrize("name", BESIDE)
def test_a_run_removes_what_a_killed_one_left_beside_its_files(trees: dict[str, dict[str, Tree]], name: str) -> None:
    assert trees[name]["left"] == {}


def _plant(folder: Path, name: str) -> str:
    """A temporary file that a killed run left beside ``name`` an hour ago; returns its name."""
    path = folder / f".{name}.k1ll3d_0.tmp"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - 3600,) * 2)
    return path.name


def _plant_all(folder: Path) -> None:
    for name in _files(folder):
        place = folder / name
        if not place.name.startswith("."):
            _plant(place.parent, place.name)


def _sweep(folder: Path) -> None:
    for path in folder.rglob(".*.k1ll3d_0.tmp"):
        path.unlink()


def _files(folder: Path) -> Iterable[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _tree(folder: Path) -> Tree:
    """Each folder, and each file with its time and its bytes; without what belongs to the runner of the tests."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else None
        for path in folder.rglob("*")
        if path.name != "ansible.cfg"
    }
