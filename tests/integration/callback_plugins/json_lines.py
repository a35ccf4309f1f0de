# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes every task result as one line of JSON, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import time
import typing as t
import urllib.request
from pathlib import Path

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: json_lines
type: aggregate
short_description: Writes every task result as one line of JSON
description:
  - For the tests of this collection. The environment variable E(TEST_RESULTS) names the file. When E(TEST_COUNTERS)
    holds the address of a sandbox, each line also has the counters of its server as they were after the task.
  - E(TEST_PAYLOADS) names a folder in which the payloads of modules are kept for other runs of the same collection.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """One line for each result: task, status, result, seconds, and what the sandbox has counted since the start."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "json_lines"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = open(os.environ["TEST_RESULTS"], "a", encoding="utf-8")  # noqa: SIM115 (open for the whole run)
        self._counters = os.environ.get("TEST_COUNTERS")
        self._started = 0.0
        if payloads := os.environ.get("TEST_PAYLOADS"):
            # Where ansible-core looks for a payload before it builds one; the link goes with its temporary folder.
            (Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache").symlink_to(payloads, target_is_directory=True)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def _write(self, status: str, result: t.Any) -> None:
        seconds = time.monotonic() - self._started
        # ansible-core 2.19 has renamed it.
        values = result.result if hasattr(result, "result") else result._result
        line = {"task": result.task_name, "status": status, "seconds": seconds, "result": values}
        if self._counters:
            with urllib.request.urlopen(f"{self._counters}/_sandbox/counters") as answer:
                line["counters"] = json.load(answer)
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """A task ended well."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """A task failed."""
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """A host could not be reached."""
        self._write("unreachable", result)
