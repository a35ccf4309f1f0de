# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row that matches: pages, spans in halves, rows that move; and what the module and the stream make of it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import IncompleteRead, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import (
    CarbonBlackClient,
    ScanLogPage,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.export import CarbonBlackScanLogs
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.listing import (
    Search,
    check_criteria,
    check_sort,
    key_of,
    read_span,
    read_window,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.scan_log_info import run
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SpoolEntry, Window
from tests.sandbox import Sandbox

from ..carbon_black_kit import ANCHOR, NOW, RECORDS, Bodies, asked, client_of, info, info_options
from ..log_services_kit import log_stream

DAY = dt.timedelta(days=1)
START, END = NOW - 14 * DAY - dt.timedelta(hours=1), NOW


def keys(sandbox: Sandbox, *, rows: int = 50, **criteria: Any) -> list[tuple[Any, ...]]:
    with client_of(sandbox) as client:
        search = Search(criteria, rows=rows)
        return [key_of(row) for page in read_span(client, search, START, END) for row in page]


def test_each_page_is_asked_for_once_with_a_frozen_span(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        bodies = Bodies(client)
        found = [key_of(row) for page in read_span(client, Search({}, rows=50), START, END) for row in page]
    assert len(found) == len(set(found)) == RECORDS
    assert [body["start"] for body in bodies.sent] == list(range(0, RECORDS, 50))
    assert len({json.dumps(body["criteria"]) for body in bodies.sent}) == 1


@pytest.mark.parametrize("action", ["insert", "delete"])
@pytest.mark.parametrize("where", ["seen", "unseen"])
def test_pages_that_shift_are_read_again(sandbox: Sandbox, action: str, where: str) -> None:
    sandbox.faults.add({"kind": "mutate_between_pages", "action": action, "where": where, "n": 7, "skip": 3})
    found = set(keys(sandbox))
    assert found >= set(keys(sandbox, rows=10_000))


class Ties:
    """Rows of one second, which stand the other way round at the border of the pages from the second page on."""

    def __init__(self, count: int) -> None:
        self.names = [f"tag-{number}" for number in range(count)]
        self.asked: list[tuple[int, int]] = []

    def search(self, body: dict[str, Any]) -> ScanLogPage:
        start, rows = body["start"], body["rows"]
        self.asked.append((start, rows))
        names = self.names[:]
        if start:
            names[start - 1], names[start] = names[start], names[start - 1]
        found = names[start : start + rows]
        return ScanLogPage([{"full_tag": name, "scan_time": "2026-11-19T00:00:00Z"} for name in found], len(names))


def test_rows_of_one_second_at_the_border_of_pages_are_not_lost() -> None:
    ties = Ties(1500)
    pages = list(read_span(cast(CarbonBlackClient, ties), Search({}), START, END))
    assert {row["full_tag"] for page in pages for row in page} == set(ties.names)
    assert ties.asked == [(0, 1000), (1000, 1000), (0, 10_000)]


def test_no_page_reaches_beyond_what_the_service_shows() -> None:
    ties = Ties(9000)
    list(read_span(cast(CarbonBlackClient, ties), Search({}, rows=7000), START, END))
    assert ties.asked[:2] == [(0, 7000), (7000, 3000)]


def test_a_repeat_across_pages_is_no_loss(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "duplicate_record", "times": -1})
    found = set(keys(sandbox))
    sandbox.faults.clear()
    assert found == set(keys(sandbox))


def test_pages_that_are_cut_are_told(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "half_page", "skip": 2})
    assert len(set(keys(sandbox))) == RECORDS
    sandbox.faults.add({"kind": "wrong_count", "n": 5, "times": -1})
    with pytest.raises(IncompleteRead, match="announced 425 rows and sent 420, twice"):
        keys(sandbox)


def test_an_empty_page_ends_it_whatever_num_found_says(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "wrong_count", "n": 5, "times": -1})
    with pytest.raises(IncompleteRead):
        keys(sandbox, sources=["CLI"], registries=["nowhere"])
    assert len(asked(sandbox)) == 2


def crowd(**settings: Any) -> Sandbox:
    return Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, carbon_black=settings)


@pytest.mark.parametrize(("bounds", "capped"), [("start", False), ("both", True), ("neither", False)])
def test_ten_thousand_rows_or_more_are_read_in_halves(bounds: str, capped: bool) -> None:
    switches = {"carbon_black_bounds": bounds, "carbon_black_num_found_capped": capped}
    with crowd(records=12_000, days=2) as running:
        running.switches.update(switches)
        with client_of(running) as client:
            bodies = Bodies(client)
            search = Search({}, rows=10_000)
            found = [key_of(row) for page in read_span(client, search, START, END) for row in page]
        values = info(running, rows=10_000).values
    assert len(found) == len(set(found)) == 12_000
    assert all(body["start"] + body["rows"] <= 10_000 for body in bodies.sent)
    cut = bodies.sent[1]["criteria"]["scan_time"]["end"]
    assert cut.endswith(".500Z")
    assert (values["num_found"], len(values["scan_logs"]), values["truncated"]) == (12_000, 12_000, False)


