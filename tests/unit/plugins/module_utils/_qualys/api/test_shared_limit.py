# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many jobs of one account: together they have no more requests under way than the account allows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    OptionError,
    RateLimited,
    StateError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http.governor import WaitBudget
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.shared_limit import LockDirectory
from tests.conftest import IMPORT_TREE
from tests.sandbox import Sandbox

JOBS = """
import multiprocessing, sys
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
url, username, password, folder = sys.argv[1:]
options = {"api_url": url, "username": username, "password": password, "max_connections": 2, "retries": 0}
def job():
    with connect(options | ({"shared_limit": folder} if folder else {}), {}) as client:
        print([client.count("webapp", []) for _number in range(6)])
jobs = [multiprocessing.get_context("fork").Process(target=job) for _number in range(10)]
for one in jobs:
    one.start()
for one in jobs:
    one.join()
print([one.exitcode for one in jobs])
"""
"""Ten processes, which are forked so that only one of them imports the client."""
HOLDER = """
import pathlib, sys, time
from ansible_collections.appsec.perimeter.plugins.module_utils._http.governor import WaitBudget
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.shared_limit import LockDirectory
with LockDirectory(pathlib.Path(sys.argv[1]), "one", 1).place(WaitBudget(60)):
    print("held", flush=True)
    time.sleep(600)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(IMPORT_TREE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ten_jobs(folder: str) -> tuple[list[int], int, int]:
    """Their exit codes, how many requests they sent, and how many were under way at once."""
    with Sandbox(webapps=3, findings=0, latency_ms=20, switches={"concurrency_limit": 2}) as sandbox:
        told, wrong = start(JOBS, sandbox.url, sandbox.username, sandbox.password, folder).communicate(timeout=120)
        counted = sandbox.counters.snapshot()
    assert told, wrong
    *answers, last = told.splitlines()
    codes: list[int] = json.loads(last)
    assert answers == [str([3] * 6)] * codes.count(0), wrong
    return codes, counted["requests"], counted["in_flight_max"]


def test_ten_jobs_with_a_shared_limit_are_never_refused(tmp_path: Path) -> None:
    # Each answer was the one that was asked for: a refusal with 409 would have been followed by another request.
    assert ten_jobs(str(tmp_path / "limits")) == ([0] * 10, 60, 2)


def test_without_it_they_are() -> None:
    _codes, requests, at_once = ten_jobs("")
    assert requests > 60
    assert at_once > 2


def places(folder: Path, account: str = "one", number: int = 1) -> LockDirectory:
    return LockDirectory(folder, account, number)


def test_a_job_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    with start(HOLDER, str(tmp_path)) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        got = threading.Event()

        def wait() -> None:
            with places(tmp_path).place(WaitBudget(0)):
                got.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.5)
        holder.send_signal(signal.SIGKILL)
        # To wait for others uses nothing of the budget, which is empty here.
        assert got.wait(10)
        waiting.join()


def test_a_process_that_was_forked_meanwhile_holds_nothing(tmp_path: Path) -> None:
    with places(tmp_path).place(WaitBudget(0)):
        child = os.fork()
        if not child:
            time.sleep(30)
            os._exit(0)
    try:
        with places(tmp_path).place(WaitBudget(0)):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_pause_of_one_holds_for_all_and_the_longest_counts(tmp_path: Path) -> None:
    one, other = places(tmp_path), places(tmp_path)
    one.pause(0.6)
    other.pause(0.1)
    budget, begun = WaitBudget(5), time.monotonic()
    with other.place(budget):
        assert time.monotonic() - begun > 0.5
    assert budget.waited > 0.5
    one.pause(60)
    with pytest.raises(RateLimited, match="Another job of this account was asked to slow down"), other.place(budget):
        pass
    # Nobody holds the place meanwhile, and another account is not concerned.
    with places(tmp_path, "two").place(WaitBudget(0)):
        pass


def test_a_run_that_is_stopped_waits_no_longer(tmp_path: Path) -> None:
    budget = WaitBudget(60)
    with places(tmp_path).place(WaitBudget(0)):
        threading.Timer(0.2, budget.stop, [OptionError("over")]).start()
        with pytest.raises(OptionError, match="over"), places(tmp_path).place(budget):
            pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StateError, match=f"shared_limit: {file} cannot be used: "):
        places(file)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(StateError, match="shared_limit: everybody can write to"):
        places(shared)


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    made = places(tmp_path)
    with made.place(WaitBudget(0)):
        pass
    (lock,) = tmp_path.glob("*.lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="cannot be used"), made.place(WaitBudget(0)):
        pass
    assert not (tmp_path / "elsewhere").exists()
