# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs nox sessions in parallel, and reports the results.

It prints one line when a session starts and when it ends, one line every half minute while none ends, the whole output
of a failed session, and at the end a table and totals. The totals count tests for sessions that ran pytest, and one
check for each other session.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".nox" / "logs"
RESULTS = ROOT / ".nox" / "results"
HEARTBEAT = 30.0
LONGEST_FIRST = (
    "integration",
    "unit",
    "demo",
    "core-newest",
    "core-2.16",
    "core-2.18",
    "sanity-newest",
    "sanity-2.19",
    "sanity-2.18",
    "sanity-2.16",
    "ansible-lint",
    "ee",
    "awx",
    "eda",
    "receivers",
    "engines",
    "faults",
    "browser",
    "docs",
    "bench-quick",
    "typing",
    "sdk-proof",
    "formats",
    "build",
    "lint",
    "assets",
)
"""Every session, in the order in which they start; the long ones first keep both cores at work to the end."""
JOBS = min(2, os.cpu_count() or 1) + 1
"""One more than cores, as many tests wait for time to pass."""
ON_REQUEST = ("quick",)
"""Sessions that run only if they are named."""
SLOW_FILE_S = 5.0
"""Test files that take longer are listed at the end."""
FAILURE_LENGTH = 500
"""Characters of a failure's message that are repeated at the end, where a truncated log still has them."""
PRIVATE = (
    "ANSIBLE_",
    "QUALYS_",
    "INDUSFACE_",
    "EDGECAST_",
    "SCUTUM_",
    "CBC_",
    "CSP_",
    "PERIMETER_",
    "COVERAGE_",
    "EDA_",
)
"""Variables of the caller that would change what is tested."""


@dataclass
class Count:
    """The counts of a session."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: Count) -> None:
        """Add another count to this one."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


@dataclass
class Run:
    """A session that is running or has ended."""

    name: str
    process: subprocess.Popen[bytes]
    started: float
    status: int | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    count: Count = field(default_factory=Count)
    detail: str = ""

    @property
    def log(self) -> Path:
        """The file with the session's output."""
        return LOGS / f"{self.name}.log"

    @property
    def ok(self) -> bool:
        """Whether the session succeeded."""
        return self.status == 0

    def ended(self) -> bool:
        """Whether the session has ended; its processor time includes that of every process that was waited for."""
        if self.status is None:
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.process.returncode = self.status
                self.cpu_s = used.ru_utime + used.ru_stime
        return self.status is not None


def say(text: str, since: float) -> None:
    """Print one line with the time since the start."""
    print(f"[{time.monotonic() - since:6.1f} s] {text}", flush=True)


def environment() -> dict[str, str]:
    """The caller's environment without variables that would change the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}


def start(name: str) -> Run:
    """Start one session."""
    for report in (RESULTS / f"{name}.xml", RESULTS / f"{name}-controller.xml"):
        report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "nox", "--no-color", "--session", name]
    with (LOGS / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Run(name, process, time.monotonic())


def reports(name: str) -> list[ET.Element]:
    """The pytest reports of a session: of its tests, and of the controller plugins' tests, if it has any."""
    files = (RESULTS / f"{name}-controller.xml", RESULTS / f"{name}.xml")
    return [ET.parse(file).getroot() for file in files if file.exists()]


def pytest_count(name: str) -> Count | None:
    """The counts of pytest in a session; None if it ran no pytest."""
    roots = reports(name)
    count = Count()
    for suite in (suite for root in roots for suite in root.iter("testsuite")):
        tests, failures, errors, skipped = (
            int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")
        )
        count.add(Count(tests - failures - errors - skipped, failures + errors, skipped))
    return count if roots else None


def left_out(name: str) -> list[str]:
    """The tests that were skipped or are expected to fail, with the reason, one line each. Both count as skipped."""
    lines = []
    for case in (case for root in reports(name) for case in root.iter("testcase")):
        for mark in case.iter("skipped"):
            what = "expected to fail" if mark.get("type") == "pytest.xfail" else "skipped"
            lines.append(f"{what}: {case.get('name')}: {' '.join((mark.get('message') or '').split())}")
    return lines


def failures(name: str) -> list[str]:
    """The failed tests with their errors, one line each."""
    lines = []
    for case in (case for root in reports(name) for case in root.iter("testcase")):
        for mark in (*case.iter("failure"), *case.iter("error")):
            what = " ".join((mark.get("message") or "").split())[:FAILURE_LENGTH]
            lines.append(f"failed: {case.get('classname')}::{case.get('name')}: {what}")
    return lines


