# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says beside findings and attacks: due dates, waivers, images, services, streams, and five sentences."""

from __future__ import annotations

import io
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._report import writers
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import executive
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.history import read_history
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.scans import read_scan_inputs
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.waivers import read_waivers
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import attack_factory as attacks
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory, format_kit

ESTATE = list(factory.estate_findings(120, 12))


def run_all(folder: Path, findings: t.Iterable[factory.Record], **options: t.Any) -> dict[str, t.Any]:
    """A run in the formats for people; the JSON report."""
    outputs = {name: folder / f"report.{name}" for name in ("html", "json", "markdown")}
    snapshot = factory.write_snapshot(folder / "findings.ndjson", findings)
    run({"findings": [snapshot], "outputs": outputs} | options, False)
    return t.cast("dict[str, t.Any]", json.loads(outputs["json"].read_bytes()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, t.Any]]:
    """A run with everything that may be given."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_all(folder, ESTATE, webapps=factory.webapps(12), **attacks.everything(folder, ESTATE, 200))


def test_the_first_page_has_five_sentences_in_every_format(whole: tuple[Path, dict[str, t.Any]]) -> None:
    folder, report = whole
    topics = [sentence["topic"] for sentence in report["sentences"]]
    assert topics == ["Open risks", "What got worse", "What is attacked", "What is overdue", "How sure this is"]
    page, note = (folder / "report.html").read_text(), (folder / "report.markdown").read_text()
    for sentence in report["sentences"]:
        assert sentence["words"] in page
        assert f'id="{sentence["section"]}"' in page
        assert sentence["words"][:20] in note
        assert sentence["words"].endswith(".")


def test_every_part_of_the_page_is_there_and_only_when_it_has_something_to_say(
    whole: tuple[Path, dict[str, t.Any]], tmp_path: Path
) -> None:
    page = (whole[0] / "report.html").read_text()
    run_all(tmp_path, ESTATE[:5])
    plain = (tmp_path / "report.html").read_text()
    for name in ("summary", "changes", "risks", "applications", "findings", "ignored", "overview", "quality"):
        assert f'<section id="{name}"' in page
        assert f'<section id="{name}"' in plain
    for name in ("sla", "attacks", "images", "waivers"):
        assert f'<section id="{name}"' in page
        assert f'<section id="{name}"' not in plain
        assert f'href="#{name}"' not in plain


def test_a_service_that_failed_is_named_at_the_top_and_among_the_data(whole: tuple[Path, dict[str, t.Any]]) -> None:
    folder, report = whole
    assert [service["state"] for service in report["services"]] == ["complete", "complete", "failed"]
    words = "Scutum WAF could not be read, so its data is missing: HTTP 401: the key is not accepted."
    assert words in [warning["text"] for warning in report["warnings"]]
    page = (folder / "report.html").read_text()
    assert page.count(words) == 1
    assert "Outcome of reading each service" in page


@pytest.mark.parametrize("given", [[{}], ["Scutum"], [{"name": ""}]])
def test_a_service_without_a_name_is_refused(tmp_path: Path, given: list[t.Any]) -> None:
    with pytest.raises(OptionError, match=r"services\[0\]"):
        run_all(tmp_path, ESTATE[:1], services=given)


def test_the_same_inputs_give_the_same_bytes_and_more_of_them_are_a_change(tmp_path: Path) -> None:
    options = attacks.everything(tmp_path, ESTATE, 50)
    run_all(tmp_path, ESTATE, **options)
    page = (tmp_path / "report.html").read_bytes()
    snapshot = tmp_path / "findings.ndjson"
    params: dict[str, t.Any] = {"findings": [snapshot], "outputs": {"json": tmp_path / "report.json"}}
    again = run(params | options, False)
    assert not again.changed
    run({"findings": [snapshot], "outputs": {"html": tmp_path / "report.html"}} | options, False)
    assert (tmp_path / "report.html").read_bytes() == page
    more = attacks.write_lines(tmp_path / "more.ndjson", [attacks.event()])
    changed = run(params | options | {"events": [*options["events"], more]}, False)
    assert changed.changed
    assert changed.values["only_time_changed"] is False


def test_the_history_gives_trend_and_due_dates(whole: tuple[Path, dict[str, t.Any]]) -> None:
    folder, report = whole
    assert len(report["history"]["trend"]) == 26
    assert report["history"]["breached_total"] == 61
    sentence = report["sentences"][3]["words"]
    assert sentence == "61 risks are past the due date (21 critical and 40 high), 15 more are due within 7 days."
    page = (folder / "report.html").read_text()
    assert "Open risks over time" in page
    assert page.count('class="column"') >= 26


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "is not the history"),
        ('{"kind": "history", "schema": 2}', "schema other than 1"),
        ('{"kind": "gate"}', "is not the history"),
        ("{", "cannot be read"),
    ],
)
def test_a_file_that_is_no_history_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "h.json").write_text(content)
    with pytest.raises(FileError, match=words):
        read_history(tmp_path / "h.json")


def test_a_history_of_nonsense_breaks_nothing(tmp_path: Path) -> None:
    nonsense: t.Any = [None, 1, "x", [], {"at": "never", "open": 5}, {"at": "2026-01-01", "open": {"critical": "many"}}]
    document = {
        "schema": 1, "kind": "history", "counts": [], "trend": nonsense, "time_to_fix": nonsense,
        "sla": {"policy": {"critical": "x", "no such": 1}, "breached": nonsense, "due": 7, "by_severity": {"high": 1}},
    }  # fmt: skip
    (tmp_path / "h.json").write_text(json.dumps(document))
    report = run_all(tmp_path, ESTATE[:3], history=str(tmp_path / "h.json"))
    assert [point["at"] for point in report["history"]["trend"]] == ["2026-01-01T00:00:00Z"]


def test_waivers_are_listed_with_the_days_that_are_left(tmp_path: Path) -> None:
    path = tmp_path / "waivers.yml"
    path.write_text(
        "schema: 1\nwaivers:\n"
        "  - {id: late, owner: a, reason: b, ticket: c, type: risk_accepted, expires: 2026-11-01}\n"
        "  - {id: soon, expires: '2026-11-25'}\n  - {id: odd, expires: [1], reason: {a: b}}\n  - nothing\n"
    )
    rows = read_waivers(path, factory.NOW)
    states = [(row.id, row.state, row.days_left) for row in rows]
    assert states[:2] == [("late", "expired", -19), ("soon", "expiring", 5)]
    assert {state for _id, state, _days in states[2:]} == {"not known"}
    run_all(tmp_path, ESTATE[:3], waivers=str(path))
    assert "4 waivers, 1 expired." in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("content", ["a: [", "!!python/object/apply:os.system ['id']", "[]", "waivers: 5"])
def test_a_file_without_waivers_is_refused_and_no_tag_is_carried_out(tmp_path: Path, content: str) -> None:
    path = tmp_path / "waivers.yml"
    path.write_text(content)
    with pytest.raises(FileError, match="waivers: "):
        read_waivers(path, factory.NOW)


def test_of_each_image_the_newest_scan_counts_and_images_are_no_scans_of_applications(tmp_path: Path) -> None:
    old = attacks.image(5, time="2026-11-01T00:00:00Z", counts={"critical": 99}, malware=1)
    images = [attacks.image(5, malware=0), old, attacks.image(6, counts=None, conclusive=False), attacks.image(16)]
    stream = attacks.write_stream(tmp_path / "images", [*images, attacks.gap(source="carbon_black")])
    found = read_scan_inputs([stream])
    assert found.scans() == ()
    assert found.gaps.count == 1
    names = [image.name.split("/")[1] for image in found.images()]
    assert names == ["pay-16:1.16", "search-5:1.5", "shop-6:1.6"]
    assert found.images()[1].counts == {"critical": 1, "high": 5, "medium": 9, "low": 20, "info": 0, "unknown": 0}


def test_a_stream_of_findings_is_read_and_its_last_word_counts(tmp_path: Path) -> None:
    first = factory.finding(1, source="indusface", last_seen="2026-11-01T00:00:00Z", severity="low")
    last = first | {"last_seen": "2026-11-02T00:00:00Z", "severity": "high"}
    scan = format_kit.gate_kit.scan(source="indusface", time="2026-11-02T00:00:00Z")
    stream = attacks.write_stream(tmp_path / "indusface", [last, first, scan, attacks.gap()])
    result = run({"findings": [stream], "outputs": {"json": tmp_path / "report.json"}}, False)
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert [item["severity"] for item in report["findings"]] == ["high"]
    assert "duplicates" not in report["summary"]["quality"]
    assert "other_records" not in report["summary"]["quality"]
    assert [warning["headline"] for warning in report["warnings"]] == ["Incomplete data"]
    assert any("the newest record of each counts" in note for note in report["notes"])
    assert result.values["summary"]["total"] == 1


def test_without_findings_and_with_them_the_sentences_are_true_to_number() -> None:
    one = format_kit.report_of([factory.finding(1, first_seen="2026-11-19T00:00:00Z")])
    words = [sentence.words for sentence in executive.sentences(one)]
    assert words[0] == "1 risk is open in 1 application, 1 critical among them."
    assert words[3] == "0 open risks are older than 90 days, the oldest finding 1 day."
    assert executive.trend_of(one) == []
    assert executive.horizon_words("1d") == "1 day"
    assert executive.horizon_words("soon") == "soon"


@pytest.mark.parametrize("name", writers.FORMATS)
def test_hostile_text_in_every_input_stays_text_in_every_format(tmp_path: Path, name: str) -> None:
    """No writer fails, and the page holds no payload as markup."""
    findings = factory.hostile_findings()[:20]
    payloads = factory.PAYLOADS[:12]
    named = [{"name": payload, "reason": payload} for payload in payloads if payload]
    due = {"title": payloads[0], "asset": {"id": payloads[1], "name": payloads[0]}, "severity": payloads[0]}
    history = attacks.history(ESTATE) | {"time_to_fix": [{"application": {"name": payloads[3]}, "severity": "high"}]}
    history["sla"] |= {"breached": [due], "horizon": payloads[0]}
    waivers = {"waivers": [attacks.waiver(1, **dict.fromkeys(("id", "owner", "reason"), word)) for word in payloads]}
    (tmp_path / "h.json").write_text(json.dumps(history))
    (tmp_path / "w.json").write_text(json.dumps(waivers))
    options = {
        "events": [attacks.write_lines(tmp_path / "e.ndjson", map(attacks.poisoned_event, payloads))],
        "matches": [attacks.write_lines(tmp_path / "m.ndjson", (
            attacks.match(item, sources=payloads[:10], family=payloads[0]) for item in findings))],
        "scans": [attacks.image(n, asset={"id": f"{n}{word}", "name": word}) for n, word in enumerate(payloads)],
        "history": str(tmp_path / "h.json"), "waivers": str(tmp_path / "w.json"), "services": named,
    }  # fmt: skip
    snapshot = factory.write_snapshot(tmp_path / "findings.ndjson", findings)
    dest = tmp_path / "report.out"
    run({"findings": [snapshot], "outputs": {name: dest}} | options, False)
    data = dest.read_bytes()
    if name == "html":
        text = io.BytesIO(data).read().decode()
        assert "<script>window.__pwned" not in text
        assert "<img" not in text
        assert "<svg/onload" not in text
        assert text.count("</script>") == 3
    if name in ("github_annotations", "azure_annotations"):
        format_kit.check_commands(name, data.decode())
