# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks in the report: events are counted in bounded memory, and what was attacked and not blocked comes first."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import typing as t
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures.attacks import AttackTally
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures.collect import NO_SCANNER
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures.counts import TopCounts
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.records import Gaps
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import attack_factory as attacks
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory


def tally_of(events: t.Iterable[factory.Record], room: int = 1000) -> AttackTally:
    tally = AttackTally(room)
    for event in events:
        tally.add(event)
    return tally


def report_of(folder: Path, findings: list[factory.Record], **options: t.Any) -> dict[str, t.Any]:
    """The JSON report of a run."""
    dest = folder / "report.json"
    snapshot = factory.write_snapshot(folder / "findings.ndjson", findings)
    run({"findings": [snapshot], "outputs": {"json": dest}} | options, False)
    return t.cast("dict[str, t.Any]", json.loads(dest.read_bytes()))


def test_counts_of_few_words_are_exact_and_of_many_are_bounded() -> None:
    few: TopCounts[str] = TopCounts(10)
    for number in range(100):
        few.add(f"word {number % 10}", int(number % 10 == 3))
    assert few.exact
    assert few.top(2) == [("word 3", 10, 10), ("word 0", 10, 0)]
    many: TopCounts[str] = TopCounts(100)
    for number in range(20_000):
        many.add(f"rare {number}")
        many.add("often")
    assert len(many) <= 100
    assert not many.exact
    counted, _bad = many.get("often")
    assert 20_000 - many.missed <= counted <= 20_000
    assert many.top(1)[0][0] == "often"


def test_what_let_an_attack_through_counts_as_not_blocked() -> None:
    actions = (
        "blocked",
        "challenged",
        "redirected",
        "alerted",
        "allowed",
        "unknown",
        "no such word",
        None,
        ["blocked"],
    )
    figures = tally_of(attacks.event(action=action) for action in actions).figures()
    assert (figures["total"], figures["not_blocked"]) == (9, 6)
    assert figures["actions"] == {
        "blocked": 1, "challenged": 1, "redirected": 1, "alerted": 1, "allowed": 1, "unknown": 4,
    }  # fmt: skip


def test_the_timeline_has_hours_for_few_days_and_days_for_many_without_holes() -> None:
    hours = tally_of(attacks.event(time=f"2026-11-19T{hour:02d}:10:00Z") for hour in (1, 1, 5)).figures()["timeline"]
    assert [item["at"] for item in hours] == [f"2026-11-19T{hour:02d}" for hour in range(1, 6)]
    assert [item["events"] for item in hours] == [2, 0, 0, 0, 1]
    times = ("2026-10-30T04:00:00Z", "2026-11-04T23:59:59.9Z")
    days = tally_of(attacks.event(time=time, action="allowed") for time in times).figures()["timeline"]
    assert [item["at"][5:] for item in days] == ["10-30", "10-31", "11-01", "11-02", "11-03", "11-04"]
    assert sum(item["not_blocked"] for item in days) == 2


