# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the real ``ansible-playbook`` that stands beside this Python, and reads what came of each task.

The environment holds nothing of the caller's but what a program needs to start, so that a run is the same everywhere;
credentials travel in it, and never in a file.

Most of a run's time goes into what the run before has made already: the payload of each module, and the bytecode of
each file in it. Both are kept, which changes nothing of what a module gets or does.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import IMPORT_TREE
from tests.integration import warm

BIN = Path(sys.executable).parent
HERE = Path(__file__).resolve().parent
CALLBACKS = HERE / "callback_plugins"
COMPILED = HERE / "compiled"
BYTECODE = IMPORT_TREE / "bytecode"
_payloads = tempfile.TemporaryDirectory(prefix="payloads-")
PREFIX = "appsec.perimeter."
TIMEOUT_S = 300
WARM = bool(os.environ.get("TEST_WARM"))
WARM_PROGRAMS = ("ansible-playbook", "ansible-inventory")
"""What the Python for playbooks can become: it has imported nearly all that these use."""
Task = dict[str, Any]

SETTINGS = {
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_NOCOLOR": "true",
    "ANSIBLE_RETRY_FILES_ENABLED": "false",
    # The newest versions show the options of a task only when asked to.
    "ANSIBLE_INJECT_INVOCATION": "true",
    # The tests of secrets turn it off, so that the arguments of a module travel in a file.
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
    "ANSIBLE_CALLBACKS_ENABLED": "json_lines",
}
"""Settings of each run, unless its test says otherwise."""
# coverage's own, so that modules are measured when the tests are; the root is what .coveragerc asks for.
_KEPT = ("PATH", "TZ", "PYTHONPATH")
_KEPT_PREFIXES = ("COVERAGE_", "COV_", "PERIMETER_ROOT")


@dataclass(frozen=True)
class TaskResult:
    """What came of one task. ``counters`` is what the sandbox had counted when the task had ended."""

    task: str
    status: str
    seconds: float
    result: dict[str, Any]
    counters: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.result[name]

    @property
    def failed(self) -> bool:
        """Whether the task failed."""
        return self.status != "ok"

    @property
    def changed(self) -> bool:
        """What the task says it changed."""
        return bool(self.result.get("changed"))


@dataclass(frozen=True)
class Run:
    """One run of a program."""

    status: int
    stdout: str
    stderr: str
    results: list[TaskResult]
    folder: Path

    def __getitem__(self, task: str) -> TaskResult:
        return next(result for result in self.results if result.task == task)

    @property
    def output(self) -> str:
        """All that was printed."""
        return self.stdout + self.stderr