def test_another_order_gives_ten_thousand_and_says_so() -> None:
    with crowd(records=10_050, days=2) as running:
        newest = info(running, rows=10_000, sort=[{"field": "scan_time", "order": "DESC"}])
    assert (len(newest.values["scan_logs"]), newest.values["num_found"], newest.values["truncated"]) == (
        10_000,
        10_050,
        True,
    )
    assert "10050 rows or more match" in newest.warnings[0]


def test_one_second_with_ten_thousand_rows_fails_loudly() -> None:
    with crowd(records=10, days=2, burst=10_000) as running, pytest.raises(IncompleteRead) as caught:
        info(running, rows=10_000, criteria={"scan_time": {"start": "2026-11-18", "end": "2026-11-20"}})
    assert "10001 rows or more were scanned in the second of 2026-11-19T12:00:00Z: more" in caught.value.message
    assert "Narrow the criteria" in caught.value.hint


def test_a_second_with_many_rows_is_found_among_others() -> None:
    with crowd(records=5_000, days=2, burst=9_000) as running:
        values = info(running, rows=10_000).values
    assert (len(values["scan_logs"]), values["num_found"]) == (14_000, 14_000)


def understating(count: int, announced: int, **settings: Any) -> Sandbox:
    """A service that says it has found less than there is."""
    running = crowd(records=count, days=2, **settings)
    running.faults.add({"kind": "wrong_count", "n": announced - count, "times": -1})
    return running


@pytest.mark.parametrize("count", [1000, 3000, 4200])
def test_more_rows_than_announced_are_read_and_told(count: int) -> None:
    with understating(count, 500) as running, client_of(running) as client:
        warnings: list[str] = []
        pages = list(read_window(client, Search({}), START, END, warnings))
    assert len({key_of(row) for page in pages for row in page}) == count
    assert f"announced 500 rows for 2026-11-06T11:00:00Z to 2026-11-20T12:00:00Z, and sent {count}" in warnings[0]


def test_a_stream_of_which_a_fraction_is_announced_is_collected_whole(tmp_path: Path) -> None:
    with log_stream("carbon_black", tmp_path, records=17_210, days=20) as stream:
        stream.sandbox.faults.add({"kind": "wrong_count", "n": -16_710, "times": -1})
        result = stream.run()
        assert (result.error, result.values["records"]) == (None, 17_210)
        assert any("reading continued until a page was not full" in warning for warning in result.warnings)


def test_the_module_reads_on_as_well() -> None:
    with understating(1700, 500) as running:
        result = info(running)
    assert (len(result.values["scan_logs"]), result.values["truncated"]) == (1700, False)
    assert "and sent 1700" in result.warnings[0]


def test_twins_on_several_pages_cost_no_second_reading(sandbox: Sandbox) -> None:
    sandbox.carbon_black.add_twins(3)
    with client_of(sandbox) as client:
        bodies = Bodies(client)
        rows = [row for page in read_span(client, Search({}, rows=50), START, END) for row in page]
    assert len(rows) == RECORDS + 3
    assert len(bodies.sent) == 9


@pytest.mark.parametrize("capped", [False, True])
def test_requests_for_dense_and_bursting_rows_follow_the_volume(tmp_path: Path, capped: bool) -> None:
    with log_stream("carbon_black", tmp_path, records=15_000, days=20, burst=9000) as stream:
        stream.sandbox.switches["carbon_black_num_found_capped"] = capped
        assert stream.run().values["records"] == 24_000
        assert stream.requests <= 2 * 24 + 40


# The module


