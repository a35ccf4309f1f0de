# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as those who read them see them: what an exclusion, a waiver, evidence and a solution look like there."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._report.cells import safe_cell
from ansible_collections.appsec.perimeter.plugins.module_utils._report.formats.junit_writer import MAX_BYTES
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._gate import gate_kit
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit

RULES_ONLY = {
    "schema": 1,
    "name": "x",
    "missing_baseline": "all_new",
    "limits": {"all": {"vulnerability": {"high": 0}}},
}
SOLUTION = "Bind parameters.\nDo not build SQL of text."
KNOWLEDGE = {("qualys", "150003"): {"title": "SQL injection", "solution_text": SOLUTION, "cves": ["CVE-2024-0001"]}}


def sarif_of(report: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = kit.check_sarif(kit.render("sarif", report))["results"]
    return results


def skipped_in(report: Any) -> list[str | None]:
    return [case.get("message") for case in kit.check_junit(kit.render("junit", report)).iter("skipped")]


def vulnerability_of(**changes: Any) -> dict[str, Any]:
    """The only vulnerability of a GitLab report."""
    (item,) = kit.check_gitlab(kit.render("gitlab", kit.report_of([factory.finding(**changes)])))["vulnerabilities"]
    return dict(item)


# What does not count


def test_what_an_exclusion_takes_is_suppressed_and_skipped_with_its_name(tmp_path: Path) -> None:
    policy = {**kit.POLICY, "exclude": [{"reason": "the old shop", "rule_ids": {"include": [150003]}}]}
    findings = [factory.finding(1), factory.finding(2, rule_id="150001")]
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings, policy=policy))
    counted, excluded = sarif_of(report)
    assert "suppressions" not in counted
    justification = "excluded by the policy: the old shop"
    assert excluded["suppressions"] == [{"kind": "external", "status": "accepted", "justification": justification}]
    assert justification in skipped_in(report)


def test_what_no_rule_covers_is_suppressed_and_skipped(tmp_path: Path) -> None:
    findings = [factory.finding(1, kind="sensitive_content"), factory.finding(2)]
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings, policy=RULES_ONLY))
    told = [item["suppressions"][0]["justification"] for item in sarif_of(report) if "suppressions" in item]
    assert told == ["excluded: no rule covers such findings"]
    assert told[0] in skipped_in(report)


def test_an_application_that_the_policy_does_not_ask_for_is_suppressed_and_skipped(tmp_path: Path) -> None:
    other = {"id": "7", "name": "Other", "url": "https://other.example", "tags": []}
    findings = [factory.finding(1), factory.finding(2, asset=other)]
    policy = {**kit.POLICY, "scope": {"applications": ["Shop DE"]}}
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings, policy=policy))
    (told,) = [item["suppressions"][0]["justification"] for item in sarif_of(report) if "suppressions" in item]
    assert told == "excluded: this application is not in the scope of the policy"
    assert told in skipped_in(report)


def test_nothing_that_was_shown_vanishes_with_a_new_exclusion(tmp_path: Path) -> None:
    findings = kit.ordinary()
    before = kit.gate_of(tmp_path, findings)
    exclusion = {"reason": "not ours", "urls": {"include": ["*/login*"]}}
    after = kit.gate_of(tmp_path, findings, policy={**kit.POLICY, "exclude": [exclusion]})
    assert sum(item.by == "exclude" for item in after.decisions.values()) > 5
    reports = [kit.report_of(findings, gate=gate) for gate in (before, after)]
    shown, still = ({item["properties"]["id"] for item in sarif_of(report)} for report in reports)
    assert shown <= still
    shown, still = (
        {case.get("name") for case in kit.check_junit(kit.render("junit", report)).iter("testcase")}
        for report in reports
    )
    assert shown <= still


def test_information_that_no_rule_is_about_is_no_result(tmp_path: Path) -> None:
    """Thousands of such lines would hide what was excluded."""
    findings = [factory.finding(1, kind="information", severity="info"), factory.finding(2)]
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings))
    assert len(sarif_of(report)) == 1


def test_information_that_an_exclusion_takes_is_shown(tmp_path: Path) -> None:
    findings = [factory.finding(1, kind="information", severity="info", rule_id="150247"), factory.finding(2)]
    policy = {
        **kit.POLICY,
        "exclude": [{"reason": "banner", "rule_ids": {"include": [150247]}, "kinds": ["information"]}],
    }
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings, policy=policy))
    assert [item["suppressions"][0]["justification"] for item in sarif_of(report)[1:]] == [
        "excluded by the policy: banner"
    ]


