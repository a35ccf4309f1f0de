# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A delivery that is killed at random instants: a database ends with each record once, other receivers with each at
least once and no more often than a batch for each kill, and nothing is missing.

PERIMETER_KILLS says how often (20 unless set; ``make faults`` sets 200). The seed is fixed, and random with ``make
faults``; PERIMETER_FAULT_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Identity
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import (
    Stream,
    describe,
    identity_hash,
    new_owner,
    write_stream,
)
from tests.faults.forks import Fork
from tests.faults.kill_history import campaign
from tests.faults.seeds import choose_seed
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.deliver_kit import event, http_options

KILLS = int(os.environ.get("PERIMETER_KILLS", "20"))
RECORDS = 12_000
SEGMENTS = 24


def make_spool(root: Path, poison: frozenset[int] = frozenset()) -> None:
    """Segments of a day; some lines are no records, and some records come twice with other content.

    ``poison`` are the numbers of those that the sandbox's receivers refuse.
    """
    identity = Identity(source="edgecast", account="0001", stream="events", parameters={})
    root.mkdir()
    write_stream(root, Stream(identity_hash(identity), new_owner(), describe(identity)), mode=0o600)
    folder = root / "dt=2026-11-01"
    folder.mkdir()
    for hour in range(SEGMENTS):
        words = {number: "POISON" if number in poison else "fine" for number in range(hour, RECORDS, SEGMENTS)}
        lines = [json.dumps(event(number, message=word)) for number, word in words.items()]
        lines.append("{no record" + str(hour))
        if hour == SEGMENTS - 1:
            lines += [json.dumps(event(number, content="changed")) for number in range(0, RECORDS, 100)]
        path = folder / f"20261101T{hour:02}0000Z-20261101T{hour:02}5959Z.ndjson"
        path.write_text("".join(f"{line}\n" for line in lines))
        os.utime(path, (1_000 + hour, 1_000 + hour))


def deliver(begin: Callable[[], None], params: dict[str, object]) -> dict[str, Any]:
    """What the killed process does: one delivery."""
    begin()
    result = run(params, False)
    if result.error is not None:
        raise result.error
    return result.values


def deliver_with_kills(params: dict[str, object], *, anew: bool) -> tuple[dict[str, Any], int]:
    """Kill deliveries at random instants, and let the last one end; returns its result, and how often one was killed.

    Args:
        params: the options of the module.
        anew: begin with a lost position when everything was delivered before the last kill; otherwise that is the end.
    """
    chance, killed = random.Random(choose_seed()), 0
    while killed < KILLS:
        process = Fork(deliver, params)
        ended = process.ended(chance.uniform(0.0, 6.0 / KILLS))
        process.kill()
        killed += not ended
        if ended:
            if not anew:
                break
            # Everything was delivered: begin anew with a lost position, so that all of it comes again.
            shutil.rmtree(str(params["state_dir"]))
    values = Fork(deliver, params, new=True).result(120)
    assert values["complete"]
    return values, killed


def test_a_delivery_that_is_killed_again_and_again(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("drop table if exists perimeter_records cascade")
    make_spool(tmp_path / "spool")
    options = {"database_url": database_url, "batch_records": 50}
    params: dict[str, object] = {
        "spool": str(tmp_path / "spool"), "sink": "sql", "sink_options": options, "state_dir": str(tmp_path / "state"),
    }  # fmt: skip
    values, _killed = deliver_with_kills(params, anew=True)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select record_key, content from perimeter_records_newest").fetchall()
        (stored,) = connection.execute("select count(*) from perimeter_records").fetchone() or (0,)
    expected = {f"id-{number}": "changed" if number % 100 == 0 else f"{number:016x}" for number in range(RECORDS)}
    assert len(rows) == RECORDS
    assert stored == RECORDS + RECORDS // 100
    assert dict(rows) == expected
    # Once for each time that the spool was read from its beginning, and never lost.
    quarantined = {json.loads(line)["text"] for line in Path(values["quarantine"]).read_text().splitlines()}
    assert quarantined == {"{no record" + str(hour) for hour in range(SEGMENTS)}


POISON = frozenset(range(7, RECORDS, 1500))
"""A few, far apart: a batch with many of one reason is an error of the receiver."""
BATCH = 50


@pytest.mark.parametrize("kind", ["webhook", "splunk_hec"])
def test_a_delivery_over_http_that_is_killed_again_and_again(kind: str, tmp_path: Path) -> None:
    make_spool(tmp_path / "spool", POISON)
    with Sandbox(webapps=1, findings=0) as sandbox:
        sandbox.faults.add({"kind": "status", "status": 503, "probability": 0.02, "times": -1})
        params: dict[str, object] = {
            "spool": str(tmp_path / "spool"), "sink": kind, "state_dir": str(tmp_path / "state"), "retries": 10,
            "sink_options": http_options(sandbox, kind) | {"batch_records": BATCH}, "max_wait": 60, "timeout": 30,
        }  # fmt: skip
        values, killed = deliver_with_kills(params, anew=False)
        room = sandbox.receivers
        got = room.hooks if kind == "webhook" else [item["event"] for item in room.events]
    found = Counter((item["id"], item["content"]) for item in got)
    expected = {(f"id-{number}", f"{number:016x}") for number in range(RECORDS) if number not in POISON}
    expected |= {(f"id-{number}", "changed") for number in range(0, RECORDS, 100)}
    assert set(found) == expected
    # A kill between the acknowledgement and the position sends that one batch again, and nothing else.
    assert found.total() - len(expected) <= killed * BATCH
    kept = [json.loads(line)["text"] for line in Path(values["quarantine"]).read_text().splitlines()]
    refused = {json.loads(text)["id"] for text in kept if text.startswith('{"')}
    assert refused == {f"id-{number}" for number in POISON}
    assert {text for text in kept if text.startswith("{no")} == {"{no record" + str(hour) for hour in range(SEGMENTS)}


def test_a_run_of_the_history_that_is_killed_again_and_again(history_url: str, tmp_path: Path) -> None:
    kills = min(50, KILLS) if "PERIMETER_KILLS" in os.environ else 6
    print(campaign(kills, choose_seed(), tmp_path, history_url))
