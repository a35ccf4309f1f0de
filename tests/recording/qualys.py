# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of Qualys: what reads, what writes, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tests.sandbox import Sandbox

from .keep import Area, file_content
from .qualys_options import AUTH_RECORDS, SCHEDULE, WEBAPP
from .stage import QualysStage

APP = 410001
FINDING = "5100001"
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "webapps": ("qualys_was_webapp_info", {}),
    "webapps, limit": ("qualys_was_webapp_info", {"limit": 3}),
    "webapps, verbose": ("qualys_was_webapp_info", {"detail": "verbose", "limit": 3}),
    "webapps, full": ("qualys_was_webapp_info", {"detail": "full", "limit": 4}),
    "webapps, count": ("qualys_was_webapp_info", {"count_only": True}),
    "webapps, one": ("qualys_was_webapp_info", {"id": APP}),
    "webapps, none": ("qualys_was_webapp_info", {"id": 1}),
    "webapps, filters": (
        "qualys_was_webapp_info",
        {
            "filters": [
                {"field": "tags.name", "value": "prod"},
                {"field": "id", "operator": "IN", "value": [APP, APP + 2]},
            ]
        },
    ),
    "webapps, query": ("qualys_was_webapp_info", {"query": "[].{name: name, tags: tags}"}),
    "findings": ("qualys_was_finding_info", {"limit": 6}),
    "findings, verbose": ("qualys_was_finding_info", {"limit": 6, "detail": "verbose"}),
    "findings, full": ("qualys_was_finding_info", {"limit": 3, "detail": "full"}),
    "findings, kept": ("qualys_was_finding_info", {"limit": 3, "detail": "verbose", "sensitive": "keep"}),
    "findings, raw": ("qualys_was_finding_info", {"limit": 2, "detail": "verbose", "include_raw": True}),
    "findings, all": ("qualys_was_finding_info", {"detail": "verbose"}),
    "findings, count": ("qualys_was_finding_info", {"count_only": True}),
    "findings, one": ("qualys_was_finding_info", {"id": FINDING}),
    "findings, filters": (
        "qualys_was_finding_info",
        {"filters": [{"field": "severity", "operator": "IN", "value": "4,5"}, {"field": "status", "value": ["NEW"]}]},
    ),
    "scans": ("qualys_was_scan_info", {}),
    "scans, full": ("qualys_was_scan_info", {"limit": 2, "detail": "full", "results": True}),
    "scans, count": ("qualys_was_scan_info", {"count_only": True}),
    "schedules": ("qualys_was_schedule_info", {}),
    "schedules, full": ("qualys_was_schedule_info", {"detail": "full"}),
    "auth records": ("qualys_was_auth_record_info", {}),
    "auth records, full": ("qualys_was_auth_record_info", {"detail": "full"}),
    "auth records, filters": (
        "qualys_was_auth_record_info",
        {"filters": [{"field": "contents", "value": "FORM_STANDARD"}]},
    ),
    "option profiles": ("qualys_was_option_profile_info", {}),
    "option profiles, full": ("qualys_was_option_profile_info", {"detail": "full"}),
    "tags": ("qualys_was_tag_info", {}),
    "tags, name": ("qualys_was_tag_info", {"name": "prod"}),
    "knowledge": ("qualys_kb_info", {"qids": [150001, 150003, 0]}),
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "webapp, nothing": ("qualys_was_webapp", {}),
    "webapp, choice": ("qualys_was_webapp", {"name": "a", "scope": "NONE"}),
    "webapp, scanner": ("qualys_was_webapp", {"id": APP, "default_scanner": {"friendly_name": "x"}}),
    "webapp, two ways": ("qualys_was_webapp", {"id": APP, "tags": ["prod"], "tags_add": ["uat"]}),
    "webapp, header": ("qualys_was_webapp", {"id": APP, "headers": ["no colon"]}),
    "webapp, unknown tag": ("qualys_was_webapp", {"id": APP, "tags": ["no such tag"]}),
    "webapp, unknown id": ("qualys_was_webapp", {"id": 1, "use_sitemap": True}),
    "webapps, prune": ("qualys_was_webapps", {"webapps": [{"id": APP}], "prune": True}),
    "webapps, absent": ("qualys_was_webapps", {"state": "absent"}),
    "webapps, ceiling": (
        "qualys_was_webapps",
        {"state": "absent", "filters": [{"field": "id", "operator": "IN", "value": [APP, APP + 1]}], "max_deletes": 1},
    ),
    "webapps, twice": ("qualys_was_webapps", {"webapps": [{"id": APP}, {"id": APP}]}),
    "webapp info, field": ("qualys_was_webapp_info", {"filters": [{"field": "colour", "value": 1}]}),
    "webapp info, operator": ("qualys_was_webapp_info", {"filters": [{"field": "id", "operator": "LIKE", "value": 1}]}),
    "webapp info, limit": ("qualys_was_webapp_info", {"limit": -1}),
    "webapp info, query": ("qualys_was_webapp_info", {"query": "[[["}),
    "finding info, id": ("qualys_was_finding_info", {"id": "../x"}),
    "finding, nothing": ("qualys_was_finding", {"state": "active"}),
    "finding, ceiling": ("qualys_was_finding", {"filters": [{"field": "id", "value": 1}], "state": "active"}),
    "export, nowhere": ("qualys_was_finding_export", {"dest": "/nowhere/at/all"}),
    "export, since": ("qualys_was_finding_export", {"dest": "{folder}/a", "since": "soon"}),
    "auth record, type": ("qualys_was_auth_record", {"name": "x", "form": {"type": "OTHER"}}),
    "auth record, pem": (
        "qualys_was_auth_record",
        {"name": "x", "server": {"certificate": {"name": "c", "contents": "none"}}},
    ),
    "auth records, prune": ("qualys_was_auth_records", {"auth_records": [], "prune": True}),
    "auth record info": ("qualys_was_auth_record_info", {"id": 1, "limit": 2}),
    "purge, ceiling": ("qualys_was_webapp_purge", {"filters": [{"field": "id", "value": 1}]}),
    "script": ("qualys_was_selenium_script", {"webapp_id": APP, "script_id": 7}),
    "knowledge": ("qualys_kb_info", {"qids": []}),
    "knowledge, age": ("qualys_kb_info", {"qids": [1], "max_age": "old"}),
    "profile": ("qualys_was_option_profile_info", {"id": 1, "name": "x"}),
    "tag": ("qualys_was_tag_info", {"filters": [{"field": "url", "value": "x"}]}),
    "scan, webapp": ("qualys_was_scan", {"webapp": "no such application", "name": "x"}),
    "scan, wait": ("qualys_was_scan", {"webapp": str(APP), "name": "x", "wait_timeout": "soon"}),
    "scan info": ("qualys_was_scan_info", {"filters": [{"field": "colour", "value": 1}]}),
    "schedule, start": ("qualys_was_schedule", {**SCHEDULE, "start": "soon"}),
    "schedule, both": ("qualys_was_schedule", {**SCHEDULE, "tags": ["prod"]}),
    "schedule info": ("qualys_was_schedule_info", {"count_only": True, "query": "x"}),
    "report, target": ("qualys_was_report", {"name": "r", "targets": {"webapps": ["none"]}, "dest": "{folder}/r"}),
    "platform": ("qualys_was_webapp_info", {"api_url": "http://example.com"}),
}
FAULTS: dict[str, dict[str, Any]] = {
    "credentials": {"kind": "response_code", "code": "INVALID_CREDENTIALS", "message": "Authentication has failed."},
    "page": {"kind": "html_200", "times": -1},
    "cut": {"kind": "truncated_json", "times": -1},
    "status": {"kind": "status", "status": 503, "times": -1},
    "busy": {"kind": "status", "status": 409, "headers": {"X-RateLimit-ToWait-Sec": "30"}},
    "redirect": {"kind": "redirect", "location": "https://elsewhere.test/"},
}