def test_a_suppression_tells_its_waiver(tmp_path: Path) -> None:
    finding = factory.finding(1)
    waiver = gate_kit.waiver(match={"unique_ids": [finding["unique_id"]]}, reason="Behind a firewall.")
    gate = kit.gate_of(tmp_path, [finding], waivers=gate_kit.waivers(waiver))
    report = kit.report_of([finding], gate=gate)
    words = (
        f"waiver W-1: Behind a firewall., owner {waiver['owner']}, until {waiver['expires']}, ticket {waiver['ticket']}"
    )
    assert sarif_of(report)[0]["suppressions"][0]["justification"] == words
    assert words in skipped_in(report)
    (event,) = kit.check_ocsf(kit.render("ocsf", report))
    assert event["status_detail"] == words


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("patch", "words"), [(None, "virtual patch"), ("4711", "virtual patch 4711")])
def test_a_suppression_tells_a_virtual_patch(tmp_path: Path, gated: bool, patch: str | None, words: str) -> None:
    finding = factory.finding(1, status="protected", patch=patch)
    report = kit.report_of([finding], gate=kit.gate_of(tmp_path, [finding]) if gated else None)
    assert sarif_of(report)[0]["suppressions"][0]["justification"] == words
    assert words in skipped_in(report)


def test_a_suppression_tells_why_it_is_ignored_at_its_source(tmp_path: Path) -> None:
    ignored = {"reason": "False positive", "by": "ann", "at": None, "until": None, "comment": "Seen."}
    finding = factory.finding(1, ignored=ignored)
    report = kit.report_of([finding], gate=kit.gate_of(tmp_path, [finding]))
    assert sarif_of(report)[0]["suppressions"][0]["justification"] == "ignored: Seen."


# GitLab


def test_gitlab_shows_the_request_the_response_and_what_was_sent() -> None:
    item = vulnerability_of(evidence=[factory.evidence(), factory.evidence()])
    assert item["evidence"] == {
        "summary": "Parameter: id\nPayload: id=1%27%20OR%201%3D1--\nThe first of 2 recorded exchanges.",
        "request": {
            "headers": [
                {"name": "Host", "value": "shop.example.de"},
                {"name": "Cookie", "value": "VALUE_REDACTED"},
                {"name": "User-Agent", "value": "Mozilla/5.0"},
            ],
            "method": "GET",
            "url": "https://shop.example.de/item?id=1%27%20OR%201%3D1--",
        },
        "response": {"headers": [], "reason_phrase": "Internal Server Error", "status_code": 500},
    }


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            "HTTP/1.1 302 Found\nLocation: https://x/\nSet-Cookie: sid=1\n\nA: b",
            (302, "Found", ["Location", "Set-Cookie"]),
        ),
        ("HTTP/2 204\r\nServer: nginx\r\n\r\n", (204, "", ["Server"])),
        ("HTTP/1.1 200 OK\r\nno header\r\nX-A: b", (200, "OK", [])),
        ("<html>X-A: b", (0, "", [])),
        ("", (0, "", [])),
        (None, (0, "", [])),
    ],
)
def test_gitlab_reads_the_head_of_a_response(response: str | None, expected: tuple[int, str, list[str]]) -> None:
    answer = vulnerability_of(evidence=[factory.evidence(response=response)])["evidence"]["response"]
    assert (answer["status_code"], answer["reason_phrase"], [item["name"] for item in answer["headers"]]) == expected


@pytest.mark.parametrize("evidence", [[], [dict.fromkeys(factory.evidence())]])
def test_gitlab_has_all_members_of_evidence_also_when_nothing_was_recorded(evidence: list[Any]) -> None:
    found = vulnerability_of(evidence=evidence, method=None)["evidence"]
    assert found["summary"]
    assert found["request"] == {"headers": [], "method": "GET", "url": "https://shop.example.de/item?id=1"}
    assert found["response"] == {"headers": [], "reason_phrase": "", "status_code": 0}


def test_gitlab_masks_headers_with_secrets_whatever_the_export_kept() -> None:
    headers = "Cookie: sid=S3CRET\r\nAuthorization: Bearer S3CRET\r\nX-Api-Key: S3CRET\r\nAccept: */*"
    response = "HTTP/1.1 200 OK\r\nSet-Cookie: sid=S3CRET\r\n\r\nS3CRET"
    item = vulnerability_of(evidence=[factory.evidence(headers=headers, response=response)])
    assert "S3CRET" not in json.dumps(item)
    assert item["evidence"]["request"]["headers"][-1] == {"name": "Accept", "value": "*/*"}


