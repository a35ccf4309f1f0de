# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that are killed: each is a fork of one Python that has imported what they run.

A new Python would spend more time on imports than on the work in which it is killed. The one that forks runs no code of
its own and has no thread. Its forks differ from new ones in one thing: all have the same hash seed. So what has to do
with the hashes of an earlier process is done in a new Python.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

ROOMS = "ansible_collections.appsec.perimeter.plugins.module_utils."
IMPORTED = (
    # Puts the collection on the import path.
    "tests.conftest",
    *(f"{ROOMS}{name}" for name in (
        "_carbon_black.export", "_deliver.run", "_edgecast.export", "_indusface.scan_log_export",
        "_scutum.alert_export",
    )),
    "tests.unit.plugins.module_utils.lake_kit",
    # What the collection imports when it needs it.
    "requests", "urllib3", "jmespath", "duckdb", "psycopg", "sqlalchemy.dialects.postgresql.psycopg",
)  # fmt: skip
START_S = 60
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(IMPORTED))
_new = multiprocessing.get_context("spawn")


class Fork:
    """A process that has begun its work.

    Args:
        work: a function of a module. It calls its first argument when it begins what may be killed.
        arguments: the other arguments.
        new: whether it is a new Python instead, with a hash seed of its own.

    Raises:
        SystemExit: it ended before.
    """

    def __init__(self, work: Callable[..., Any], *arguments: Any, new: bool = False) -> None:
        make: Any = (_new if new else _forks).Process
        self._pipe, pipe = multiprocessing.Pipe(duplex=False)
        self._process = make(target=_run, args=(pipe, work, arguments), daemon=True)
        self._process.start()
        pipe.close()
        self._receive(START_S)

    def ended(self, seconds: float) -> bool:
        """Whether the work ends within these seconds."""
        return self._pipe.poll(seconds)

    def kill(self) -> None:
        """Kill the process by SIGKILL, unless its work has ended.

        Raises:
            SystemExit: its work had failed.
        """
        if self.ended(0):
            self.result(START_S)
        else:
            self._process.kill()
            self._process.join()

    def result(self, seconds: float) -> Any:
        """What the work returned, after at most so many seconds.

        Raises:
            SystemExit: it failed, or took longer.
        """
        result = self._receive(seconds)
        self._process.join(seconds)
        if self._process.exitcode != 0:
            self._process.kill()
            raise SystemExit(f"the process answered, and ended with {self._process.exitcode}")
        return result

    def _receive(self, seconds: float) -> Any:
        if not self._pipe.poll(seconds):
            self._process.kill()
            raise SystemExit(f"the process did not answer within {seconds} seconds")
        try:
            error, value = self._pipe.recv()
        except EOFError:
            raise SystemExit("the process ended without an answer") from None
        if error:
            raise SystemExit(f"the process failed: {error}")
        return value


def _run(pipe: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """What a fork runs: it sends that it has begun, and what the work returned or raised."""
    os.environ["no_proxy"] = "*"
    try:
        answer = ("", work(lambda: pipe.send(("", None)), *arguments))
    except BaseException:  # noqa: BLE001 - whatever it is, the test has to see it
        answer = (traceback.format_exc(), None)
    pipe.send(answer)
