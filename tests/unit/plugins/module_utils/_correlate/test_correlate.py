# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``correlate`` reads, refuses, writes and says about it."""

from __future__ import annotations

import datetime as dt
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base import files
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    MissingLibrary,
    OptionError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._correlate import join
from ansible_collections.appsec.perimeter.plugins.module_utils._correlate.run import UNNAMED
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import duck
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils.correlate_kit import (
    NOW,
    correlate,
    event,
    finding,
    gap,
    lake_folder,
    lines,
    matches,
    snapshot,
    stream,
)

PLACE = {"host": "shop.example.com", "path_template": "/search", "parameter": "q", "attack_family": "sqli"}


@pytest.fixture
def findings(tmp_path: Path) -> Path:
    return snapshot(tmp_path / "findings.ndjson", [finding(1), finding(2, cwe=[79], parameter=None)])


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "matches.ndjson").read_bytes().splitlines()]


def test_a_match_says_everything(tmp_path: Path) -> None:
    events = [event(number, client_ip=f"198.51.100.{number % 40}") for number in range(50)]
    events += [event(60, action="alerted"), event(61, "https://shop.example.com/elsewhere")]
    (match,) = matches(tmp_path, [finding(1)], events)
    assert match["events"].pop("ids")[:2] == ["event-60", "event-49"]
    sources = match.pop("sources")
    assert match == {
        "record": "match",
        "schema": 1,
        "finding": {"source": "qualys", "id": "1", "unique_id": "unique-1"},
        "class": "attacked_not_blocked",
        "outcome": "mixed",
        "strength": "parameter",
        "family": "sqli",
        "events": {"count": 51, "first": "2026-11-29T00:00:00Z", "last": "2026-11-29T00:01:00Z"},
        "host_events": 1,
    }
    # The one that got through first, then the newest.
    assert sources[:3] == ["198.51.100.7", "198.51.100.9", "198.51.100.8"]
    assert len(sources) == join.SOURCES


def test_there_is_one_match_for_each_finding_that_is_not_fixed(tmp_path: Path) -> None:
    statuses = ("new", "open", "reopened", "retesting", "protected", "unknown", "fixed", None)
    found = matches(tmp_path, [finding(number, status=status) for number, status in enumerate(statuses)], [])
    assert [match["finding"]["id"] for match in found] == ["0", "1", "2", "3", "4", "5", "7"]
    assert {match["class"] for match in found} == {"unobserved"}
    assert found[0]["events"] == {"count": 0, "first": None, "last": None, "ids": []}
    assert [found[0][name] for name in ("outcome", "strength", "sources", "host_events")] == [None, None, [], 0]


def test_a_second_run_changes_nothing_and_check_mode_writes_nothing(tmp_path: Path, findings: Path) -> None:
    log = stream(tmp_path / "log", [event(1), event(2, action="alerted")])
    given = {"findings": [findings], "events": [log]}
    before = sorted(tmp_path.rglob("*"))
    assert correlate(tmp_path, check_mode=True, **given).changed
    assert sorted(tmp_path.rglob("*")) == before
    first = correlate(tmp_path, **given)
    dest = tmp_path / "matches.ndjson"
    assert first.changed
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    told = dest.stat()
    second = correlate(tmp_path, **given)
    assert not second.changed
    assert second.values == first.values
    assert (dest.stat().st_ino, dest.stat().st_mtime_ns) == (told.st_ino, told.st_mtime_ns)
    assert not correlate(tmp_path, check_mode=True, **given).changed
    assert sorted(tmp_path.rglob("*")) == sorted([*before, dest, tmp_path / "matches.ndjson.manifest.json"])


