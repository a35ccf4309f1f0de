# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in every format: what a small estate looks like in full, and hostile and large ones as a hash."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils._gate import gate_kit
from tests.unit.plugins.module_utils._report import attack_factory, factory

from . import still_time
from .door import run_module
from .keep import Area, Places, digest, file_content

READABLE = ("csv", "markdown", "junit", "github_annotations", "azure_annotations", "gitlab_annotations")
"""Formats whose file for the small estate is kept as it is."""
SUFFIXES = {
    "html": "html",
    "json": "json",
    "csv": "csv",
    "markdown": "md",
    "xlsx": "xlsx",
    "sarif": "sarif",
    "junit": "xml",
    "gitlab": "gitlab.json",
    "ocsf": "ocsf.json",
    "github_annotations": "github.txt",
    "azure_annotations": "azure.txt",
    "gitlab_annotations": "gitlab-annotations.json",
}
ENTRY = {
    "qid": 150003,
    "title": "SQL injection",
    "diagnosis": "<p>Input reaches SQL.</p>",
    "solution": "Bind <b>parameters</b>.",
}
ENTRY |= {"consequence": "Data is read.", "cves": ["CVE-2024-0001"], "severity": "critical"}
CATALOG = "webapps:\n  - name: Shop DE\n    url: https://shop.example.de/\n  - name: Payments DE production\n    url: https://pay.example/\n"
PARTS = re.compile(rb"(?s)<(style|script)\b.*?</\1>")


class Desk:
    """A folder with the inputs of a report, and the module that runs on them."""

    def __init__(self, area: Area, folder: Path, case: str) -> None:
        self.area, self.case = area, case
        self.folder = folder / digest(case)
        self.folder.mkdir()
        self.places = Places({str(self.folder): "{folder}"})
        self.outputs = {name: str(self.folder / f"report.{suffix}") for name, suffix in SUFFIXES.items()}
        still_time.back_to_start()

    def snapshot(self, name: str, findings: list[Any], **changes: Any) -> str:
        """A snapshot with its manifest."""
        return str(factory.write_snapshot(self.folder / name, findings, **changes))

    def write(self, name: str, content: Any) -> str:
        """A file of text, or of JSON."""
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    def run(self, step: str, *, check: bool = False, full: bool = False, **options: Any) -> None:
        """One run, with what is in the files afterwards."""
        options = {"outputs": self.outputs, **options}
        result = run_module("report", options, check=check)
        # Bytes of a workbook depend on the library that compresses.
        for item in result.get("written", []):
            if item["format"] == "xlsx":
                item["bytes"] = item["sha256"] = None
        shown = {**options, "outputs": sorted(options["outputs"])}
        files = {} if check else self.files(full=full)
        document = {"module": "report", "options": shown, "check": check, "result": result, "files": files}
        self.area.add(f"{self.case}: {step}", document, self.places)

    def files(self, *, full: bool) -> dict[str, Any]:
        """Each file's content."""
        found: dict[str, Any] = {}
        for name, path in self.outputs.items():
            if not Path(path).exists():
                continue
            data = self.places.bytes(Path(path).read_bytes())
            if name == "xlsx":
                found[name] = _workbook(Path(path))
            elif name == "html":
                found[name] = _page(data, self.places)
            else:
                found[name] = file_content(data, self.places)
            if full and name in READABLE:
                self.area.text(f"report.{SUFFIXES[name]}", data.decode("utf-8"))
        return found


