# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for tests of the formats, and the public validators that judge them."""

from __future__ import annotations

import functools
import io
import json
import os
import random
import re
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.run import run as run_gate
from ansible_collections.appsec.perimeter.plugins.module_utils._report import writers
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs import read, scans
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.gate_view import GateView, read_gate
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.model import Place, ReportInput
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._gate import gate_kit
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory

ROOT = Path(os.environ.get("PERIMETER_ROOT") or Path(__file__).resolve().parents[5])
SCHEMAS = ROOT.parent / "shared" / "schemas"
IN_CI = bool(os.environ.get("CI"))
URLS = (
    "https://x",
    "https://shop.example.com/a/../../etc/passwd?q=1#f",
    "localhost:8080/x",
    "javascript:alert(1)",
    "//evil.example/x",
    "file:///etc/passwd",
    "http://[::1",
    "http://user@[fe80::1%25eth0]:99999/%ED%A0%80/%2e%2e/",
    "C:\\windows\\system32",
    "data:text/html,<script>1</script>",
    "/only/a/path",
    "?",
    "..",
    "https://täst.example/ü/日本?x=🙂",
    "https://" + "a" * 100_000,
)
HUGE = ("x" * 100_000, "日" * 100_000, "##vso[" * 20_000, "\x1b" * 100_000)


def schema_file(name: str) -> Path:
    """A public schema beside the checkout: CI always has it."""
    path = SCHEMAS / name
    if not path.is_file():
        (pytest.fail if IN_CI else pytest.skip)(f"{path} is missing: the public schemas lie beside the checkout")
    return path


def package(name: str) -> t.Any:
    """A validator; CI always has it."""
    if IN_CI:
        __import__(name)
    return pytest.importorskip(name)


def hostile() -> list[factory.Record]:
    """Every payload and every odd URL in every text, with texts of 100 kB, in all states."""
    found = factory.hostile_findings()
    for number, words in enumerate((*URLS, *HUGE), 1000):
        asset = {"id": str(number), "name": f"app {number % 7}", "url": words, "tags": [words]}
        found.append(factory.finding(number, url=words, parameter=words, asset=asset))
        found.append(factory.poisoned(words, number, severity="unknown", id=f"h{number}"))
    found.append(factory.finding(1, title=None, url=None, method=None, rule_id=None, cwe=[], unique_id=None))
    found.append(factory.finding(2, fingerprint="", unique_id=None, id="", first_seen="0001-01-01T00:00:00Z"))
    found.append(factory.finding(3, cwe=[79, 79, 0, -1], last_tested="9999-12-31T23:59:59Z", cvss_score=11))
    found.append(factory.finding(4, cvss_score=1e300, asset={}, status="fixed", last_tested="1970-01-02T00:00:00Z"))
    found.append(factory.finding(5, kind="information", severity="info"))
    found.append(factory.finding(6, status="protected"))
    return found


def ordinary() -> list[factory.Record]:
    """An estate of 300 findings."""
    return list(factory.estate_findings(300, 20))


def hostile_estate(count: int = 3000) -> list[factory.Record]:
    """Hostile findings of a few rules that have every severity and every score."""
    dice = random.Random(13)
    severities, words = ("critical", "high", "medium", "low", "info", "unknown"), (*factory.PAYLOADS, *URLS)
    found = []
    for number in range(count):
        changes: dict[str, t.Any] = {"rule_id": dice.choice((words[number % len(words)], "150003"))}
        changes |= {
            "severity": dice.choice(severities),
            "cvss_score": dice.choice((None, *range(11), 9.05, 6.95, 3.95)),
        }
        changes |= {"title": dice.choice(words), "url": dice.choice(words), "cwe": list(range(dice.randrange(30)))}
        found.append(factory.finding(number, **changes))
    return found


CASES: dict[str, t.Callable[[], list[factory.Record]]] = {"zero": list, "ordinary": ordinary, "hostile": hostile}
POLICY = {
    "schema": 1,
    "name": "formats",
    "missing_baseline": "all_new",
    "ignored_at_source": "honour",
    "limits": {"new": {"vulnerability": {"critical": 0, "high": 0}, "sensitive_content": {"critical": 5}}},
}


def gate_of(folder: Path, findings: list[factory.Record], **options: t.Any) -> GateView:
    """A verdict about findings, from a real run of the gate."""
    desk = gate_kit.Folder(folder)
    file = desk.snapshot(
        findings, filters=[], assets=sorted({str((item["asset"] or {}).get("id")) for item in findings})
    )
    params: dict[str, t.Any] = dict.fromkeys(("waivers", "baseline", "max_scan_age"))
    assets = {json.dumps(item["asset"], sort_keys=True): item["asset"] for item in findings}
    looked = [gate_kit.scan(id=str(number), asset=asset) for number, asset in enumerate(assets.values())]
    params |= {"scans": looked, "matches": [], "baseline_update": False, "run_id": "7", "report_only": False}
    params |= {"policy": POLICY, "dest": str(desk.dest), "findings": [file]} | options
    run_gate(params, False, clock=lambda: gate_kit.NOW)
    return read_gate(desk.dest)