def test_segments_files_and_packed_ones_are_read_and_the_newest_content_holds(tmp_path: Path, findings: Path) -> None:
    log = stream(tmp_path / "log", [event(1, action="alerted"), event(2)], packed=True)
    stream(tmp_path / "log", [event(1)], number=2)
    file = tmp_path / "more.bin"
    file.write_bytes(lines([event(3)]))
    result = correlate(tmp_path, findings=[findings], events=[log, file, file])
    assert read(tmp_path)[0]["class"] == "blocked"
    assert read(tmp_path)[0]["events"]["count"] == 3
    assert result.values["summary"]["events"]["read"] == 4


def test_a_lake_and_its_stream_count_each_event_once(tmp_path: Path, findings: Path) -> None:
    lake = lake_folder(tmp_path / "lake", [event(1) | PLACE, event(2, action="alerted") | PLACE])
    assert correlate(tmp_path, findings=[findings], events=[lake]).values["summary"]["events"]["by_source"]
    assert read(tmp_path)[0]["events"] == {
        "count": 2, "first": "2026-11-29T00:00:01Z", "last": "2026-11-29T00:00:02Z", "ids": ["event-2", "event-1"],
    }  # fmt: skip
    for part in (lake / "record=event", lake / "record=event" / "source=edgecast"):
        correlate(tmp_path, findings=[findings], events=[part])
        assert read(tmp_path)[0]["events"]["count"] == 2
    # The stream is nearer to the truth than what was made of it.
    log = stream(tmp_path / "log", [event(2), event(3)])
    correlate(tmp_path, findings=[findings], events=[log, lake])
    assert (read(tmp_path)[0]["class"], read(tmp_path)[0]["events"]["count"]) == ("blocked", 3)


def test_the_window_leaves_out_what_is_older_and_keeps_what_has_no_time(tmp_path: Path, findings: Path) -> None:
    old, new = event(1, time="2026-11-20T11:59:59Z"), event(2, time="2026-11-28T12:00:00Z")
    log = stream(tmp_path / "log", [old], day="2026-11-20")
    stream(tmp_path / "log", [new, event(3, time=None), event(4, time="yesterday")], day="2026-11-28")
    lake = lake_folder(tmp_path / "lake", [event(5, time="2026-11-28T11:00:00Z") | PLACE], day="2026-11-28")
    result = correlate(tmp_path, findings=[findings], events=[log, lake], window="1d")
    assert read(tmp_path)[0]["events"]["ids"] == ["event-2", "event-4", "event-3"]
    summary = result.values["summary"]
    assert summary["window"] == {"from": "2026-11-28T12:00:00Z", "to": "2026-11-29T12:00:00Z"}
    assert (summary["events"]["first"], summary["events"]["without_time"]) == ("2026-11-28T12:00:00Z", 2)
    correlate(tmp_path, findings=[findings], events=[log, lake], window="2w")
    assert read(tmp_path)[0]["events"]["count"] == 5


@pytest.mark.parametrize("kind", ["gap", "missing", "empty", "nothing", "lake"])
def test_missing_events_are_said(tmp_path: Path, findings: Path, kind: str) -> None:
    log = tmp_path / "log"
    if kind == "gap":
        stream(log, [gap("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"), gap(), event(1)])
    elif kind == "empty":
        log.mkdir()
    elif kind == "nothing":
        stream(log, [])
    elif kind == "lake":
        (log / "record=gap" / "source=edgecast").mkdir(parents=True)
    result = correlate(tmp_path, findings=[findings], events=[log], window="30d")
    summary = result.values["summary"]
    assert summary["complete"] is False
    assert "unobserved proves nothing" in result.warnings[0]
    assert len(summary["gaps"]) == (1 if kind == "gap" else 0)


def test_a_gap_before_the_window_is_no_matter(tmp_path: Path, findings: Path) -> None:
    log = stream(tmp_path / "log", [gap("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"), event(1)])
    result = correlate(tmp_path, findings=[findings], events=[log], window="30d")
    assert result.values["summary"]["complete"] is True
    assert result.warnings == [UNNAMED]