def record(folder: Path) -> list[Area]:
    """The areas of Qualys."""
    reads, refusals, writes = Area("qualys_reads"), Area("qualys_refusals"), Area("qualys_writes")
    with Sandbox(webapps=24, findings=160) as sandbox:
        _reads(QualysStage(reads, folder, sandbox))
        _exports(QualysStage(reads, folder, sandbox))
        _refusals(QualysStage(refusals, folder, sandbox))
        _writes(QualysStage(writes, folder, sandbox))
    return [reads, refusals, writes]


def _reads(stage: QualysStage) -> None:
    stage.begin()
    for case, (module, options) in QUESTIONS.items():
        stage.read(case, module, **options)
    for case in ("webapps", "findings", "scans", "schedules", "auth records", "option profiles", "tags", "knowledge"):
        module, options = QUESTIONS[case]
        stage.checked(f"{case}: check", module, **options)
    dest = stage.folder / "knowledge.json"
    for case in ("knowledge to a file", "knowledge to a file: again"):
        options = {"qids": [150001, 150003, 0], "dest": str(dest)}
        stage.run(
            case,
            "qualys_kb_info",
            options,
            stage.connection,
            file=lambda: file_content(dest.read_bytes(), stage.places),
        )


def _exports(stage: QualysStage) -> None:
    for detail in ("summary", "verbose", "full"):
        _export(stage, f"export, {detail}", "findings.ndjson", detail=detail)
    _export(stage, "export, compressed", "findings.ndjson.gz")
    _export(stage, "export, raw and kept", "raw.ndjson", include_raw=True, sensitive="keep")
    _export(stage, "export, since", "since.ndjson", since="2026-10-01T00:00:00Z")
    _export(stage, "export, filters", "some.ndjson", filters=[{"field": "webApp.id", "value": APP}])
    stage.begin()
    assert stage.sandbox is not None
    stage.sandbox.faults.add(kind="half_page", match={"route": "/search/"}, times=-1)
    _export(stage, "export, incomplete", "half.ndjson", begin=False)


