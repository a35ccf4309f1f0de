# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded situations, each from files, with the verdict and the code that they have to give."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.schema_verdict import VERDICT
from tests.unit.plugins.module_utils._gate.gate_kit import (
    DROP,
    Folder,
    ago,
    day,
    finding,
    image,
    policy,
    scan,
    waiver,
    waivers,
)
from tests.unit.plugins.module_utils._gate.situation_kit import (
    ALL,
    SHARED,
    WAIVER_TEXT,
    Situation,
    after,
    baseline_of_another_application,
    broken_inside,
    changed_after_export,
    cut_gzip,
    damaged_baseline,
    excluded_when_adopted,
    file_without_manifest,
    fixed_then_back,
    foreign_baseline,
    ignored_when_adopted,
    images,
    indusface,
    matched,
    no_file,
    one_of_two_fails,
    protected_when_adopted,
    rescanned_before,
    ruled,
    scanned,
    scanned_but_not_exported,
    snapped,
    strict_filter,
    text_policy,
    text_waivers,
    twice,
    two_snapshots,
    vanished_in_a_bad_scan,
    vanished_then_back,
    waived,
    waived_when_adopted,
    whole_estate,
    with_stray,
)

VERDICT_SCHEMA = jsonschema.Draft202012Validator(VERDICT)
CODES = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}

