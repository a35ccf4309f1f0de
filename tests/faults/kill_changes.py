# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill ``finding_changes`` at random instants, and see that nothing is lost and nothing is there twice.

Snapshots come one after the other, in each of which some findings are new, gone, fixed, reopened, worse or milder. A
process compares each, and ends by SIGKILL on its way; now and then the next snapshot comes before one could finish. In
the end one may finish. What happened to each finding, told by the segments in their order, must then be a history
without a break: each change begins where the one before ended, and the last leaves what the last snapshot holds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".build")]

from tests.unit.plugins.module_utils.changes_kit import Changes, finding  # noqa: E402

WORKER = """
import json, os, signal, sys
from tests.conftest import make_import_tree
sys.path.insert(0, str(make_import_tree()))
from ansible_collections.appsec.perimeter.plugins.module_utils._changes.run import run
WATCHED = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime"}
WRITES = os.O_WRONLY | os.O_RDWR
count = 0


def watch(event, arguments):
    global count
    written = event in WATCHED or (event == "open" and arguments[2] & WRITES)
    if written and str(arguments[0]).startswith(folder):
        count += 1
        if count == instant:
            os.kill(os.getpid(), signal.SIGKILL)


for line in sys.stdin:
    params, folder, instant = json.loads(line)
    child = os.fork()
    if not child:
        sys.addaudithook(watch)
        run(params, False)
        print(count, flush=True)
        os._exit(0)
    _child, status = os.waitpid(child, 0)
    print("killed" if os.WIFSIGNALED(status) else f"ended {status}", flush=True)
"""
"""One process that begins each run in a child of its own. A run kills itself before it creates, renames or removes a
file for the n-th time: between two of those, nothing on the disk changes that a later run would look at."""
FINDINGS = 400
ENDS = {"fixed": "fixed", "protected": "protected", "ignored": "ignored", "gone": None}
"""Where a finding is after a change; open after any other one."""
Standing = dict[str, tuple[str, str]]
"""State and severity of findings, by their ids."""


class ChangesCampaign:
    """A folder with a stream, and an estate that changes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.changes = Changes(folder)
        self.estate: dict[int, dict[str, Any]] = {}
        self.counter = 0
        self.killed = self.runs = 0
        self.steps = 20
        """Instants of a run; corrected by each one that ends."""
        self._instants: list[int] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.move()

    def close(self) -> None:
        """End the process, and close both pipes."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def move(self) -> None:
        """The next snapshot: about a fifth of the findings are other than before."""
        dice = self.random
        for number in list(self.estate):
            if dice.random() < 0.05:
                del self.estate[number]
        while len(self.estate) < FINDINGS:
            self.counter += 1
            self.estate[self.counter] = finding(self.counter, severity="medium")
        for number in dice.sample(sorted(self.estate), FINDINGS // 6):
            name, value = dice.choice(
                [("status", "fixed"), ("status", "open"), ("severity", "high"), ("severity", "low")]
            )
            self.estate[number] = {**self.estate[number], name: value}
        self.path = self.changes.snapshot(list(self.estate.values()))

    def run(self, instant: int) -> str:
        """One run on the snapshot, which is killed at an instant, or 0 for never; returns how it ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        params = {"findings": self.path, "dest": str(self.changes.dest), "state_dir": str(self.changes.state)}
        options = {**params, "compress": self.random.random() < 0.5}
        self.process.stdin.write(json.dumps([options, str(self.changes.folder), instant]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        if line.isdigit():
            self.steps = int(line)
            line = self.process.stdout.readline().strip()
        self.runs += 1
        if line not in ("killed", "ended 0"):
            raise SystemExit(f"a run failed: {line}")
        return line

    def kill_one(self) -> None:
        """One run that is killed at an instant between its beginning and its end; each instant is hit in turn."""
        if not self._instants:
            self._instants = self.random.sample(range(1, self.steps + 2), self.steps + 1)
        self.killed += self.run(self._instants.pop()) == "killed"

    def told(self) -> tuple[Standing, int]:
        """Where the findings are by the segments.

        Raises:
            SystemExit: a change does not begin where the one before ended, or is there twice.
        """
        standing: Standing = {}
        keys: set[str] = set()
        records = sorted(self.changes.written(), key=lambda record: record["at"])
        for record in records:
            name, before = record["finding"]["id"], record["before"]
            known = standing.pop(name, None)
            if record["key"] in keys:
                raise SystemExit(f"{record['key']} is there twice")
            keys.add(record["key"])
            if (before and (before["state"], before["severity"])) != known and not _never_told(known, before):
                raise SystemExit(
                    f"{name}: {record['change']} begins at {before}, and the change before ended at {known}"
                )
            state = ENDS.get(record["change"], "open")
            if state is not None:
                standing[name] = (state, record["finding"]["severity"])
        return standing, len(records)

    def expected(self) -> Standing:
        """Where the findings are by the last snapshot."""
        return {item["id"]: (item["status"], item["severity"]) for item in self.estate.values()}


def _never_told(known: tuple[str, str] | None, before: dict[str, str] | None) -> bool:
    """Whether a change begins at what no record tells: what is not open comes and changes its severity in silence."""
    if before is None:
        return known is None or known[0] != "open"
    return before["state"] != "open" and (known is None or known[0] != "open")


def campaign(kills: int, seed: int) -> str:
    """Kill runs so often while they are at work; returns a sentence on what was seen.

    Raises:
        SystemExit: something was lost, or is there twice; the seed is in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = ChangesCampaign(Path(folder), seed)
        try:
            while run.killed < kills:
                run.kill_one()
                if run.random.random() < 0.6:
                    run.move()
            run.run(0)
            told, count = run.told()
        except SystemExit as error:
            raise SystemExit(f"seed {seed}: {error}") from error
        finally:
            run.close()
        expected = run.expected()
    wrong = {
        name: (told.get(name), expected.get(name))
        for name in {*told, *expected}
        if told.get(name) != expected.get(name)
        # What is not open may come, go and change its severity without a record.
        and "open" in (told.get(name, ("",))[0], expected.get(name, ("",))[0])
    }
    if wrong:
        raise SystemExit(
            f"seed {seed}: {len(wrong)} findings are not where they are told to be: {list(wrong.items())[:3]}"
        )
    return f"{run.runs} runs, {run.killed} of them killed at work: {count} changes, each is there once."


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    print(campaign(options.kills, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