def _export(stage: QualysStage, case: str, name: str, *, begin: bool = True, **options: Any) -> None:
    if begin:
        stage.begin()
    dest = stage.folder / name
    whole = {"dest": str(dest), **options}

    def content() -> Any:
        data = dest.read_bytes()
        return file_content(gzip.decompress(data) if name.endswith(".gz") else data, stage.places)

    def manifest() -> Any:
        return _steady(Path(f"{dest}.manifest.json").read_text(encoding="utf-8"), name)

    stage.run(f"{case}: check", "qualys_was_finding_export", whole, stage.connection, check=True)
    stage.run(case, "qualys_was_finding_export", whole, stage.connection, content=content, manifest=manifest)
    stage.run(f"{case}: again", "qualys_was_finding_export", whole, stage.connection)
    dest.unlink()
    Path(f"{dest}.manifest.json").unlink()


def _steady(manifest: str, name: str) -> Any:
    """A manifest; the size and hash of what is compressed depend on the library that compresses."""
    told = json.loads(manifest)
    return {key: item for key, item in told.items() if not (name.endswith(".gz") and key in ("bytes", "sha256"))}


def _refusals(stage: QualysStage) -> None:
    stage.begin()
    for case, (module, options) in REFUSED.items():
        given = {
            key: item.replace("{folder}", str(stage.folder)) if isinstance(item, str) else item
            for key, item in options.items()
        }
        stage.read(case, module, **given)
    assert stage.sandbox is not None
    for case, fault in FAULTS.items():
        for module, options in (
            ("qualys_was_webapp_info", {"limit": 2}),
            ("qualys_was_webapp", {"id": APP, "use_sitemap": True}),
        ):
            stage.begin()
            stage.sandbox.faults.add(fault)
            stage.read(f"{module}, {case}", module, **options, retries=1)
    stage.begin()
    refusal = {"kind": "response_code", "code": "UNAUTHORIZED", "match": {"route": f"/update/was/webapp/{APP}"}}
    stage.sandbox.faults.add(refusal)
    both = [{"id": APP, "cancel_after": 9}, {"id": APP + 1, "cancel_after": 9}]
    stage.read("one of two applications", "qualys_was_webapps", webapps=both)
    stage.begin()
    stage.sandbox.faults.add(kind="apply_then_reset", match={"route": "/create/was/webapp"})
    stage.read("a create in doubt", "qualys_was_webapp", name="new", url="https://new.test/")


def _writes(stage: QualysStage) -> None:
    _webapps(stage)
    _auth_records(stage)
    _schedules(stage)
    _scans(stage)
    _findings(stage)
    _others(stage)


def _webapps(stage: QualysStage) -> None:
    stage.begin()
    stage.four("webapp, new", "qualys_was_webapp", **WEBAPP)
    stage.four("webapp, cleared", "qualys_was_webapp", name=WEBAPP["name"], headers=[], tags=[], attributes={})
    stage.four("webapp, deleted", "qualys_was_webapp", name=WEBAPP["name"], state="absent")
    stage.begin()
    stage.four(
        "webapp, updated", "qualys_was_webapp", id=APP, use_sitemap=True, tags_add=["pci"], attributes={"team": "a"}
    )
    stage.four(
        "webapp, added and removed", "qualys_was_webapp", id=APP, tags_add=["uat"], tags_remove=["pci"],
        url_excludelist_add=["https://x.test/logout"], headers_add=["X-One: 1"],
    )  # fmt: skip
    stage.begin()
    new = {"name": "new", "url": "https://new.test/", "tags": ["prod"]}
    stage.four("webapps", "qualys_was_webapps", webapps=[{"id": APP, "scope": "LIMIT"}, new])
    ids = [{"field": "id", "value": [APP, APP + 1]}]
    stage.four(
        "webapps, pruned", "qualys_was_webapps", webapps=[{"id": APP}], prune=True, prune_filters=ids, max_deletes=1
    )
    stage.four("webapps, deleted", "qualys_was_webapps", state="absent", ids=[APP, APP + 2])
    ids = [{"field": "id", "value": [APP + 3]}]
    stage.four("webapps, deleted by filter", "qualys_was_webapps", state="absent", filters=ids, max_deletes=1)