def test_a_range_is_frozen_when_there_are_more_pages(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        bodies = Bodies(client)
        values = run(info_options(criteria={"scan_time": {"range": "-1w"}}, rows=100), client, False).values
    spans = [body["criteria"]["scan_time"] for body in bodies.sent]
    assert spans[0] == {"range": "-1w"}
    assert spans[1:] == [{"start": "2026-11-13T12:00:00.000Z", "end": "2026-11-20T12:00:00.000Z"}] * 3
    assert len(values["scan_logs"]) == values["num_found"]


def test_one_page_only_with_start(sandbox: Sandbox) -> None:
    pages = [info(sandbox, start=start, rows=200).values for start in (0, 200, 400, 600)]
    assert [len(values["scan_logs"]) for values in pages] == [200, 200, 20, 0]
    assert all(values["truncated"] and values["num_found"] == RECORDS for values in pages)
    assert len(asked(sandbox)) == 4
    assert info(sandbox, start=0, rows=500).values["truncated"] is False


def test_a_limit_says_that_there_is_more(sandbox: Sandbox) -> None:
    for rows in (50, 1000):
        values = info(sandbox, limit=60, rows=rows).values
        assert (len(values["scan_logs"]), values["num_found"], values["truncated"]) == (60, RECORDS, True)
    assert info(sandbox, limit=RECORDS).values["truncated"] is False


def test_rows_equal_in_all_that_identifies_them_count_as_one(sandbox: Sandbox) -> None:
    row = {"full_tag": "a", "scan_time": "2026-11-20T00:00:00Z", "source": "CLI"}
    body = json.dumps({"num_found": 3, "results": [row, {**row, "workloads": 2}, {**row, "source": "x"}]})
    sandbox.faults.add({"kind": "status", "status": 200, "body": body})
    values = info(sandbox).values
    assert (len(values["scan_logs"]), values["duplicates"], values["num_found"]) == (2, 1, 3)


def test_search_and_query(sandbox: Sandbox) -> None:
    values = info(sandbox, search="NGINX", query="[].name").values
    assert values["scan_logs"]
    assert all("nginx" in name for name in values["scan_logs"])
    assert len(values["scan_logs"]) == values["num_found"]


def test_malware_is_a_finding_too(sandbox: Sandbox) -> None:
    values = info(sandbox).values
    assert len(values["findings"]) == sum(scan["malware"] for scan in values["scan_logs"]) > 0
    assert {finding["severity"] for finding in values["findings"]} == {"critical"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"start": -1}, "start must not be negative"),
        ({"rows": 0}, "rows must be 1 to 10000, not 0"),
        ({"rows": 10_001}, "rows must be 1 to 10000, not 10001"),
        ({"limit": -1}, "limit must not be negative"),
        ({"criteria": {"cves": ["CVE-1"]}}, "criteria: cves is not known"),
        ({"criteria": {"sources": [1]}}, "sources must be a text or a list of texts"),
        ({"criteria": {"sources": [""]}}, "sources must be a text or a list of texts"),
        ({"criteria": {"scan_time": "-1d"}}, "scan_time takes range, or start and end"),
        ({"criteria": {"scan_time": {"rang": "-1d"}}}, "scan_time takes range, or start and end"),
        ({"criteria": {"time_range": {"start": "2026-11-19"}}}, "time_range needs both start and end"),
        ({"criteria": {"scan_time": {"range": "-0d"}}}, "is not a span of time"),
        ({"criteria": {"scan_time": {"range": "1d"}}}, "is not a span of time"),
        ({"criteria": {"scan_time": {"start": "2026-11-20", "end": "2026-11-19"}}}, "must be before"),
        ({"sort": [{"field": "", "order": "ASC"}]}, "sort needs a field"),
        ({"sort": [{"field": "a", "order": "UP"}]}, "sort needs a field"),
        ({"query": "["}, "query"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    sandbox: Sandbox, options: dict[str, Any], word: str
) -> None:
    with pytest.raises(OptionError, match=word):
        info(sandbox, **options)
    assert asked(sandbox) == []


def test_sort_in_each_spelling() -> None:
    assert check_sort([{"field": "scan_time", "order": "desc"}, {"field": "x"}, {"field": "y", "order": None}]) == [
        {"field": "scan_time", "order": "DESC"},
        {"field": "x", "order": "ASC"},
        {"field": "y", "order": "ASC"},
    ]
    assert check_sort(None) == []
    assert check_criteria(None) == ({}, [])


# The stream


def options(**changes: Any) -> dict[str, Any]:
    return {
        "criteria": None,
        "search": None,
        "malware_findings": False,
        "sensitive": "redact",
        "include_raw": False,
        **changes,
    }


def entries(sandbox: Sandbox, start: dt.datetime, end: dt.datetime, **changes: Any) -> list[SpoolEntry]:
    with client_of(sandbox) as client:
        source = CarbonBlackScanLogs(options(**changes), client)
        return [entry for page in source.pages(Window(start, end)) for entry in page]


def test_every_row_of_a_window(sandbox: Sandbox) -> None:
    found = entries(sandbox, START, END)
    assert len({entry.key for entry in found}) == len(found) == RECORDS
    for entry in found:
        assert dt.datetime.fromisoformat(entry.record["time"]) == entry.time
        assert (entry.key, len(entry.content)) == (entry.record["id"], 16)
    assert found == entries(sandbox, START, END)


