# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-lint, whose ``ansible-playbook --syntax-check`` of each playbook and role is a fork of a warm one.

Four fifths of each of these checks go into importing Ansible, which tests/integration/warm does once. They find what
they would find otherwise; everything else in ansible-lint is unchanged.
"""

from __future__ import annotations

import functools
import importlib
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

from tests.integration import warm  # noqa: E402

COMPILED = ROOT / "tests" / "integration" / "compiled"
PROGRAM = "ansible-playbook"
_starting = threading.Lock()


def run(command: list[str], *, env: dict[str, str], bytecode: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """``subprocess.run``, for the programs that ansible-lint starts.

    Args:
        command: the program and its arguments.
        env: its environment; each different one has a warm Python of its own.
        bytecode: a folder.
        options: of ``subprocess.run``.
    """
    if command[0] == PROGRAM:
        env = env | {"PYTHONPATH": str(COMPILED), "TEST_BYTECODE": bytecode}
        # ansible-lint checks several files at a time.
        with _starting:
            playbooks = warm.interpreter("playbooks", tuple(sorted(env.items())))
        command = [playbooks, str(shutil.which(PROGRAM)), *command[1:]]
    done: subprocess.CompletedProcess[str] = subprocess.run(command, env=env, **options)  # noqa: PLW1510
    return done


def main() -> None:
    """Run ansible-lint with the arguments of this program; ends with its exit status."""
    runner: Any = importlib.import_module("ansiblelint.runner")
    with tempfile.TemporaryDirectory(prefix="bytecode-") as bytecode:
        own = {"run": functools.partial(run, bytecode=bytecode)}
        runner.subprocess = types.SimpleNamespace(**(vars(subprocess) | own))
        sys.argv[0] = os.path.join(os.path.dirname(sys.executable), "ansible-lint")
        runpy.run_module("ansiblelint", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