SITUATIONS: list[tuple[str, str, Situation]] = [
    # How a scan ended.
    ("clean, complete and fresh", "pass", scanned()),
    (
        "cancelled without a finding",
        "inconclusive",
        scanned(status="cancelled", end_reason="cancelled", conclusive=False),
    ),
    ("no host alive", "inconclusive", scanned(end_reason="no_host_alive", conclusive=False)),
    ("no web service", "inconclusive", scanned(end_reason="no_web_service", conclusive=False)),
    (
        "login failed",
        "inconclusive",
        scanned(end_reason="authentication_failed", auth_status="FAILED", conclusive=False),
    ),
    ("login failed, scan called good", "inconclusive", scanned(auth_status="FAILED")),
    ("login in part", "inconclusive", scanned(auth_status="PARTIAL")),
    ("login word unknown", "inconclusive", scanned(auth_status="PERHAPS")),
    ("login never used", "pass", scanned(auth_status="NONE")),
    ("login not used, was before", "inconclusive", rescanned_before()(auth_status="NOT_USED")),
    ("zero links", "inconclusive", scanned(links_crawled=0)),
    ("links not told", "inconclusive", scanned(links_crawled=None)),
    ("far fewer links than before", "inconclusive", rescanned_before(links_crawled=1000)(links_crawled=400)),
    ("somewhat fewer links than before", "pass", rescanned_before(links_crawled=1000)(links_crawled=600)),
    ("time limit reached", "inconclusive", scanned(end_reason="time_limit", conclusive=False)),
    ("waiting timed out", "inconclusive", scanned(status="running", end_reason="still_running", conclusive=False)),
    ("still running", "inconclusive", scanned(status="running", end_reason=None, conclusive=False)),
    ("results still processing", "inconclusive", scanned(end_reason=None, conclusive=False)),
    ("scan error", "inconclusive", scanned(status="failed", end_reason="service_error", conclusive=False)),
    ("a word nobody knows", "inconclusive", scanned(status="unknown", end_reason=None, conclusive=False)),
    ("an end nobody knows", "inconclusive", scanned(end_reason="abducted")),
    ("discovery scan", "inconclusive", scanned(kind="discovery")),
    ("scan too old", "inconclusive", scanned(time=ago(days=3), ended=ago(days=2))),
    ("scan without a time", "inconclusive", scanned(time=None, ended=None)),
    ("scan from the future", "inconclusive", scanned(time=ago(hours=-2), ended=ago(hours=-2))),
    ("other option profile", "inconclusive", rescanned_before(profile="Full")(profile="CI quick")),
    (
        "option profile of the policy",
        "inconclusive",
        lambda folder: folder.gate([], policy=policy(scope={"profile": "Full"})),
    ),
    ("no scan was given", "inconclusive", lambda folder: folder.gate([], scans=[])),
    (
        "scans are optional",
        "pass",
        lambda folder: folder.gate([], scans=[], policy=policy(scope={"scans": "optional"})),
    ),
    (
        "an older scan went well, the newest failed",
        "inconclusive",
        lambda folder: folder.gate(
            [], scans=[scan(), scan(id="2", time=ago(hours=2.5), end_reason="error", status="failed")]
        ),
    ),
    (
        "a newer discovery scan changes nothing",
        "pass",
        lambda folder: folder.gate([], scans=[scan(), scan(id="2", time=ago(hours=1), kind="discovery")]),
    ),
    (
        "scan lost, violations known",
        "inconclusive",
        lambda folder: folder.gate([finding()], scans=[scan(links_crawled=0)]),
    ),
    ("scan file missing", "inconclusive", lambda folder: folder.gate([], scans=[scan(), "nowhere.ndjson"])),
    # What a snapshot proves.
    ("empty and complete", "pass", snapped()),
    ("a page lost", "inconclusive", snapped(finding(severity="low"), complete=False)),
    ("more announced than sent", "inconclusive", snapped(finding(severity="low"), announced_after=2)),
    ("count of the manifest differs", "inconclusive", snapped(finding(severity="low"), records=7)),
    ("no manifest", "inconclusive", file_without_manifest),
    ("changed after the export", "inconclusive", changed_after_export),
    ("cut off", "inconclusive", cut_gzip),
    ("no such file", "inconclusive", no_file),
    ("not JSON", "inconclusive", snapped("{")),
    ("a gap in the stream", "inconclusive", snapped({"record": "gap", "schema": 1})),
    ("a feed, not a snapshot", "inconclusive", snapped(since=ago(days=2))),
    ("snapshot too old", "inconclusive", snapped(started=ago(days=3), finished=ago(days=3))),
    ("snapshot from before the end of the scan", "inconclusive", snapped(started=ago(hours=2.5))),
    (
        "hidden by a filter",
        "inconclusive",
        snapped(filters=[{"field": "severity", "operator": "EQUALS", "value": "1"}]),
    ),
    ("a filter that the policy asks for", "pass", strict_filter),
    (
        "other applications only",
        "inconclusive",
        snapped(filters=[{"field": "webApp.id", "operator": "IN", "value": "1,2"}]),
    ),
    ("no findings at all were given", "inconclusive", lambda folder: folder.gate(files=[])),
    (
        "nothing in the whole estate",
        "inconclusive",
        lambda folder: folder.gate(
            files=[folder.snapshot([], filters=[])], scans=[], policy=policy(scope={"scans": "optional"})
        ),
    ),
    (
        "an application is missing",
        "inconclusive",
        lambda folder: folder.gate([], policy=policy(scope={"applications": ["shop", "pay"]})),
    ),
    ("scanned, and not among those that were exported", "inconclusive", scanned_but_not_exported),
    (
        "asked for by name, and seen",
        "pass",
        snapped(filters=[{"field": "webApp.name", "operator": "EQUALS", "value": "shop"}]),
    ),
    (
        "asked for by name, and never seen",
        "inconclusive",
        snapped(filters=[{"field": "webApp.name", "operator": "IN", "value": "shop,pay"}]),
    ),
    (
        "asked for by id, and never scanned",
        "inconclusive",
        snapped(filters=[{"field": "webApp.id", "operator": "IN", "value": "4711,4712"}]),
    ),
    (
        "a source is missing",
        "inconclusive",
        lambda folder: folder.gate([], policy=policy(scope={"sources": ["indusface"]})),
    ),
    ("whole estate, one application asked for", "pass", whole_estate),
    ("a critical finding without an application", "inconclusive", with_stray()),
    (
        "a critical finding whose application has a name only",
        "inconclusive",
        with_stray(asset={"id": None, "name": "other"}),
    ),
    ("a fixed finding without an application", "pass", with_stray(status="fixed")),
    ("information without an application", "pass", with_stray(kind="information", severity="info")),
    ("the newer of two snapshots holds", "pass", two_snapshots),
    ("one fails, one is unknown", "fail", one_of_two_fails),
    ("stricter age by the option", "inconclusive", lambda folder: folder.gate([], max_scan_age="1h")),
    (
        "the option cannot make it older",
        "inconclusive",
        lambda folder: folder.gate(
            [],
            scans=[scan(time=ago(days=3), ended=ago(days=2))],
            max_scan_age="30d",
            policy=policy(scope={"max_scan_age": "1d"}),
        ),
    ),
    ("Indusface totals never match", "pass", indusface()),
    ("Indusface Partial Scan", "inconclusive", indusface(status_native="Partial Scan")),
    ("Indusface Scan Error", "inconclusive", indusface(status_native="Scan Error")),
    ("Indusface Scan Success Time Over", "pass", indusface(status_native="Scan Success Time Over")),
    ("check mode", "inconclusive", lambda folder: folder.gate([], check=True)),
    ("check mode with violations", "inconclusive", lambda folder: folder.gate([finding()], check=True)),
    # What is new.
    ("new", "fail", after([], [finding()])),
    ("known", "pass", after([finding()], [finding(status="open")])),
    ("scanned once more, still new", "fail", twice([], [finding(status="new")], [finding(status="open")])),
    ("escalated", "fail", after([finding(severity="low")], [finding(severity="high", status="open")])),
    (
        "escalated, scanned once more",
        "fail",
        twice([finding(severity="low")], [finding(status="open")], [finding(status="open")]),
    ),
    ("milder than before", "pass", after([finding(severity="critical")], [finding(status="open")])),
    ("reopened", "fail", after([finding()], [finding(status="reopened")])),
    ("reopened, scanned once more", "fail", twice([finding()], [finding(status="reopened")], [finding(status="open")])),
    ("fixed, then back", "fail", fixed_then_back),
    ("vanished, then back", "fail", vanished_then_back),
    ("vanished while nothing was crawled, then back", "pass", vanished_in_a_bad_scan),
    ("new URL of an old rule", "fail", after([finding()], [finding(status="open"), finding(2)])),
    ("title changed", "pass", after([finding()], [finding(status="open", title="Another title")])),
    (
        "a second one with the fingerprint of the first",
        "fail",
        after([finding(**SHARED)], [finding(**SHARED, status="open"), finding(2, **SHARED)]),
    ),
    ("fixed", "pass", after([finding()], [finding(status="fixed")])),
    ("waived before, not any more", "fail", waived_when_adopted),
    ("protected before, not any more", "fail", protected_when_adopted),
    ("excluded before, not any more", "fail", excluded_when_adopted),
    ("ignored before, not any more", "fail", ignored_when_adopted),
    ("no baseline, all new", "fail", lambda folder: folder.gate([finding(status="open")])),
    (
        "no baseline, starting point",
        "pass",
        lambda folder: folder.gate([finding()], policy=policy(missing_baseline="adopt")),
    ),
    (
        "no baseline, no verdict",
        "inconclusive",
        lambda folder: folder.gate([], policy=policy(missing_baseline="inconclusive")),
    ),
    ("no baseline, nothing said", "policy_error", lambda folder: folder.gate([], policy=policy(missing_baseline=DROP))),
    ("damaged baseline", "policy_error", damaged_baseline),
    ("foreign baseline", "policy_error", foreign_baseline),
    ("baseline of another application", "fail", baseline_of_another_application),
    ("unknown severity", "fail", after([], [finding(severity="unknown")])),
    ("a word for severity that nobody knows", "fail", after([], [finding(severity="sev9")])),
    ("unknown status", "fail", after([], [finding(status="unknown")])),
    ("unknown kind", "fail", after([], [finding(kind="unknown")])),
    # Rules.
    ("within the limit", "pass", ruled(finding(1), finding(2), rules=[{"name": "a", "limit": 2}])),
    ("one more than the limit", "fail", ruled(finding(1), finding(2), finding(3), rules=[{"name": "a", "limit": 2}])),
    ("limit 0 allows none", "fail", ruled(finding(), rules=[{"name": "a", "limit": 0}])),
    ("only a warning", "pass", ruled(finding(), rules=[{"name": "a", "action": "warn"}])),
    ("rule in a range", "fail", ruled(finding(), rules=[{"name": "a", "rule_ids": {"include": ["150000-150010"]}}])),
    (
        "rule excluded by a range",
        "pass",
        ruled(
            finding(),
            rules=[{"name": "a", "rule_ids": {"exclude": ["150000-150010"]}}],
            may_exclude_all=["shop"],
        ),
    ),
    ("CWE named", "fail", ruled(finding(), rules=[{"name": "a", "cwe": {"include": ["CWE-79"]}}])),
    ("OWASP category named", "fail", ruled(finding(), rules=[{"name": "a", "owasp": {"include": ["A03"]}}])),
    (
        "other OWASP category",
        "pass",
        ruled(finding(), rules=[{"name": "a", "owasp": {"include": ["4-10"]}}], may_exclude_all=["shop"]),
    ),
    ("CVSS reached", "fail", ruled(finding(), rules=[{"name": "a", "cvss_min": 6.1}])),
    ("CVSS not reached", "pass", ruled(finding(), rules=[{"name": "a", "cvss_min": 7}])),
    ("CVSS not told", "fail", ruled(finding(cvss_score=None), rules=[{"name": "a", "cvss_min": 7}])),
    (
        "CVSS not told, and skipped",
        "pass",
        ruled(finding(cvss_score=None), rules=[{"name": "a", "cvss_min": 7, "without_score": "skip"}]),
    ),
    ("detection score reached", "fail", ruled(finding(), rules=[{"name": "a", "detection_score_min": 50}])),
    ("SLA broken", "fail", ruled(finding(first_seen=ago(days=8)), sla={"high": "7d"})),
    ("SLA kept", "pass", ruled(finding(first_seen=ago(days=6)), sla={"high": "7d"})),
    ("SLA of unknown age", "fail", ruled(finding(first_seen=None), sla={"high": "7d"})),
    ("tag", "fail", ruled(finding(), rules=[{"name": "a", "tags": {"include": ["PROD"]}}])),
    (
        "URL left out",
        "pass",
        ruled(
            finding(), rules=[{"name": "a", "urls": {"exclude": ["https://shop.*/page*"]}}], may_exclude_all=["4711"]
        ),
    ),
    ("information is not counted", "pass", ruled(finding(kind="information"), rules=[{"name": "a"}])),
    (
        "information when asked for",
        "fail",
        ruled(finding(kind="information"), rules=[{"name": "a", "kinds": ["information"]}]),
    ),
    (
        "override loosens",
        "pass",
        ruled(
            finding(), limits=ALL, applications=[{"match": ["shop"], "limits": {"all": {"vulnerability": {"high": 1}}}}]
        ),
    ),
    (
        "override tightens",
        "fail",
        ruled(
            finding(severity="low"),
            limits=ALL,
            applications=[{"match": ["47*"], "limits": {"all": {"vulnerability": {"low": 0}}}}],
        ),
    ),
    (
        "override takes a limit away",
        "pass",
        ruled(
            finding(),
            limits=ALL,
            applications=[{"match": ["shop"], "limits": {"all": {"vulnerability": {"high": None}}}}],
        ),
    ),
    ("limit for the run", "fail", ruled(finding(1), finding(2), rules=[{"name": "a", "limit": 1, "count_per": "run"}])),
    # Waivers, and what is ignored or protected at the source.
    ("waived", "pass", waived(waiver())),
    ("waiver for another finding", "fail", waived(waiver(match={"unique_ids": ["uuid-9"]}))),
    ("waiver until today", "pass", waived(waiver(expires=day(0)))),
    ("waiver expired yesterday", "fail", waived(waiver(expires=day(-1)))),
    (
        "waiver too long for what it covers",
        "fail",
        waived(waiver(expires=day(60), match={"rule_ids": [150001]}), finding(severity="critical")),
    ),
    ("waiver too long for anything", "policy_error", waived(waiver(expires=day(400)))),
    ("malformed date", "policy_error", waived(waiver(expires="2026-13-01"))),
    ("date of another form", "policy_error", waived(waiver(expires="01.12.2026"))),
    ("a date that YAML understands", "pass", text_waivers(WAIVER_TEXT % day(5))),
    ("a date that is not in the calendar", "policy_error", text_waivers(WAIVER_TEXT % "2026-02-30")),
    ("a time for a date", "policy_error", text_waivers(WAIVER_TEXT % "2026-12-01 10:00:00")),
    ("no date", "policy_error", waived(waiver(expires=DROP))),
    ("null for a date", "policy_error", text_waivers(WAIVER_TEXT % "")),
    ("never", "policy_error", text_waivers(WAIVER_TEXT % "never")),
    ("waiver created tomorrow", "policy_error", waived(waiver(created=day(1)))),
    ("waiver without owner", "policy_error", waived(waiver(owner=DROP))),
    ("unused waiver, strict", "policy_error", waived(waiver(match={"ids": ["0"]}), waivers={"strict": True})),
    ("two waivers of one name", "policy_error", lambda folder: folder.gate([], waivers=waivers(waiver(), waiver()))),
    ("ignored, no waiver", "fail", lambda folder: folder.gate([finding(ignored={"reason": "RISK_ACCEPTED"})])),
    ("ignored, and waived", "pass", waived(waiver(), finding(ignored={"reason": "RISK_ACCEPTED"}))),
    (
        "ignored, and honoured",
        "pass",
        lambda folder: folder.gate([finding(ignored={"reason": "X"})], policy=policy(ignored_at_source="honour")),
    ),
    (
        "ignored until yesterday",
        "fail",
        lambda folder: folder.gate(
            [finding(ignored={"until": ago(days=1)})], policy=policy(ignored_at_source="honour")
        ),
    ),
    (
        "ignored, and counted all the same",
        "fail",
        lambda folder: folder.gate([finding(ignored={})], policy=policy(ignored_at_source="count")),
    ),
    ("protected", "pass", lambda folder: folder.gate([finding(status="protected")])),
    (
        "protected, and counted",
        "fail",
        lambda folder: folder.gate([finding(status="protected")], policy=policy(protected="count")),
    ),
    ("protected, but attacks pass", "fail", matched("allowed", {}, status="protected")),
    (
        "protected, and no attack seen",
        "fail",
        lambda folder: folder.gate([finding(status="protected")], policy=policy(protected="require_match")),
    ),
    ("blocked by the firewall", "fail", matched("blocked", {})),
    ("blocked by the firewall, which counts", "pass", matched("blocked", {"blocked_by_waf": "exclude"})),
    # Container images.
    ("image without vulnerabilities", "pass", images(image())),
    ("image with malware", "fail", images(image(malware=1))),
    ("image with malware as a flag", "fail", images(image(malware=True))),
    ("image, malware not told", "inconclusive", images(image(malware=None))),
    ("image over a limit", "fail", images(image(counts={"critical": 1, "high": 0}))),
    ("image within its limits", "pass", images(image(counts={"critical": 0, "high": 2}))),
    ("image, unknown severity", "fail", images(image(counts={"unknown": 1}))),
    ("image without counts", "inconclusive", images(image(counts=None))),
    ("image scan failed", "inconclusive", images(image(status="failed"))),
    ("no image", "inconclusive", images()),
    ("required image missing", "inconclusive", images(image(), required=["*/pay:*"])),
    (
        "image with a rule of its own",
        "pass",
        images(image(counts={"critical": 1}), overrides=[{"match": ["*/shop:*"], "limits": {"critical": 1}}]),
    ),
    # Policies that are wrong.
    ("policy missing", "policy_error", lambda folder: folder.gate([], policy=str(folder.path / "nowhere.yml"))),
    ("policy without rules", "policy_error", text_policy("schema: 1\n")),
    ("unknown key", "policy_error", text_policy("schema: 1\nlimit: {}\n")),
    ("key twice", "policy_error", text_policy("schema: 1\nsla: {high: 7d}\nsla: {high: 70d}\n")),
    ("key twice in JSON", "policy_error", text_policy('{"schema": 1, "sla": {"high": "7d", "high": "9d"}}', "p.json")),
    ("YAML alias", "policy_error", text_policy("schema: 1\nsla: &a {high: 7d}\nlimits: *a\n")),
    (
        "YAML that runs code",
        "policy_error",
        text_policy("schema: 1\nname: !!python/object/apply:os.getcwd []\nsla: {high: 7d}\n"),
    ),
    ("not YAML", "policy_error", text_policy("schema: [\n")),
    ("other schema", "policy_error", text_policy("schema: 2\nsla: {high: 7d}\n")),
    ("range that runs backwards", "policy_error", ruled(rules=[{"name": "a", "cwe": {"include": ["89-79"]}}])),
    ("two rules of one name", "policy_error", ruled(rules=[{"name": "a"}, {"name": "a"}])),
    (
        "override names no rule",
        "policy_error",
        ruled(sla={"high": "7d"}, applications=[{"match": ["*"], "disable": ["x"]}]),
    ),
    ("age that is none", "policy_error", lambda folder: folder.gate([], max_scan_age="soon")),
    ("update without a baseline", "policy_error", lambda folder: folder.gate([], baseline_update=True)),
    ("YAML policy", "pass", text_policy("schema: 1\nsla: {high: 7d}\n")),
    # What nobody foresaw.
    ("broken inside", "platform_error", broken_inside),
]


@pytest.mark.parametrize(("name", "verdict", "situation"), SITUATIONS, ids=[name for name, *_rest in SITUATIONS])
def test_a_situation_has_its_verdict_and_code(name: str, verdict: str, situation: Situation, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    result = situation(folder)
    values = result.values
    assert values["verdict"] == verdict, values["reasons"]
    assert values["exit_code"] == CODES[verdict]
    assert (result.error is None) is (verdict == "pass")
    assert verdict == "pass" or any(item["verdict"] == verdict for item in values["reasons"])
    if "check mode" in name:
        assert not folder.dest.exists()
    else:
        written = folder.verdict()
        assert (written["verdict"], written["exit_code"], written["run_id"]) == (verdict, CODES[verdict], "7")
        assert [error.message for error in VERDICT_SCHEMA.iter_errors(written)] == []


def test_there_are_enough_situations_and_no_name_stands_twice() -> None:
    names = [name for name, *_rest in SITUATIONS]
    assert len(set(names)) == len(names) >= 40
