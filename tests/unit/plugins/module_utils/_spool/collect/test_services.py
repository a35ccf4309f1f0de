# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every log service: each pair once, and requests and files that follow the volume."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.perf import requests_table
from tests.unit.plugins.module_utils.log_services_kit import SERVICES, log_stream

ROOT = Path(__file__).resolve().parents[6]
GUIDE = ROOT / "docs" / "docsite" / "rst" / "collecting_logs.rst"


@pytest.mark.parametrize("name", SERVICES)
def test_equal_keys_with_different_contents_are_written_once_each(name: str, tmp_path: Path) -> None:
    with log_stream(name, tmp_path, records=40, days=3) as stream:
        # Some of them are as old as the overlap, so that each run reads them again.
        if name == "indusface":
            stream.room.add(6)
        else:
            getattr(stream.room, {"edgecast": "add_events", "carbon_black": "add_rows"}.get(name, "add"))(6, 170)
        stream.room.add_twins(5)
        first = stream.run()
        assert first.values["changed_rows"] == 5
        records = stream.records()
        assert set(records.values()) == {1}
        for _run in range(3):
            again = stream.run()
            assert (again.changed, again.values["records"]) == (False, 0)
            assert stream.requests == stream.service.again
        assert stream.run(sweep="5d").changed is False
        assert stream.records() == records


def bound(name: str, records: int, days: int) -> int:
    """The requests that a first run may cost: twice the pages, and some; without pages, one for each day."""
    page = SERVICES[name].page
    return days + 2 if page is None else 2 * records // page + 4


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("records", "days"), [(0, 29), (300, 1), (300, 29), (10_000, 1), (10_000, 29), (15_000, 29)])
def test_requests_follow_the_volume(name: str, records: int, days: int, tmp_path: Path) -> None:
    if name == "indusface":
        records //= 100  # each scan log has findings, which are records too
    with log_stream(name, tmp_path, records=records, days=days) as stream:
        stream.sandbox.switches["scutum_rate_limit"] = 0  # the second run would begin within the limit of the first
        result = stream.run(lookback=f"{days}d")
        assert (result.error, result.values["complete"]) == (None, True)
        assert stream.requests <= bound(name, records, days)
        assert result.values["records"] >= records * 0.95, "the newest are left to the next run"
        stream.run()
        assert stream.requests <= stream.service.again


def guide_table() -> dict[str, list[int]]:
    """The table of the guide: the numbers of each service."""
    text = (
        GUIDE.read_text(encoding="utf-8").partition(".. requests-table-begin")[2].partition(".. requests-table-end")[0]
    )
    lines = [[cell.strip(" *-\n") for cell in line.split("\n     - ")] for line in text.split("\n   * - ")[2:]]
    return {line[0]: [int(cell.replace(",", "")) for cell in line[1:]] for line in lines}


def test_the_table_of_the_guide_is_what_the_command_counts() -> None:
    found = guide_table()
    for name, *cells in requests_table.table((300,)):
        assert found[name][:4] == [int(cell) for cell in cells]
    assert list(found) == list(requests_table.SERVICES)
    for name, numbers in found.items():
        for records, cells in zip(requests_table.RECORDS, (numbers[2:4], numbers[4:6], numbers[6:8]), strict=True):
            assert all(cell <= (31 if name == "Indusface" else 2 * records / 1000 + 4) for cell in cells)


def test_the_command_runs_by_itself_with_and_without_worker_processes() -> None:
    code = (
        "import sys; from tests.perf import requests_table as table; from tests.conftest import make_import_tree;"
        "sys.path.insert(0, str(make_import_tree()));"
        "cores = table.room('_vendor.crew'); cores.usable_cores = lambda: int(sys.argv[1]);"
        "print(table.requests('Edgecast', 300, 1))"
    )
    costs = {
        subprocess.run([sys.executable, "-c", code, cores], check=True, capture_output=True, text=True, cwd=ROOT).stdout
        for cores in ("1", "2")
    }
    assert len(costs) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_sparse_month_is_one_file_for_each_day(name: str, tmp_path: Path) -> None:
    with log_stream(name, tmp_path, records=277, days=29) as stream:
        stream.run()
        assert set(stream.files().values()) == {1}
        assert len(stream.files()) >= 29