def base_environment(folder: Path, collections_path: Path) -> dict[str, str]:
    """An environment in which Ansible looks at nothing of the user's.

    Args:
        folder: for everything that Ansible writes.
        collections_path: folder that holds ``ansible_collections``.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    settings = folder / "ansible.cfg"
    settings.write_text("[defaults]\ninternal_poll_interval = 0.005\n")
    return kept | {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(_made(folder / "tmp")),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        "ANSIBLE_LOCAL_TEMP": str(_made(folder / "tmp" / "local")),
        "ANSIBLE_REMOTE_TEMP": str(_made(folder / "tmp" / "remote")),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        **SETTINGS,
    }


def kept_environment(collections_path: Path, python_path: str = "") -> dict[str, str]:
    """What lets a run use the payloads and the bytecode that an earlier run of this process has made.

    Args:
        collections_path: folder that holds ``ansible_collections``; each has payloads of its own.
        python_path: what ``PYTHONPATH`` is without.
    """
    name = hashlib.sha256(str(collections_path).encode()).hexdigest()[:16]
    return {
        "TEST_PAYLOADS": str(_made(Path(_payloads.name) / name)),
        "TEST_BYTECODE": str(_made(BYTECODE)),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(COMPILED), python_path))),
    }


def warm_interpreter(kind: str, variables: Mapping[str, str], **settings: str) -> str:
    """A program that runs scripts of a kind in a Python that has started already.

    Args:
        kind: ``modules`` or ``playbooks``.
        variables: of the run.
        settings: that differ from ``SETTINGS`` and must be set before Ansible is imported.
    """
    start = {name: variables[name] for name in ("PATH", "LC_ALL", "PYTHONPATH", "TEST_BYTECODE")}
    start |= SETTINGS | {"TEST_TREE": str(IMPORT_TREE)} | settings
    return warm.interpreter(kind, tuple(sorted(start.items())))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Ansible:
    """Runs playbooks in one folder.

    Args:
        folder: for playbooks, results and everything temporary.
        collections_path: folder that holds ``ansible_collections``.
        fresh: whether each run makes payloads and bytecode anew, as a user's does; for what is measured.
    """

    def __init__(self, folder: Path, collections_path: Path, *, fresh: bool = False) -> None:
        self.folder = folder
        self.collections_path = collections_path
        self._fresh = fresh
        self._serial = 0

    def environment(self) -> dict[str, str]:
        """The environment of a program, with all that is kept of earlier runs."""
        variables = base_environment(self.folder, self.collections_path)
        if self._fresh:
            return variables
        variables |= kept_environment(self.collections_path, variables.get("PYTHONPATH", ""))
        if WARM:
            modules = warm_interpreter("modules", variables)
            variables |= {"ANSIBLE_PYTHON_INTERPRETER": modules, "TEST_INTERPRETER": modules}
        return variables

    def program(
        self, *arguments: str, environment: Mapping[str, str] | None = None, results: Path | None = None
    ) -> Run:
        """Run one of Ansible's programs.

        Args:
            arguments: name of the program and its arguments.
            environment: additions to the clean environment; an empty value removes a variable.
            results: where the callback writes.
        """
        variables = self.environment()
        name, *rest = arguments
        command = [str(BIN / name), *rest]
        if WARM and not self._fresh and name in WARM_PROGRAMS:
            command.insert(0, warm_interpreter("playbooks", variables))
        variables |= dict(environment or {})
        variables |= {"TEST_RESULTS": str(results or os.devnull)}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        lines = results.read_text(encoding="utf-8").splitlines() if results and results.exists() else []
        return Run(
            done.returncode, done.stdout, done.stderr, [TaskResult(**json.loads(line)) for line in lines], self.folder
        )

    def play(
        self,
        tasks: Sequence[Task],
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        counters: str | None = None,
        **play: Any,
    ) -> Run:
        """Write a playbook with these tasks, and run it on this machine.

        Args:
            tasks: as in a playbook; a module of this collection may be named without the collection.
            environment: additions to the clean environment.
            arguments: of ansible-playbook.
            counters: address of a sandbox whose counters are read after each task.
            play: further keywords of the play.
        """
        self._serial += 1
        playbook = self.folder / f"playbook-{self._serial}.yml"
        content = [{"hosts": "localhost", "gather_facts": False, **play, "tasks": [_named(task) for task in tasks]}]
        # JSON is YAML.
        playbook.write_text(json.dumps(content, indent=2), encoding="utf-8")
        results = self.folder / f"results-{self._serial}.jsonl"
        results.unlink(missing_ok=True)
        variables = dict(environment or {}) | ({"TEST_COUNTERS": counters} if counters else {})
        return self.program(
            "ansible-playbook", "-i", "localhost,", "-c", "local", *arguments, str(playbook),
            environment=variables, results=results,
        )  # fmt: skip


def _named(task: Task) -> Task:
    """The task with full names of modules, and with a name; a block as it is."""
    if "block" in task:
        return task
    full = {(PREFIX + key if key.startswith(("qualys_", "report")) else key): value for key, value in task.items()}
    module = next(key for key in full if "." in key)
    return {"name": module.removeprefix(PREFIX), **full}
