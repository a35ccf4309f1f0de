# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A delivery that is killed at random instants: the database ends with each record once, and nothing is missing.

PERIMETER_KILLS says how often (20 unless set; ``make faults`` sets 200). The seed is fixed, and random with ``make
faults``; PERIMETER_FAULT_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Identity
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import (
    Stream,
    describe,
    identity_hash,
    new_owner,
    write_stream,
)
from tests.faults.seeds import choose_seed
from tests.unit.plugins.module_utils.deliver_kit import event

KILLS = int(os.environ.get("PERIMETER_KILLS", "20"))
RECORDS = 12_000
SEGMENTS = 24
DELIVER = """
import json, sys
from tests.conftest import make_import_tree
sys.path.insert(0, str(make_import_tree()))
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import run
print("begin", flush=True)
result = run(json.load(sys.stdin), False)
if result.error is not None:
    raise result.error
print(json.dumps(result.values), flush=True)
"""
ROOT = Path(__file__).resolve().parents[2]


def make_spool(root: Path) -> None:
    """Segments of a day; some lines are no records, and some records come twice with other content."""
    identity = Identity(source="edgecast", account="0001", stream="events", parameters={})
    root.mkdir()
    write_stream(root, Stream(identity_hash(identity), new_owner(), describe(identity)), mode=0o600)
    folder = root / "dt=2026-11-01"
    folder.mkdir()
    for hour in range(SEGMENTS):
        lines = [json.dumps(event(number)) for number in range(hour, RECORDS, SEGMENTS)]
        lines.append("{no record" + str(hour))
        if hour == SEGMENTS - 1:
            lines += [json.dumps(event(number, content="changed")) for number in range(0, RECORDS, 100)]
        path = folder / f"20261101T{hour:02}0000Z-20261101T{hour:02}5959Z.ndjson"
        path.write_text("".join(f"{line}\n" for line in lines))
        os.utime(path, (1_000 + hour, 1_000 + hour))


def start(params: dict[str, object]) -> subprocess.Popen[bytes]:
    """A delivery in a process of its own, which has begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", DELIVER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(params).encode())
    process.stdin.close()
    process.stdin = None
    assert process.stdout.readline() == b"begin\n"
    return process


def test_a_delivery_that_is_killed_again_and_again(database_url: str, tmp_path: Path) -> None:
    chance = random.Random(choose_seed())
    with psycopg.connect(database_url) as connection:
        connection.execute("drop table if exists perimeter_records")
    make_spool(tmp_path / "spool")
    options = {"database_url": database_url, "batch_records": 50}
    params: dict[str, object] = {
        "spool": str(tmp_path / "spool"), "sink": "sql", "sink_options": options, "state_dir": str(tmp_path / "state"),
    }  # fmt: skip
    killed = 0
    while killed < KILLS:
        process = start(params)
        time.sleep(chance.uniform(0.0, 6.0 / KILLS))
        ended = process.poll()
        process.send_signal(signal.SIGKILL)
        _out, err = process.communicate()
        assert ended in (None, 0), err.decode()
        killed += ended is None
        if ended == 0:
            # Everything was delivered: begin anew with a lost position, so that all of it comes again.
            shutil.rmtree(tmp_path / "state")
    process = start(params)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    values = json.loads(out)
    assert values["complete"]
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select record_key, content from perimeter_records").fetchall()
    expected = {f"id-{number}": "changed" if number % 100 == 0 else f"{number:016x}" for number in range(RECORDS)}
    assert len(rows) == RECORDS
    assert dict(rows) == expected
    # Once for each time that the spool was read from its beginning, and never lost.
    quarantined = {json.loads(line)["text"] for line in Path(values["quarantine"]).read_text().splitlines()}
    assert quarantined == {"{no record" + str(hour) for hour in range(SEGMENTS)}