def _workbook(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return {name: digest(archive.read(name)) for name in sorted(archive.namelist())}


def _page(data: bytes, places: Places) -> dict[str, Any]:
    """A page: its own markup, and its styles and scripts by their hashes."""
    parts = [digest(found[0]) for found in PARTS.finditer(data)]
    return {"whole": digest(data), "parts": parts, "markup": file_content(PARTS.sub(rb"<\1/>", data), places, head=4)}


def record(folder: Path) -> list[Area]:
    """The area of reports."""
    area = Area("report")
    _small(Desk(area, folder, "small"))
    _estate(Desk(area, folder, "estate"))
    for case, findings in {"nothing": [], "hostile": factory.hostile_findings()}.items():
        desk = Desk(area, folder, case)
        desk.run("run", findings=[desk.snapshot("findings.ndjson.gz", findings)])
    _perimeter(Desk(area, folder, "perimeter"))
    _refused(Desk(area, folder, "refused"))
    return [area]


def _small_estate() -> list[Any]:
    findings = list(factory.estate_findings(6, 4))
    return [
        *findings,
        factory.finding(1, evidence=[factory.evidence()]),
        factory.poisoned("=1+1 <b>|`{{ x }}`</b> ##vso[x]", 2),
    ]


def _small(desk: Desk) -> None:
    """Everything that may be given."""
    findings = _small_estate()
    before = desk.snapshot("before.ndjson", list(factory.estate_before(findings)), finished="2026-11-13T09:12:00Z")
    earlier = {"json": str(desk.folder / "before.json")}
    run_module("report", {"findings": [before], "outputs": earlier})
    now = desk.snapshot("findings.ndjson", findings)
    options: dict[str, Any] = {
        "findings": [now],
        "title": "Recorded <report> & more",
        "previous": earlier["json"],
        "webapps": factory.webapps(4),
        "knowledge": desk.write(
            "knowledge.json", {"record": "knowledge", "schema": 1, "source": "qualys", "entries": [ENTRY]}
        ),
        "gate": _verdict(desk, now),
        "scans": [
            gate_kit.scan(),
            gate_kit.scan(id="1", asset={"id": "100", "name": "Shop DE", "url": None, "tags": []}, status="error"),
        ],
        "catalog": [desk.write("webapps.yml", CATALOG)],
        "catalog_root": str(desk.folder),
        "notes": ["A note for <readers>."],
    }
    desk.run("check", check=True, **options)
    desk.run("run", full=True, **options)
    desk.run("again", **options)
    desk.run("check again", check=True, **options)


def _verdict(desk: Desk, findings: str) -> str:
    dest = str(desk.folder / "gate.json")
    policy = {**gate_kit.POLICY, "name": "recorded"}
    run_module(
        "gate", {"findings": [findings], "scans": [gate_kit.scan()], "policy": policy, "run_id": "7", "dest": dest}
    )
    return dest


def _estate(desk: Desk) -> None:
    """A larger one, that replaces its own report of the week before."""
    findings = list(factory.estate_findings(300, 20))
    before = desk.snapshot("before.ndjson.gz", list(factory.estate_before(findings)), finished="2026-11-13T09:12:00Z")
    now = desk.snapshot("findings.ndjson.gz", findings)
    desk.run("the week before", findings=[before])
    desk.run("now", findings=[now], webapps=factory.webapps(20))
    half = desk.snapshot("half.ndjson", findings[:40], complete=False, announced_after=300)
    desk.run("incomplete", findings=[half])
    desk.run(
        "without a manifest",
        findings=[desk.snapshot("bare.ndjson", findings[:40], manifest=False)],
        scope=["20 applications"],
    )


def _perimeter(desk: Desk) -> None:
    """Findings with attacks, matches, a history, waivers, images and services; and attacks alone."""
    findings = list(factory.estate_findings(60, 8))
    options = attack_factory.everything(desk.folder, findings, 120)
    desk.run("run", findings=[desk.snapshot("findings.ndjson", findings)], webapps=factory.webapps(8), **options)
    desk.outputs = {name: path for name, path in desk.outputs.items() if name in ("csv", "markdown", "json")}
    desk.run("attacks only", events=options["events"])


def _refused(desk: Desk) -> None:
    now = desk.snapshot("findings.ndjson", [factory.finding()])
    desk.outputs = {"csv": desk.outputs["csv"]}
    desk.run("no file", findings=["/nowhere/findings.ndjson"])
    desk.run("no output", findings=[now], outputs={})
    desk.run("nowhere", findings=[now], outputs={"csv": "/nowhere/at/all/report.csv"})
    desk.run("no verdict", findings=[now], gate=desk.write("gate.json", "{}"))
    desk.run("no records", findings=[desk.write("text.ndjson", "this is no JSON\n")])
    desk.run("no events", findings=[now], events=["/nowhere/events"])
    desk.run("no history", findings=[now], history=desk.write("history.json", "{}"))
    desk.run("no waivers", findings=[now], waivers=desk.write("waivers.json", "[]"))
    desk.run("nothing")
    desk.run("no knowledge", findings=[now], knowledge=desk.write("knowledge.json", {"entries": 1}))