def report_of(findings: list[factory.Record], **more: t.Any) -> ReportInput:
    """A report about findings in memory."""
    options: dict[str, t.Any] = {"title": "Report", "generated": factory.NOW} | more
    return collect.build(read.FindingList(findings), **options)


def full_report(folder: Path, case: str) -> ReportInput:
    """A report with everything that may be given: verdict, scans, places and knowledge."""
    findings = CASES[case]()
    words = "<b>[x](1) {0}</b>" + "`|" * 30
    entry = {
        "title": words,
        "diagnosis": words * 20,
        "solution": words * 300,
        "cves": ["CVE-2024-0001", "CVE-2024-0002"],
    }
    hostile_scan = gate_kit.scan(asset={"id": "1", "name": "=1+1 ##vso[x] <script>", "url": None, "tags": []})
    names = {(item["asset"] or {}).get("name") for item in findings[::2]}
    return report_of(
        findings,
        gate=gate_of(folder, findings),
        scans=scans.read_scan_inputs([gate_kit.scan(), hostile_scan]).scans(),
        places={str(name): Place("catalog/web apps:1.yml", 12, 11, 20) for name in names if name},
        knowledge={("qualys", "150003"): entry, ("qualys", "150001"): {**entry, "cves": []}},
        webapps=factory.webapps(10),
    )


def render(name: str, report: ReportInput) -> str:
    """One text format, after a look that it is UTF-8 and the same twice."""
    data = render_bytes(name, report)
    assert data == render_bytes(name, report)
    return data.decode("utf-8")


def render_bytes(name: str, report: ReportInput) -> bytes:
    """One format as the bytes of its file."""
    stream = io.BytesIO()
    writers.write(name, report, stream)
    return stream.getvalue()


@functools.cache
def _sarif_validator() -> t.Any:
    jsonschema = package("jsonschema")
    schema = json.loads(schema_file("sarif-2.1.0.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def check_sarif(content: str) -> dict[str, t.Any]:
    """OASIS' schema, and what GitHub refuses although the schema allows it. Returns the run."""
    document = json.loads(content)
    errors = [f"{error.json_path}: {error.message[:200]}" for error in _sarif_validator().iter_errors(document)]
    assert not errors, errors[:3]
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) <= 25_000
    assert len(run["results"]) <= 25_000
    for rule in rules:
        assert 0 <= float(rule["properties"]["security-severity"]) <= 10
        assert len(rule["properties"]["tags"]) <= 10
        assert len(rule["fullDescription"]["text"]) <= 1024
    for result in run["results"]:
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"]
        assert re.fullmatch(r"[0-9a-f]{16}:[1-9]\d*", result["partialFingerprints"]["primaryLocationLineHash"])
        for location in result["locations"]:
            check_uri(location["physicalLocation"]["artifactLocation"]["uri"])
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(marks)) == len(marks)
    return t.cast("dict[str, t.Any]", run)


def check_uri(uri: str) -> None:
    """Neither the schema nor the SARIF multitool catches these."""
    assert uri
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri), uri
    segments = uri.split("/")
    assert ":" not in segments[0]
    assert not uri.startswith("/")
    assert all(part not in ("", ".", "..") for part in segments), uri


@functools.cache
def _junit_schema() -> t.Any:
    return package("xmlschema").XMLSchema(str(schema_file("junit-10.xsd")))


def check_junit(content: str) -> t.Any:
    """Jenkins' schema, GitLab's unique names, and counts that are true. Returns the root element."""
    _junit_schema().validate(io.StringIO(content))
    assert len(content.encode()) < 30_000_000
    root = ET.fromstring(content)
    cases = root.findall("./testsuite/testcase")
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names)
    for suite in (root, *root.findall("testsuite")):
        inside = suite.findall(".//testcase")
        assert suite.get("tests") == str(len(inside))
        assert suite.get("failures") == str(sum(case.find("failure") is not None for case in inside))
        assert suite.get("errors") == str(sum(case.find("error") is not None for case in inside))
    return root


_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_ID, _NAMED = ("id", "name", "version"), ("type", "name", "value")


