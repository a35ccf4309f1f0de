# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact as users get it, built and installed once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.runner import base_environment
from tests.tools import workbench

BIN = Path(sys.executable).parent


def run_tool(folder: Path, *command: str, **environment: str) -> str:
    """Run a program of this environment in a folder, with nothing of the user's settings; returns what it printed."""
    variables = base_environment(folder, folder) | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"} | environment
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=folder, env=variables, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection, from the files that git knows."""
    folder = tmp_path_factory.mktemp("artifact")
    tree = workbench.copy_tree("ee-tests")
    run_tool(folder, "ansible-galaxy", "collection", "build", str(tree), "--output-path", str(folder))
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def installed(artifact: Path) -> Path:
    """The folder in which the artifact is installed, which holds ``ansible_collections``."""
    folder = artifact.parent / "collections"
    command = ("ansible-galaxy", "collection", "install", str(artifact), "--offline", "--no-deps", "-p", str(folder))
    run_tool(artifact.parent, *command)
    return folder
