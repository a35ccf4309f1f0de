# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program with which Galaxy and Automation Hub import collections."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.ee.conftest import run_tool
from tests.tools import workbench


def test_the_importer_reads_the_artifact_without_an_error(artifact: Path, tmp_path: Path) -> None:
    shutil.copy(artifact, tmp_path)
    # It looks for the tools on PATH, and links the collection into a folder of its own.
    # The session ansible-lint does what it would do with ansible-lint, with the production profile.
    command = ("python", "-m", "galaxy_importer.main", "--print-result", artifact.name)
    output = run_tool(tmp_path, *command, GALAXY_IMPORTER_RUN_ANSIBLE_LINT="false")
    log, _brace, rest = output.partition("\n{")
    assert "Importer processing completed successfully" in output
    assert "Traceback" not in output, output
    # Its warnings are advice.
    assert [line for line in log.splitlines() if line.startswith("ERROR")] == []
    result = json.JSONDecoder().raw_decode("{" + rest)[0]
    found = {item["name"] for item in result["contents"] if item["content_type"] == "module"}
    assert {f"appsec.perimeter.{name}" for name in found} == set(workbench.module_names())
    check_patterns(log, result)


def check_patterns(log: str, result: dict[str, Any]) -> None:
    """All of each pattern was read. What is wrong with one is a warning, and then all of them are left out."""
    folder = ROOT / "extensions" / "patterns"
    assert [line for line in log.splitlines() if line.startswith("WARNING") and "patterns" in line] == []
    names = sorted(path.name for path in folder.iterdir())
    assert sorted(item["name"] for item in result["patterns"]) == names
    for item in result["patterns"]:
        assert item == json.loads((folder / item["name"] / "meta" / "pattern.json").read_bytes())
    listed = {item["name"] for item in result["contents"] if item["content_type"] == "patterns"}
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    # It lists these, and no other folder of a pattern.
    parts = ("README.md", "meta", "playbooks", "templates")
    assert listed == {".".join(("patterns", *path.parts)) for path in files if path.parts[1] in parts}