def check_gitlab(content: str) -> dict[str, t.Any]:
    """The rules of GitLab's DAST schema, restated: what is required, patterns and limits."""
    report: dict[str, t.Any] = json.loads(content)
    scan = report["scan"]
    assert report["version"] == "15.1.0"
    for tool in (scan["analyzer"], scan["scanner"]):
        assert all(isinstance(tool[name], str) and tool[name] for name in _ID)
        assert tool["vendor"]["name"]
    assert _SECONDS.fullmatch(scan["start_time"])
    assert _SECONDS.fullmatch(scan["end_time"])
    assert scan["status"] in ("success", "failure")
    assert scan["type"] == "dast"
    assert all(item["level"] in ("info", "warn", "fatal") and item["value"] for item in scan["messages"])
    assert all(0 < len(item["name"]) < 256 for item in scan.get("options", ()))
    for resource in scan["scanned_resources"]:
        assert resource["type"] == "url"
        assert resource["method"]
        assert resource["url"]
    seen = set()
    for item in report["vulnerabilities"]:
        assert item["id"] not in seen
        seen.add(item["id"])
        assert len(item["name"]) <= 255
        assert len(item["description"]) <= 1_048_576
        assert item["severity"] in ("Info", "Unknown", "Low", "Medium", "High", "Critical")
        assert len(item.get("solution", "")) <= 7000
        assert re.fullmatch(_SECONDS.pattern + r"\.\d{3}", item.get("discovered_at", "2020-01-01T00:00:00.000"))
        assert 1 <= len(item["identifiers"]) <= 20
        for identifier in item["identifiers"]:
            assert all(isinstance(identifier[name], str) and identifier[name] for name in _NAMED)
            assert re.match(r"(https?|ftp)://.", identifier.get("url", "https://x"))
        assert all(re.match(r"(https?|ftp)://.", link["url"]) for link in item["links"])
        _check_evidence(item["evidence"])
        assert set(item["location"]) == {"hostname", "method", "param", "path"}
        assert all(isinstance(value, str) for value in item["location"].values())
    return report


def _check_evidence(evidence: dict[str, t.Any]) -> None:
    """The schema asks for these members; importers of other tools for both messages."""
    request, response = evidence["request"], evidence["response"]
    assert isinstance(evidence["summary"], str)
    assert all(isinstance(request[name], str) and request[name] for name in ("method", "url"))
    assert isinstance(response["status_code"], int)
    assert not isinstance(response["status_code"], bool)
    assert isinstance(response["reason_phrase"], str)
    for header in (*request["headers"], *response["headers"]):
        assert header["name"]
        assert isinstance(header["value"], str)


@functools.cache
def _ocsf_validator() -> t.Any:
    ocsf, jsonschema = package("ocsf_json_schema"), package("jsonschema")
    schema = ocsf.OcsfJsonSchemaEmbedded(ocsf.get_ocsf_schema(version="1.5.0")).get_class_schema(
        "vulnerability_finding"
    )
    return jsonschema.validators.validator_for(schema)(schema)


def check_ocsf(content: str) -> list[dict[str, t.Any]]:
    """The schema of OCSF 1.5.0; and milliseconds, which it does not check."""
    events = [json.loads(line) for line in content.splitlines()]
    validator = _ocsf_validator()
    for event in events:
        errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(event)]
        assert not errors, errors[:3]
        times = (event["time"], *(event["finding_info"].get(f"{name}_seen_time", 10**13) for name in ("first", "last")))
        assert all(moment > 10**12 for moment in times)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        for item in event["vulnerabilities"]:
            assert sum(name in item for name in ("cve", "cwe", "advisory")) == 1
    return events


_GITHUB = re.compile(r"::(?:error|warning|notice) (?:[a-zA-Z]+=[^,:\r\n]*)(?:,[a-zA-Z]+=[^,:\r\n]*)*::[^\r\n]+")
_AZURE = re.compile(r"##vso\[task\.logissue type=(?:error|warning)(?:;[a-z]+=[^;\]\r\n]*)*;?\][^\r\n]+")


def check_commands(name: str, content: str) -> list[str]:
    """Each line is exactly one command of ours, and there are no more than the runner keeps."""
    lines = content.split("\n")
    assert lines.pop() == ""
    assert len(lines) <= 10
    for line in lines:
        assert line.isprintable(), line[:200]
        if name == "github_annotations":
            assert _GITHUB.fullmatch(line), line[:300]
            assert "##[" not in line
            assert "##vso[" not in line.lower()
        else:
            assert _AZURE.fullmatch(line), line[:300]
            assert line.lower().count("##vso[") == 1
            assert not line.startswith("::")
    return lines


def check_links(content: str) -> dict[str, t.Any]:
    """GitLab's annotations: links, and only http and https ones."""
    document: dict[str, t.Any] = json.loads(content)
    for links in document.values():
        assert 0 < len(links) <= 50
        for item in links:
            link = item["external_link"]
            assert set(link) == {"label", "url"}
            assert re.fullmatch(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+", link["url"])
    return document


CHECKS: dict[str, t.Callable[[str], t.Any]] = {
    "sarif": check_sarif,
    "junit": check_junit,
    "gitlab": check_gitlab,
    "ocsf": check_ocsf,
    "github_annotations": functools.partial(check_commands, "github_annotations"),
    "azure_annotations": functools.partial(check_commands, "azure_annotations"),
    "gitlab_annotations": check_links,
}