@pytest.mark.parametrize("sources", [None, {}, {"addresses": [], "networks": None}, {"user_agents": ["*Qualys*"]}])
def test_without_scanners_a_warning_says_that_own_scans_count(
    tmp_path: Path, findings: Path, sources: dict[str, Any] | None
) -> None:
    log = stream(tmp_path / "log", [event(1)])
    result = correlate(tmp_path, findings=[findings], events=[log], scanner_sources=sources)
    assert result.warnings == ([] if (sources or {}).get("user_agents") else [UNNAMED])


def test_hosts_without_any_event_are_listed(tmp_path: Path) -> None:
    file = snapshot(tmp_path / "f.ndjson", [finding(1), finding(2, "https://intranet.example.com/a")])
    log = stream(tmp_path / "log", [event(1)])
    told = correlate(tmp_path, findings=[file], events=[log]).values["summary"]["events"]
    assert (told["hosts"], told["silent_hosts"]) == (2, ["intranet.example.com"])


HOSTILE = [
    "{{ lookup('pipe', 'id') }}",
    "'; DROP TABLE findings; --",
    "\u202egnp.exe\x00\x1b[31m\r\n",
    "\U0001f680\u65e5\u672c",
    "\ud800",
    "%ff%00",
    'a"b\\c',
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_data(tmp_path: Path, text: str) -> None:
    url = f"https://shop.example.com/{text}"
    found = finding(1, url, parameter=text, title=text, source=text, unique_id=text)
    shown = event(
        1, url, path=f"/{text}", user_agent=text, client_ip=text, message=text, categories=[text], source=text
    )
    shown["sub_events"] = [{"rule_id": "942100", "message": text, "matched_on": f"ARGS:{text}"}]
    sources = {"networks": ["192.0.2.0/24"], "user_agents": ["%_\\'*"]}
    (match,) = matches(tmp_path, [found], [shown, event(2)], scanner_sources=sources)
    # What no text can hold becomes a question mark in the log, as the collectors write it, and cuts its path there.
    assert (match["events"]["count"], match["host_events"]) == ((0, 2) if text == "\ud800" else (1, 1))


BAD_EVENTS: list[tuple[str, bytes, str]] = [
    ("not JSON", b"{nonsense\n", "line 2 of .* is not JSON"),
    ("half a line", b'{"record": "event", "sch', "line 2 of .* is not JSON"),
    ("not a record", b"[1, 2]\n", "line 2 of .* is not a record of this collection"),
    ("no record", b'{"schema": 1}\n', "line 2 of .* is not a record of this collection"),
    ("of tomorrow", lines([{**event(2), "schema": 2}]), "line 2 of .* a schema other than 1"),
    ("another kind", lines([finding(1)]), "records of kind finding"),
    ("no text", b"\xff\xfe\n", "line 2 of .* is not JSON"),
]


@pytest.mark.parametrize(("data", "words"), [row[1:] for row in BAD_EVENTS], ids=[row[0] for row in BAD_EVENTS])
def test_damaged_events_are_refused_by_name(tmp_path: Path, findings: Path, data: bytes, words: str) -> None:
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    good.write_bytes(lines([event(1)]))
    bad.write_bytes(lines([event(1)]) + data)
    with pytest.raises(FileError, match=words) as caught:
        correlate(tmp_path, findings=[findings], events=[good, bad])
    assert "bad.ndjson" in str(caught.value)
    assert not (tmp_path / "matches.ndjson").exists()


def test_damaged_segments_and_parquet_are_refused_by_name(tmp_path: Path, findings: Path) -> None:
    log = stream(tmp_path / "log", [event(1)], packed=True)
    (segment,) = log.rglob("*.gz")
    segment.write_bytes(segment.read_bytes()[:-9])
    with pytest.raises(FileError, match="compressed data is damaged"):
        correlate(tmp_path, findings=[findings], events=[log])
    for number, damage in enumerate((b"PAR1 and no more", b"", None)):
        lake = lake_folder(tmp_path / f"lake{number}", [event(1) | PLACE])
        (file,) = lake.rglob("*.parquet")
        file.write_bytes(file.read_bytes()[:-20] if damage is None else damage)
        with pytest.raises(FileError, match=r"data\.parquet is not an intact Parquet file"):
            correlate(tmp_path, findings=[findings], events=[lake])


def test_values_of_wrong_types_are_read_as_far_as_they_go(tmp_path: Path, findings: Path) -> None:
    odd = event(1) | {"id": 17, "sub_events": "none", "categories": "SQL injection", "rule_ids": {"a": 1}, "time": 5}
    log = tmp_path / "odd.ndjson"
    log.write_bytes(lines([odd, event(2) | {"client_ip": ["198.51.100.7"], "host": "shop.example.com", "action": 1}]))
    correlate(tmp_path, findings=[findings], events=[log])
    assert read(tmp_path)[0]["events"]["count"] == 2
    assert read(tmp_path)[0]["class"] == "attacked_not_blocked"


BAD_SNAPSHOTS: dict[str, dict[str, Any]] = {
    "is not complete": {"complete": False},
    "holds only what changed": {"since": "2026-11-01T00:00:00Z"},
    "holds webapps, not findings": {"stream": "webapps"},
    "its SHA-256 is not the one that its manifest states": {"sha256": "0" * 64},
    "its manifest states 7": {"records": 7},
    "is not a manifest of this version": {"schema": 2},
    "the file beside it is not a manifest": {"record": "finding"},
}


@pytest.mark.parametrize(("words", "manifest"), BAD_SNAPSHOTS.items(), ids=list(BAD_SNAPSHOTS))
def test_a_snapshot_that_proves_nothing_is_refused(tmp_path: Path, words: str, manifest: dict[str, Any]) -> None:
    file = snapshot(tmp_path / "f.ndjson", [finding(1)], **manifest)
    with pytest.raises(FileError, match=words):
        correlate(tmp_path, findings=[file], events=[tmp_path / "log"])


@pytest.mark.parametrize(
    ("record", "words"),
    [(gap(), "has a gap"), (event(1), "record of kind event"), ([1], "line 2 is not a record")],
)
def test_a_snapshot_of_something_else_is_refused(tmp_path: Path, record: Any, words: str) -> None:
    file = snapshot(tmp_path / "f.ndjson", [finding(1), record])
    with pytest.raises(FileError, match=words):
        correlate(tmp_path, findings=[file], events=[tmp_path / "log"])
    file.with_name("f.ndjson.manifest.json").unlink()
    with pytest.raises(FileError, match="there is no manifest beside it"):
        correlate(tmp_path, findings=[file], events=[tmp_path / "log"])
    with pytest.raises(FileError, match="there is no such file"):
        correlate(tmp_path, findings=[tmp_path / "nothing"], events=[tmp_path / "log"])


def test_the_newest_snapshot_holds_and_twins_are_two(tmp_path: Path) -> None:
    old = snapshot(
        tmp_path / "a.ndjson", [finding(1, "https://shop.example.com/old"), finding(2)],
        started="2026-11-01T00:00:00Z", finished="2026-11-01T00:00:00Z",
    )  # fmt: skip
    new = snapshot(tmp_path / "b.ndjson", [finding(1), finding(1)])
    log = stream(tmp_path / "log", [event(1)])
    result = correlate(tmp_path, findings=[old, new], events=[log])
    assert [(match["finding"]["id"], match["class"]) for match in read(tmp_path)] == [
        ("1", "blocked"),
        ("1", "blocked"),
        ("2", "blocked"),
    ]
    assert result.values["summary"]["findings"]["repeated"] == 1


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"window": "soon"}, "window: 'soon' is not a duration"),
    ({"window": "0d"}, "not a valid span of time"),
    ({"findings": []}, "findings is empty"),
    ({"events": []}, "events is empty"),
    ({"scanner_sources": {"networks": ["10.0.0.0/33"]}}, r"networks\[0\]: '10.0.0.0/33' is neither"),
    ({"scanner_sources": {"addresses": ["host"]}}, r"addresses\[0\]"),
    ({"scanner_sources": {"networks": ["0.0.0.0/0"]}}, "matches everything"),
    ({"scanner_sources": {"user_agents": ["**"]}}, "matches everything"),
]