def test_gitlab_says_how_to_fix_and_links_to_what_is_known() -> None:
    report = kit.report_of([factory.finding()], knowledge=KNOWLEDGE)
    (item,) = kit.check_gitlab(kit.render("gitlab", report))["vulnerabilities"]
    assert "Bind parameters" in item["solution"]
    assert item["links"] == [{"name": "CVE-2024-0001", "url": "https://nvd.nist.gov/vuln/detail/CVE-2024-0001"}]


def test_gitlab_lists_what_was_scanned() -> None:
    apps = factory.webapps(12)
    report = kit.report_of([factory.finding(method="POST")], webapps=apps)
    listed = kit.check_gitlab(kit.render("gitlab", report))["scan"]["scanned_resources"]
    urls = [(item["method"], item["url"]) for item in listed]
    scanned = {("GET", app["url"]) for app in apps if app["last_scan"]}
    assert len(scanned) == len(apps) - 1
    assert set(urls) == scanned | {("GET", "https://shop.example.de"), ("POST", "https://shop.example.de/item?id=1")}


def test_gitlab_takes_only_addresses_of_the_web_for_scanned_resources() -> None:
    listed = kit.check_gitlab(kit.render("gitlab", kit.report_of(kit.hostile())))["scan"]["scanned_resources"]
    assert 0 < len(listed) <= 1000
    assert all(item["url"].lower().startswith(("http://", "https://")) for item in listed)


@pytest.mark.parametrize(
    ("url", "asset", "hostname", "path"),
    [
        ("https://shop.example.de/item?id=1", None, "https://shop.example.de", "/item?id=1"),
        ("//evil/x", None, "", "/evil/x"),
        ("//evil/x", "https://shop.example.de/", "https://shop.example.de", "/evil/x"),
        ("/only/a/path", "https://shop.example.de/", "https://shop.example.de", "/only/a/path"),
        ("javascript:alert(1)", None, "", "/javascript:alert(1)"),
        ("https://user:secret@h:8443/x", None, "https://h:8443", "/x"),
        ("https://h:99999/x", None, "", "/https://h:99999/x"),
        ("http://[::1", None, "", "/http://[::1"),
        ("http://[2001:db8::1]:80/x", None, "http://[2001:db8::1]:80", "/x"),
        ("https://h", None, "https://h", "/"),
        ("HtTpS://H/x", None, "https://h", "/x"),
        (None, None, "", "/"),
    ],
)
def test_gitlab_has_a_hostname_only_where_there_is_one(
    url: str | None, asset: str | None, hostname: str, path: str
) -> None:
    item = vulnerability_of(url=url, asset={"id": "1", "name": "x", "url": asset, "tags": []})
    assert (item["location"]["hostname"], item["location"]["path"]) == (hostname, path)


# Solutions


def test_every_format_for_machines_carries_the_solution() -> None:
    report = kit.report_of([factory.finding()], knowledge=KNOWLEDGE)
    (rule,) = kit.check_sarif(kit.render("sarif", report))["tool"]["driver"]["rules"]
    assert rule["help"]["text"].startswith("Solution: Bind parameters.")
    failure = kit.check_junit(kit.render("junit", report)).find("./testsuite/testcase/failure")
    assert failure.text.endswith(f"Solution:\n{SOLUTION}")
    (event,) = kit.check_ocsf(kit.render("ocsf", report))
    assert event["vulnerabilities"][0]["remediation"]["desc"].startswith("Bind parameters.")


def test_solutions_take_no_room_of_other_findings_in_junit() -> None:
    entry = {"solution": "x" * 20_000}
    findings = [factory.finding(number) for number in range(16_000)]
    content = kit.render_bytes("junit", kit.report_of(findings, knowledge={("qualys", "150003"): entry}))
    assert len(content) < MAX_BYTES
    assert b"left out" not in content
    assert content.count(b"Solution:") > 5000


# CSV


def test_no_form_of_a_sign_begins_a_formula() -> None:
    """Every character that a spreadsheet may read as one of the four signs, by Unicode's own table."""
    forms = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.normalize("NFKC", character)[:1] in {"=", "+", "-", "@", "\N{MINUS SIGN}"}
    ]
    assert {"\ufe66", "\ufe62", "\uff1d", "="} <= set(forms)
    for character in forms:
        for words in (f"{character}1+1", f" {character}1+1", f'"{character}1+1'):
            assert safe_cell(words) == f"'{words}", hex(ord(character))