@pytest.mark.parametrize("bounds", ["start", "both", "neither"])
def test_neighbouring_windows_lose_nothing_whatever_the_bounds_mean(sandbox: Sandbox, bounds: str) -> None:
    sandbox.switches["carbon_black_bounds"] = bounds
    sandbox.carbon_black.add_rows(3, 86_400, 86_400)  # at noon, where windows meet
    seen: set[str] = set()
    for day in range(15):
        window = Window(NOW - (day + 1) * DAY, NOW - day * DAY)
        page = entries(sandbox, window.start, window.end)
        seen |= {entry.key for entry in page if window.start <= entry.time < window.end}
    assert len(seen) == RECORDS + 3


def test_workloads_are_no_new_content(sandbox: Sandbox) -> None:
    rows = [{"full_tag": "a", "scan_time": "2026-11-20T00:00:00Z", "workloads": number} for number in (1, 2)]
    rows += [{"workloads": 3, "scan_time": "2026-11-20T00:00:00Z", "full_tag": "a"}, {**rows[0], "has_malware": True}]
    sandbox.faults.add({"kind": "status", "status": 200, "body": json.dumps({"num_found": 4, "results": rows})})
    first, second, third, changed = entries(sandbox, NOW - DAY, NOW)
    assert first.key == second.key == third.key == changed.key
    assert first.content == second.content == third.content != changed.content


def test_malware_findings_are_lines_of_their_own(sandbox: Sandbox) -> None:
    found = entries(sandbox, START, END, malware_findings=True, include_raw=True)
    findings = [entry for entry in found if entry.record["record"] == "finding"]
    assert len(found) == RECORDS + len(findings)
    assert findings
    assert len({entry.key for entry in found}) == len(found)
    assert all(json.loads(entry.record["raw"])["has_malware"] for entry in findings)


def test_a_row_without_a_time_stands_at_the_start_of_its_window(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 200, "body": '{"num_found": 1, "results": [{"full_tag": "a"}]}'})
    (entry,) = entries(sandbox, NOW - DAY, NOW)
    assert (entry.time, entry.record["time"]) == (NOW - DAY, None)


def test_identity_and_timing(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        base = CarbonBlackScanLogs(options(), client)
        identity, timing = base.identity, base.timing
        assert (identity.source, identity.account, identity.stream) == ("carbon_black", "ABCD1234", "scan_logs")
        for changes in (
            {"criteria": {"sources": "CLI"}},
            {"search": "x"},
            {"malware_findings": True},
            {"include_raw": True},
        ):
            assert CarbonBlackScanLogs(options(**changes), client).identity != identity
        assert CarbonBlackScanLogs(options(criteria={"sources": []}, search=""), client).identity == identity
        assert (timing.lag, timing.overlap, timing.window) == (DAY / 1440, DAY / 144, 366 * DAY)
        assert (timing.retention, timing.parallel) == (None, 1)
        with pytest.raises(OptionError, match="set by the collector"):
            CarbonBlackScanLogs(options(criteria={"time_range": {"range": "-1d"}}), client)


def test_another_order_is_frozen_too(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        bodies = Bodies(client)
        criteria = {"scan_time": {"range": "-1w"}}
        newest = [{"field": "scan_time", "order": "DESC"}]
        values = run(info_options(criteria=criteria, rows=100, sort=newest), client, False).values
    times = [scan["time"] for scan in values["scan_logs"]]
    assert times == sorted(times, reverse=True)
    assert (len(times), values["truncated"]) == (values["num_found"], False)
    assert {body["criteria"]["scan_time"]["start"] for body in bodies.sent[1:]} == {"2026-11-13T12:00:00.000Z"}
    limited = info(sandbox, sort=newest, rows=50, limit=60).values
    assert (len(limited["scan_logs"]), limited["truncated"]) == (60, True)


def test_pages_that_end_early_in_another_order(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "wrong_count", "n": 5, "times": -1})
    result = info(sandbox, sort=[{"field": "full_tag"}], rows=100)
    assert (len(result.values["scan_logs"]), result.values["truncated"]) == (RECORDS, True)


def test_rows_without_times_or_from_the_future_are_read_from_the_beginning(sandbox: Sandbox) -> None:
    for time in ("", "2031-01-01T00:00:00Z"):
        rows = [{"full_tag": "a", "scan_time": time}]
        body = json.dumps({"num_found": 2, "results": rows})
        sandbox.faults.add({"kind": "status", "status": 200, "body": body})
        with client_of(sandbox) as client:
            bodies = Bodies(client)
            run(info_options(), client, False)
        assert bodies.sent[1]["criteria"]["scan_time"]["start"] == "1969-12-31T23:59:00.000Z"