def seconds_by_file(name: str) -> dict[str, float]:
    """Seconds that the tests of each file took, the longest first."""
    times: dict[str, float] = {}
    for case in (case for root in reports(name) for case in root.iter("testcase")):
        # pytest names the file as a module, followed by the class if there is one.
        parts = (case.get("classname") or "").split(".")
        file = "/".join(part for part in parts if not part[:1].isupper())
        times[file] = times.get(file, 0.0) + float(case.get("time", 0))
    return dict(sorted(times.items(), key=lambda item: -item[1]))


def finish(run: Run) -> None:
    """Record how a session ended."""
    run.seconds = time.monotonic() - run.started
    counted = pytest_count(run.name)
    if counted is None:
        run.count = Count(passed=1) if run.ok else Count(failed=1)
    else:
        run.count = counted
        run.detail = f"{counted.passed} tests passed"
        run.detail += f", {counted.failed} failed" if counted.failed else ""
        run.detail += f", {counted.skipped} skipped" if counted.skipped else ""
        if not run.ok and not counted.failed:
            # The tests passed but the session failed, for example because of low coverage: that counts as a failure.
            run.count.failed = 1
    notes = [line.partition("NOTE: ")[2] for line in log_lines(run) if "NOTE: " in line]
    run.detail = "; ".join(part for part in (run.detail, *notes) if part)


def log_lines(run: Run) -> list[str]:
    """The output of a session."""
    return run.log.read_text(encoding="utf-8", errors="replace").splitlines()


def show_failure(run: Run) -> None:
    """Print the whole output of a failed session."""
    print(f"----- {run.name}: output -----")
    print("\n".join(log_lines(run)))
    print(f"----- {run.name}: end of output -----", flush=True)


def stop(runs: list[Run]) -> None:
    """End running sessions, with everything that they started."""
    for run in runs:
        if not run.ended():
            os.killpg(run.process.pid, signal.SIGTERM)
    for run in runs:
        run.process.wait()


def run_all(names: list[str], jobs: int, since: float) -> list[Run]:
    """Run the sessions, at most ``jobs`` at a time, and return them in the order in which they ended."""
    waiting, running, done = list(names), list[Run](), list[Run]()
    spoken = time.monotonic()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(start(waiting.pop(0)))
                say(f"start   {running[-1].name}", since)
            time.sleep(0.2)
            for run in [item for item in running if item.ended()]:
                running.remove(run)
                finish(run)
                done.append(run)
                say(
                    f"{'ok' if run.ok else 'FAILED':<7} {run.name} in {run.seconds:.1f} s  {run.detail}".rstrip(), since
                )
                if not run.ok:
                    show_failure(run)
                spoken = time.monotonic()
            if running and time.monotonic() - spoken > HEARTBEAT:
                spoken = time.monotonic()
                at_work = ", ".join(f"{run.name} ({spoken - run.started:.0f} s)" for run in running)
                say(f"running {at_work}; {len(waiting)} to come", since)
    finally:
        stop(running)
    return done


def show_table(runs: list[Run], since: float) -> bool:
    """Print each session with its result and time, then the totals; return whether all succeeded."""
    total = Count()
    print()
    print(f"{'session':<14} {'result':<7} {'seconds':>8} {'CPU':>8}  detail")
    for run in runs:
        total.add(run.count)
        result = "ok" if run.ok else "FAILED"
        print(f"{run.name:<14} {result:<7} {run.seconds:>8.1f} {run.cpu_s:>8.1f}  {run.detail}".rstrip())
    for run in runs:
        for line in left_out(run.name):
            print(f"  {run.name}: {line}")
    for run in runs:
        for file, seconds in seconds_by_file(run.name).items():
            if seconds >= SLOW_FILE_S:
                print(f"  {seconds:6.1f} s  {run.name}: {file}.py")
    # Last, because readers of a long log look at its end first.
    for run in runs:
        for line in failures(run.name):
            print(f"  {run.name}: {line}")
    tested = sum(1 for run in runs if "tests passed" in run.detail)
    elapsed = time.monotonic() - since
    print()
    print(f"{tested} sessions with tests and {len(runs) - tested} other checks in {elapsed:.0f} s.")
    print(f"{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""))
    return all(run.ok for run in runs)


def main() -> int:
    """Command line: the names of the sessions, or nothing for all of them."""
    parser = argparse.ArgumentParser(description="Run nox sessions side by side.")
    parser.add_argument("sessions", nargs="*", help="names of nox sessions; all of them when left out")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at a time")
    arguments = parser.parse_args()
    known = (*LONGEST_FIRST, *ON_REQUEST)
    unknown = [name for name in arguments.sessions if name not in known]
    if unknown:
        parser.error(f"no such session: {', '.join(unknown)}; there are {', '.join(known)}")
    names = [name for name in known if name in (arguments.sessions or LONGEST_FIRST)]
    LOGS.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    since = time.monotonic()
    return 0 if show_table(run_all(names, max(1, arguments.jobs), since), since) else 1


if __name__ == "__main__":
    sys.exit(main())
