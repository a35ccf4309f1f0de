# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-builder reads what the collection says that it needs, and makes a whole build context of docs/ee."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._doctor.libraries import LIBRARIES
from tests.conftest import ROOT
from tests.ee.conftest import run_tool

EE = ROOT / "docs" / "ee"


@pytest.fixture(scope="module")
def context(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context that ansible-builder makes of the definition, with the archive beside it."""
    folder = tmp_path_factory.mktemp("ee")
    shutil.copytree(EE, folder / "ee")
    shutil.copy(artifact, folder / "ee")
    definition = str(folder / "ee" / "execution-environment.yml")
    run_tool(
        folder, "ansible-builder", "create", "-f", definition, "-c", str(folder / "context"),
        "--output-filename", "Containerfile",
    )  # fmt: skip
    return folder / "context"


def test_introspection_finds_what_is_always_needed(installed: Path) -> None:
    told = run_tool(installed.parent, "ansible-builder", "introspect", str(installed))
    found = yaml.safe_load(told[told.index("---") :])
    # Each with the name of its collection behind it.
    assert [item.split()[0] for item in found["python"]] == ["requests>=2.28", "jmespath>=1.0"]
    assert not found.get("system")


def test_the_containerfile_names_everything(context: Path) -> None:
    text = (context / "Containerfile").read_text(encoding="utf-8")
    assert 'ARG EE_BASE_IMAGE="almalinux:9"' in text
    assert 'ARG PYPKG="python3.12"' in text
    assert 'ARG PYCMD="/usr/bin/python3.12"' in text
    assert 'ARG ANSIBLE_INSTALL_REFS="ansible-core>=2.19,<2.20 ansible-runner>=2.4"' in text
    # All stages, and each of the own steps after the last one.
    assert re.findall(r"^FROM \S+ (?:AS|as) (\w+)", text, re.MULTILINE) == ["base", "galaxy", "builder", "final"]
    steps = yaml.safe_load((EE / "execution-environment.yml").read_text(encoding="utf-8"))["additional_build_steps"]
    last = text.rpartition("\nFROM ")[2]
    assert all(step in last for step in steps["append_final"])


def test_the_context_holds_the_archive_where_galaxy_looks(context: Path) -> None:
    [collection] = yaml.safe_load((context / "_build" / "requirements.yml").read_text())["collections"]
    assert collection["type"] == "file"
    # The folder is what the step for galaxy works in.
    assert "COPY _build /build\nWORKDIR /build\n" in (context / "Containerfile").read_text(encoding="utf-8")
    assert (context / "_build" / collection["name"]).stat().st_size > 0


def test_the_definition_names_the_version_of_the_collection(artifact: Path) -> None:
    assert (EE / "execution-environment.yml").read_text(encoding="utf-8").count(artifact.name) == 2


def test_the_lists_of_packages_agree() -> None:
    """What the doctor knows, what is always installed, and what one opts into."""
    always = (ROOT / "meta" / "ee-requirements.txt").read_text(encoding="utf-8")
    optional = (EE / "requirements.txt").read_text(encoding="utf-8")
    pattern = r"^([a-z]+)(?:\[[a-z]+\])?>=([\d.]+)$"
    needed = {item.name: item.minimum for item in LIBRARIES if item.always}
    assert dict(re.findall(pattern, always, re.MULTILINE)) == needed
    marked = re.findall(pattern.replace("^", "^#"), optional, re.MULTILINE)
    assert dict(marked) == {item.name: item.minimum for item in LIBRARIES if not item.always}
    assert re.findall(pattern, optional, re.MULTILINE) == []