def test_times_that_are_none_are_counted_and_a_far_one_makes_no_long_timeline() -> None:
    times = (None, "", "yesterday", 5, "2026-99-99T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    figures = tally_of(attacks.event(time=time) for time in times).figures()
    assert figures["undated"] == 5
    assert len(figures["timeline"]) <= 92
    assert figures["total"] == 7


@pytest.mark.parametrize("rest", ["", ":", ":1:02", ":60:00", ":00:61", ":<b>00", ":\u0661\u0661:00", "     "])
def test_an_hour_with_invalid_minutes_is_no_time(rest: str) -> None:
    good = "2026-11-19T10:20:30Z"
    figures = tally_of(attacks.event(time=time) for time in (f"2026-11-19T09{rest}Z", good)).figures()
    assert figures["undated"] == 1
    assert (figures["first"], figures["last"]) == (good, good)


def test_no_event_is_kept_however_many_there_are() -> None:
    def flood(count: int) -> t.Iterator[factory.Record]:
        for number in range(count):
            words = {"client_ip": f"{number}", "host": f"h{number}.example", "categories": [f"c{number}"]}
            yield attacks.event(number, **words, country=f"{number}")

    tracemalloc.start()
    figures = tally_of(flood(30_000), room=500).figures()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert figures["total"] == 30_000
    assert figures["missed"] > 0
    assert peak < 6 << 20


@pytest.mark.parametrize("payload", factory.PAYLOADS)
def test_hostile_words_are_clipped_and_visible(payload: str) -> None:
    figures = tally_of([attacks.poisoned_event(payload), attacks.poisoned_event(payload * 2)]).figures()
    for name in ("clients", "countries", "categories", "hosts", "services"):
        for item in figures[name]:  # type: ignore[literal-required]
            word = item.get("name", item.get("source", ""))
            assert word.isprintable()
            assert len(word) < 300


def test_events_come_from_streams_and_files_plain_or_compressed(tmp_path: Path) -> None:
    stream = attacks.write_stream(tmp_path / "stream", [*attacks.events(40), attacks.gap()])
    plain = attacks.write_lines(tmp_path / "a.ndjson", attacks.events(7))
    packed = tmp_path / "b.ndjson.gz"
    packed.write_bytes(gzip.compress(Path(plain).read_bytes()))
    report = report_of(tmp_path, [factory.finding()], events=[stream, plain, str(packed)])
    assert report["attacks"]["total"] == 54
    assert [gap["reason"] for gap in report["gaps"]] == ["older than the service keeps"]
    assert report["warnings"][0]["headline"] == "Incomplete data"


def test_a_name_that_engines_must_not_read_is_not_read(tmp_path: Path) -> None:
    root = Path(attacks.write_stream(tmp_path / "stream", [attacks.event()]))
    (folder,) = root.glob("dt=*")
    (folder / ".segment-1.ndjson").write_text("half a line")
    (root / "_position.json").write_text("{}")
    gaps, tally = Gaps(), AttackTally()
    tally.read(root, gaps)
    assert (tally.total, gaps.count) == (1, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json\n", "line 1 of"),
        ('{"record": "event"}\n', "a schema other than 1"),
        ('{"record": "event", "schema": 1}\n[]\n', "line 2 of"),
        (None, "cannot be read"),
    ],
)
def test_events_that_cannot_be_read_are_one_clear_error(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "events.ndjson"
    if text is not None:
        path.write_text(text)
    dest = tmp_path / "report.json"
    with pytest.raises(FileError, match=words) as caught:
        run({"events": [str(path)], "outputs": {"json": dest}}, False)
    assert caught.value.message.startswith("events: ")
    assert not dest.exists()


def test_no_output_may_stand_on_an_input(tmp_path: Path) -> None:
    path = attacks.write_lines(tmp_path / "events.ndjson", [attacks.event()])
    with pytest.raises(OptionError, match="the same file"):
        run({"events": [path], "outputs": {"json": path}}, False)


def test_a_report_without_findings_is_about_attacks_and_without_anything_is_refused(tmp_path: Path) -> None:
    path = attacks.write_lines(tmp_path / "events.ndjson", attacks.events(30))
    outputs = {name: tmp_path / f"report.{name}" for name in ("html", "json", "markdown", "csv", "xlsx", "sarif")}
    result = run({"events": [path], "outputs": outputs}, False)
    assert result.values["summary"]["events"]["total"] == 30
    assert result.values["summary"]["generated"].startswith("2026-11-")
    assert result.values["summary"]["complete"] is True
    assert "No findings were given." in (tmp_path / "report.markdown").read_text()
    with pytest.raises(OptionError, match="`findings` is empty"):
        run({"outputs": outputs}, False)


def test_what_is_attacked_and_not_blocked_comes_first_whatever_its_severity(tmp_path: Path) -> None:
    findings = [
        factory.finding(1, severity="critical", title="Worst", rule_id="1"),
        factory.finding(2, severity="low", title="Attacked", rule_id="2"),
        factory.finding(3, severity="high", title="Held", rule_id="3", asset={"id": "2", "name": "B"}),
        factory.finding(4, severity="info", title="Said", rule_id="4", kind="vulnerability"),
    ]
    kinds = {1: "unobserved", 2: "attacked_not_blocked", 3: "blocked", 4: "attacked_not_blocked"}
    path = attacks.write_lines(tmp_path / "m.ndjson", (attacks.match(findings[n - 1], k) for n, k in kinds.items()))
    report = report_of(tmp_path, findings, matches=[path])
    risks = report["summary"]["top_risks"]
    assert [(risk["title"], risk["attacked"], risk["blocked"]) for risk in risks] == [
        ("Attacked", 1, 0), ("Worst", 0, 0), ("Held", 0, 1), ("Said", 1, 0),
    ]  # fmt: skip
    assert report["summary"]["attacked"] == {
        "attacked_not_blocked": 2, "blocked": 1, "scanner_only": 0, "unobserved": 1,
    }  # fmt: skip
    assert report["summary"]["applications"][0]["attacked"] == 2
    by_title = {item["title"]: item["match"]["kind"] for item in report["findings"]}
    assert by_title["Attacked"] == "attacked_not_blocked"
    assert by_title["Worst"] == "unobserved"


def test_of_two_matches_the_worse_counts_and_odd_ones_are_no_attack(tmp_path: Path) -> None:
    finding = factory.finding(1)
    odd = attacks.match(finding) | {"class": "hacked!", "events": None, "sources": "x", "host_events": "many"}
    records = [
        attacks.match(finding, "blocked"),
        attacks.match(finding),
        odd,
        {**odd, "finding": None},
        attacks.event(),
    ]
    path = attacks.write_lines(tmp_path / "m.ndjson", records)
    report = report_of(tmp_path, [finding, factory.finding(2)], matches=[path])
    kinds = {item["id"]: item["match"]["kind"] for item in report["findings"]}
    assert kinds == {"9000001": "attacked_not_blocked", "9000002": "unobserved"}


def test_a_match_finds_its_finding_by_unique_id_else_by_id_and_only_at_its_source(tmp_path: Path) -> None:
    findings = [
        factory.finding(1, unique_id=None),
        factory.finding(2),
        factory.finding(3, source="indusface", unique_id="u3"),
    ]
    records = [
        attacks.match({"source": "qualys", "id": "9000001", "unique_id": None}),
        attacks.match({"source": "qualys", "id": "changed", "unique_id": findings[1]["unique_id"]}),
        attacks.match({"source": "qualys", "id": "9000003", "unique_id": "u3"}),
    ]
    path = attacks.write_lines(tmp_path / "m.ndjson", records)
    report = report_of(tmp_path, findings, matches=[path])
    kinds = {item["id"]: item["match"]["kind"] for item in report["findings"]}
    assert kinds["9000001"] == kinds["9000002"] == "attacked_not_blocked"
    assert kinds["9000003"] == "unobserved"


@pytest.mark.parametrize(
    ("kinds", "noted"),
    [
        (("attacked_not_blocked",), True),
        (("blocked", "unobserved"), True),
        (("attacked_not_blocked", "scanner_only"), False),
        (("unobserved",), False),
    ],
)
def test_attacks_without_a_known_scanner_are_noted_beside_them(
    tmp_path: Path, kinds: tuple[str, ...], noted: bool
) -> None:
    findings = [factory.finding(number) for number, _kind in enumerate(kinds, 1)]
    records = [
        attacks.match({name: item[name] for name in ("source", "id", "unique_id")}) | {"class": kind}
        for item, kind in zip(findings, kinds, strict=True)
    ]
    path = attacks.write_lines(tmp_path / "m.ndjson", records)
    assert (NO_SCANNER in report_of(tmp_path, findings, matches=[path])["notes"]) is noted
