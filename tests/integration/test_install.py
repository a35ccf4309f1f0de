# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users get it: built, installed, documented, and used by its full name."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.integration.runner import Ansible, Task
from tests.sandbox import Sandbox
from tests.tools import workbench


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection, from a copy of what the repository holds."""
    folder = tmp_path_factory.mktemp("artifact")
    ansible = Ansible(folder, folder)
    run = ansible.program("ansible-galaxy", "collection", "build", str(workbench.ROOT), "--output-path", str(folder))
    assert run.status == 0, run.output
    return next(folder.glob("appsec-perimeter-*.tar.gz"))


@pytest.fixture(scope="module")
def installed(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the artifact, and nothing else, is installed."""
    folder = tmp_path_factory.mktemp("installed")
    target = ("--collections-path", str(folder / "collections"), "--offline")
    run = Ansible(folder, folder / "collections").program(
        "ansible-galaxy", "collection", "install", str(artifact), *target
    )
    assert run.status == 0, run.output
    return folder / "collections"


def test_artifact_holds_what_it_should(artifact: Path) -> None:
    assert workbench.artifact_problems(artifact) == []
    with tarfile.open(artifact) as archive:
        members = archive.getmembers()
    names = {member.name for member in members}
    assert {"README.md", "LICENSE", "meta/runtime.yml", "MANIFEST.json", "FILES.json"} <= names
    assert not [member.name for member in members if member.issym() or member.islnk()]
    assert sum(member.size for member in members) < 16 << 20


def test_documentation(installed: Path, tmp_path: Path) -> None:
    ansible = Ansible(tmp_path, installed)
    listed = ansible.program("ansible-doc", "--type", "module", "--list", "--json", "appsec.perimeter")
    assert listed.status == 0, listed.output
    assert set(json.loads(listed.stdout)) == set(workbench.module_names())
    assert "WARNING" not in listed.output
    shown = ansible.program("ansible-doc", "--type", "module", "--json", *workbench.module_names())
    assert shown.status == 0, shown.output
    assert shown.stderr == ""
    documents = json.loads(shown.stdout)
    for name in workbench.module_names():
        document = documents[name]
        assert document["doc"]["description"], name
        assert f"{name}:" in document["examples"], name
        assert document["return"], name
    text = ansible.program("ansible-doc", "--type", "module", *workbench.module_names())
    assert text.status == 0, text.output
    assert text.stderr == ""


def test_installed_modules_work(installed: Path, tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    tasks: list[Task] = [
        {"qualys_was_webapp": {"name": "Checkout (prod)", "tags_add": ["sox"]}},
        {"qualys_was_finding_export": {"dest": str(tmp_path / "findings.ndjson.gz")}},
    ]
    run = Ansible(tmp_path, installed).play(tasks, environment=login)
    assert run.status == 0, run.output
    assert run["qualys_was_finding_export"]["complete"] is True
    assert sandbox.counters.writes_applied == 1