def _auth_records(stage: QualysStage) -> None:
    stage.begin()
    for kind, options in AUTH_RECORDS.items():
        stage.four(f"auth record, {kind}", "qualys_was_auth_record", name=kind, **options)
    always = {"update_secret": "always", "comments": "changed"}
    stage.read("auth record, secrets again", "qualys_was_auth_record", name="form", **(AUTH_RECORDS["form"] | always))
    stage.four("auth record, deleted", "qualys_was_auth_record", name="form", state="absent")
    stage.begin()
    many = [{"name": kind, **options} for kind, options in AUTH_RECORDS.items()]
    stage.four("auth records", "qualys_was_auth_records", auth_records=many)
    filters = [{"field": "contents", "value": "CERTIFICATE"}]
    stage.four("auth records, deleted", "qualys_was_auth_records", state="absent", filters=filters, max_deletes=9)


def _schedules(stage: QualysStage) -> None:
    stage.begin()
    stage.four("schedule", "qualys_was_schedule", **SCHEDULE)
    weekly = {"type": "WEEKLY", "days": ["MONDAY", "THURSDAY"]}
    stage.four(
        "schedule, changed",
        "qualys_was_schedule",
        name=SCHEDULE["name"],
        recurrence=weekly,
        active=False,
        cancel_after=6,
    )
    stage.four("schedule, deleted", "qualys_was_schedule", name=SCHEDULE["name"], state="absent")


def _scans(stage: QualysStage) -> None:
    stage.begin()
    scan = {"webapp": str(APP), "name": "ci"}
    stage.four("scan", "qualys_was_scan", **scan)
    stage.four("scan, resumed", "qualys_was_scan", **scan, resume_within="1d")
    stage.four("scan, launched", "qualys_was_scan", webapp=str(APP + 1), name="ci", state="launched")
    stage.four(
        "scan, cancelled", "qualys_was_scan", webapp=str(APP + 1), name="ci", state="canceled", cancel_with_results=True
    )
    stage.four("scans side by side", "qualys_was_scan", webapps=[str(APP), str(APP + 2)], name="both")
    stage.four("scan, deleted", "qualys_was_scan", webapp=str(APP + 1), name="ci", state="absent")
    for outcome in OUTCOMES:
        stage.begin()
        assert stage.sandbox is not None
        stage.sandbox.qualys.next_scan_outcome(outcome)
        stage.read(f"scan, {outcome}", "qualys_was_scan", **scan)
    stage.begin()
    stage.sandbox.switches.update({"progress": "clock", "scan_seconds": "36000"})
    stage.read("scan, too long", "qualys_was_scan", **scan, wait_timeout="10m")
    stage.sandbox.switches.update({"progress": "polls", "scan_seconds": "600"})


OUTCOMES = ("no_host_alive", "time_limit_reached", "error", "auth_failed", "no_links", "canceled_with_results")


def _findings(stage: QualysStage) -> None:
    stage.begin()
    assert stage.sandbox is not None
    plain = [
        str(item["id"])
        for item in stage.sandbox.qualys.findings.in_order()
        if item["type"] == "VULNERABILITY" and not item.get("isIgnored") and "originalSeverity" not in item
    ]
    name = "qualys_was_finding"
    ignored = {"state": "ignored", "reason": "FALSE_POSITIVE", "comment": "reviewed"}
    stage.four("finding, ignored", name, ids=plain[:2], **ignored)
    stage.four("finding, active", name, ids=plain[:2], state="active")
    stage.four("finding, ignored for a while", name, ids=plain[2:3], **ignored, reactivate_in=10)
    stage.four("finding, severity", name, ids=plain[3:5], severity=1, severity_comment="known")
    stage.four("finding, severity restored", name, ids=plain[3:5], restore_severity=True)
    stage.four("finding, retest", name, ids=plain[5:7], retest=True)
    by_id = [{"field": "id", "operator": "IN", "value": plain[7:9]}]
    stage.four("finding, by filter", name, filters=by_id, max_changes=2, **ignored)
    stage.read("finding, above the ceiling", name, filters=by_id, max_changes=1, state="active")


def _others(stage: QualysStage) -> None:
    stage.begin()
    assert stage.sandbox is not None
    state = stage.sandbox.qualys
    key = next(key for key in state.webapps.ids if state.findings_of(key))
    stage.four("purge", "qualys_was_webapp_purge", ids=[key])
    stage.begin()
    state.webapps[key]["crawlingScripts"] = [{"id": 55999, "name": "login.html", "data": "type pw S3cret"}]
    dest = stage.folder / "login.html"
    stage.four("script", "qualys_was_selenium_script", webapp_id=key, script_id=55999, dest=str(dest))
    stage.begin()
    dest = stage.folder / "report.pdf"
    options = {"name": "r & <1>", "targets": {"webapps": [str(APP)]}, "dest": str(dest)}
    stage.four("report", "qualys_was_report", **options)
