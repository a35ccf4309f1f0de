# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tasks of a playbook in this process: a module gets what Ansible would give it, and its result is read.

For long tables of what a module says, to which a playbook would add nothing but a process for each entry. Templates are
not known here, nor anything else that belongs to the controller; test_each_core.py has mistakes of each kind in a play.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from tests.integration.runner import PREFIX, Run, Task, TaskResult, base_environment
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.qualys_kit import run_main

KEYWORDS = ("name", "environment", "check_mode", "ignore_errors")
MODULES = "ansible_collections.appsec.perimeter.plugins.modules"


def run_tasks(
    folder: Path, tasks: Sequence[Task], environment: Mapping[str, str], sandbox: Sandbox, *, diff: bool = False
) -> Run:
    """Run each task, whether or not the one before it failed.

    Args:
        folder: the working directory, and what stands for ``{{ playbook_dir }}``.
        tasks: each with a module of this collection, and with no other keywords than ``KEYWORDS``.
        environment: of all tasks; an empty value removes a variable.
        sandbox: its counters are kept after each task.
        diff: whether modules are asked for differences.

    Returns:
        What ``Ansible.play`` would return.
    """
    clean = base_environment(folder, folder)
    printed, errors, results = "", io.StringIO(), []
    for task in tasks:
        (module,) = (key for key in task if key not in KEYWORDS)
        given = clean | dict(environment) | task.get("environment", {})
        options = json.loads(json.dumps(task[module]).replace("{{ playbook_dir }}", str(folder)))
        main = importlib.import_module(f"{MODULES}.{module.removeprefix(PREFIX)}").main
        started = time.monotonic()
        with (
            mock.patch.dict(os.environ, {name: value for name, value in given.items() if value}, clear=True),
            contextlib.chdir(folder),
            contextlib.redirect_stderr(errors),
        ):
            ran = run_main(main, options, check=bool(task.get("check_mode")), diff=diff)
        status = "failed" if ran.failed else "ok"
        seconds = time.monotonic() - started
        printed += ran.printed + "\n"
        results.append(TaskResult(task["name"], status, seconds, ran.result, sandbox.counters.snapshot()))
    return Run(0, printed, errors.getvalue(), results, folder)


PRINT = """
import json, sys
from ansible.plugins.callback import CallbackBase
print(json.dumps([CallbackBase()._get_diff(difference) for difference in json.load(sys.stdin)]))
"""
"""In a process of its own: beside Ansible's plugins, modules behave as if they ran inside it."""


def shown_differences(folder: Path, results: Sequence[TaskResult]) -> list[str]:
    """What Ansible itself prints with ``--diff`` about each result; it prints nothing when nothing has changed."""
    given = [result.result.get("diff") or [] if result.changed else [] for result in results]
    environment = base_environment(folder, folder)
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env=environment, input=json.dumps(given), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    found: list[str] = json.loads(done.stdout)
    return found