@pytest.mark.parametrize(("options", "words"), BAD_OPTIONS, ids=str)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        correlate(tmp_path, **{"findings": [tmp_path / "f"], "events": [tmp_path / "e"], **options})


def test_a_folder_that_is_neither_is_refused(tmp_path: Path, findings: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "notes.txt").write_text("x")
    with pytest.raises(FileError, match="neither the directory of a stream nor a lake"):
        correlate(tmp_path, findings=[findings], events=[tmp_path / "odd"])
    with pytest.raises(FileError, match=r"the directory .* does not exist"):
        correlate(tmp_path, findings=[findings], events=[tmp_path / "log"], dest=str(tmp_path / "no" / "m.ndjson"))


def test_without_duckdb_there_is_an_error_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duck, "HAS_DUCKDB", False)
    with pytest.raises(MissingLibrary, match="duckdb"):
        correlate(tmp_path, findings=[tmp_path / "f"], events=[tmp_path / "e"])


def test_what_a_killed_run_left_is_removed_and_a_living_one_is_not(
    tmp_path: Path, findings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "matches.ndjson"
    left = tmp_path / ".matches.ndjson.12345678.work"
    (left / "deep").mkdir(parents=True)
    with files.working_folder(dest) as living:
        monkeypatch.setattr(files, "_MADE", -1.0)
        correlate(tmp_path, findings=[findings], events=[tmp_path / "log"])
        assert living.is_dir()
    assert not left.exists()
    assert not living.exists()


def test_events_on_many_paths_and_of_many_parameters_stay_apart(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(30)]
    findings = [finding(number, parameter=name) for number, name in enumerate(names)]
    events = [
        event(number, rule_ids=["942100"], sub_events=[{"rule_id": "942100", "matched_on": f"ARGS:{name}"}])
        for number, name in enumerate([*names, *(f"made-up-{number}" for number in range(300))])
    ]
    found = matches(tmp_path, findings, events)
    assert [match["events"]["ids"] for match in found] == [[f"event-{match['finding']['id']}"] for match in found]
    assert {match["host_events"] for match in found} == {329}


def test_ids_are_told_apart_by_host_and_without_an_id_by_content(tmp_path: Path) -> None:
    events = [event(1, id="same"), event(2, id="same", host="other.example.com"), event(3, id=""), event(4, id=None)]
    other = finding(2, "https://other.example.com/search")
    found = matches(tmp_path, [finding(1), other], [*events, events[2]])
    assert [match["events"]["count"] for match in found] == [3, 1]
    assert found[0]["events"]["ids"] == ["same"]


def test_the_clock_of_the_run_is_utc(tmp_path: Path, findings: Path) -> None:
    tokyo = NOW.astimezone(dt.timezone(dt.timedelta(hours=9)))
    result = correlate(tmp_path, findings=[findings], events=[tmp_path / "log"], window="1h", now=tokyo)
    assert result.values["summary"]["window"] == {"from": "2026-11-29T11:00:00Z", "to": "2026-11-29T12:00:00Z"}


def test_names_that_look_like_patterns_are_names(tmp_path: Path) -> None:
    folder = tmp_path / "it's [old] *"
    folder.mkdir()
    file = snapshot(folder / "f[1].ndjson", [finding(1)])
    log = stream(folder / "log?", [event(1)])
    lake = lake_folder(tmp_path / "plain", [event(2) | PLACE]).rename(folder / "lake[1]")
    correlate(folder, findings=[file], events=[log, lake])
    assert read(folder)[0]["events"]["count"] == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "f[1].ndjson", "f[1].ndjson.manifest.json", "lake[1]", "log?", "matches.ndjson",
        "matches.ndjson.manifest.json",
    ]  # fmt: skip
