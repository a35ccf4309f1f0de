# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a :class:`ReportInput` from findings: counts, compares, and collects warnings and notes about the data.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ..._records.coerce import score
from ..._records.files.knowledge import Entries
from .. import text
from ..inputs import model
from ..inputs.gate_view import GateView
from ..inputs.knowledge import RuleTally
from ..inputs.model import Place, ReportInput, ScanRow, SourceFile, WebApp
from ..inputs.services import ServiceRow
from . import changes
from .changes import Previous, RunScope
from .summarise import summarise


def web_application(raw: t.Mapping[str, t.Any]) -> WebApp:
    """What the report uses of one web application record in option form."""
    scan = raw.get("last_scan")
    scan = scan if isinstance(scan, dict) else {}
    identifier, name = raw.get("id"), raw.get("name")
    return WebApp(
        id=None if identifier is None else str(identifier),
        name=str(name or raw.get("url") or identifier or "(application not named)"),
        url=None if raw.get("url") is None else str(raw["url"]),
        never_scanned="last_scan" in raw and raw["last_scan"] is None,
        scanned=None if scan.get("date") is None else str(scan["date"]),
        scan_status=None if scan.get("status") is None else str(scan["status"]),
        risk_score=score(raw.get("risk_score")),
    )


def build(
    findings: model.Findings,
    *,
    title: str,
    generated: str,
    files: t.Sequence[SourceFile] = (),
    previous: Previous | None = None,
    webapps: t.Iterable[t.Mapping[str, t.Any]] | None = None,
    notes: t.Sequence[str] = (),
    knowledge: Entries | None = None,
    scope: t.Sequence[t.Any] | None = None,
    gate: GateView | None = None,
    scans: t.Sequence[ScanRow] | None = None,
    places: t.Mapping[str, Place] | None = None,
    beside: model.Beside | None = None,
) -> ReportInput:
    """Collect everything that the writers need.

    Args:
        findings: in report order, see ``read.FindingStore`` and ``read.FindingList``.
        title: heading of the report.
        generated: UTC time of the data, at which ages are computed; never the current time.
        files: the snapshots that the findings come from.
        previous: an earlier report, or None.
        webapps: web application records in option form: what is in scope, and what was never scanned.
        notes: further sentences for the data-quality section.
        knowledge: entries of a knowledge base, see :mod:`knowledge`.
        scope: what the user asked for, as any JSON values; decides whether two runs can be compared.
        gate: the verdict about these findings.
        scans: the scans that the findings come from, see :mod:`scans`.
        places: where a catalog declares an application, by the name of the application.
        beside: events, matches, history and the other inputs. ``scans`` is ignored when it is given.
    """
    beside = beside or model.Beside(scans=None if scans is None else tuple(scans))
    rules = RuleTally() if knowledge is not None else None
    summary = summarise(findings, now=generated, rules=rules, matches=beside.matches)
    asked = None if scope is None else list(scope)
    sought = RunScope(asked, changes.scope_of(file["manifest"] for file in files))
    changed, marks = _changes(findings, summary, files, previous, sought)
    explained = None
    if rules is not None:
        explained, without = rules.joined(knowledge or {})
        summary["quality"] |= {"rules_without_knowledge": without} if without else {}
    report = ReportInput(
        findings=findings,
        summary=summary,
        title=title,
        generated=generated,
        files=tuple(files),
        changes=changed,
        marks=marks,
        webapps=None if webapps is None else tuple(sorted(map(web_application, webapps), key=_by_name)),
        notes=tuple(notes),
        knowledge=explained,
        scope=asked,
        gate=gate,
        places=places or {},
        **vars(beside),
    )
    return dataclasses.replace(report, content=_content(report))


def _content(report: ReportInput) -> str:
    """A digest of the content of a report, without the time of the data and what follows from it."""
    parts = (
        report.title,
        sorted(file["sha256"] for file in report.files),
        warnings_of(report),
        report.notes,
        report.webapps,
        report.knowledge,
        report.scope,
        report.gate.essence() if report.gate else None,
        report.scans,
        sorted(report.places.items()),
        *_beside(report),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _beside(report: ReportInput) -> list[t.Any]:
    """The inputs other than findings, without those that are missing or empty."""
    history = report.history.as_dict() | {"at": "", "run_id": ""} if report.history else None
    matches = report.matches.digest() if report.matches else None
    known = (report.attacks, matches, history, report.images, report.waivers, report.services, report.gaps)
    return [item for item in known if item]


def _by_name(webapp: WebApp) -> tuple[str, str]:
    return webapp["name"].casefold(), webapp["id"] or ""


def _changes(
    findings: model.Findings,
    summary: model.Summary,
    files: t.Sequence[SourceFile],
    previous: Previous | None,
    scope: RunScope,
) -> tuple[model.Changes | None, bytes]:
    if previous is None:
        return None, b""
    # The same snapshots are the same run, which keeps its comparison with the run before it. Comparing the run with
    # itself would hide every change as soon as a pipeline is started a second time.
    if files and previous.inputs == input_digests(files) and len(previous.marks) == len(findings):
        return previous.changes, previous.marks if previous.changes else b""
    return changes.compare(findings, summary, previous, scope)


def input_digests(files: t.Iterable[SourceFile]) -> list[str]:
    """A digest for the bytes and the manifest of each file, sorted: together they identify the data of a run.

    A later snapshot with the same bytes has another manifest, so it is another run, in which nothing changed.
    """
    known = (file["sha256"] + json.dumps(file["manifest"], sort_keys=True) for file in files)
    return sorted(hashlib.sha256(words.encode()).hexdigest() for words in known)


def warnings_of(report: ReportInput) -> list[tuple[str, str]]:
    """The warnings that every format shows at its top: pairs of a headline and a sentence."""
    found: list[tuple[str, str]] = []
    if only_verdict(report):
        return []
    if not report.files and (report.summary["total"] or not _anything(report)):
        found.append(("Scope unknown", "The findings came without a snapshot file, so their scope is not on record."))
    for file in report.files:
        found += _file_warnings(file)
    gaps = report.summary["quality"].get("gaps", 0)
    if gaps:
        found.append(("Incomplete data", f"The inputs hold {text.plural(gaps, 'gap record')}: data is missing."))
    return found + [_service_warning(service) for service in report.services if service.state != "complete"]


def only_verdict(report: ReportInput) -> bool:
    """Whether there is a verdict and no other input, so that nothing can be said about findings."""
    return bool(report.gate) and not report.files and not report.summary["total"] and not _anything(report)


def _anything(report: ReportInput) -> bool:
    """Whether any input other than findings was given."""
    return any((report.attacks, report.images, report.scans, report.services, report.history))


def _service_warning(service: ServiceRow) -> tuple[str, str]:
    name, why = text.line(service.name, 100), text.line(service.reason, 500)
    said = "could not be read, so its data is missing" if service.state == "failed" else "was not read completely"
    return "Incomplete data", f"{name} {said}{': ' + why if why else '.'}"


def _file_warnings(file: SourceFile) -> t.Iterator[tuple[str, str]]:
    name, manifest = text.line(file["name"], 200), file["manifest"]
    if file.get("stream"):
        return
    if manifest is None:
        yield "Scope unknown", f"{name} has no manifest: it is not known what it covers, or whether it is complete."
        return
    if not manifest["complete"]:
        of = f" of {manifest['announced_after']:,} announced" if manifest["announced_after"] else ""
        yield (
            "Incomplete data",
            f"{name} holds {file['records']:,}{of} records. A finding that is not here may still be open.",
        )
    if manifest["since"]:
        since = text.readable_time(text.line(str(manifest["since"]), 60))
        yield "Partial data", f"{name} holds only what changed since {since}; it is not the whole estate."


NO_SCANNER = (
    "No finding was attacked only by a known scanner: unless scanner_sources of correlate names your scanners, the "
    "requests of your own scans count as attacks."
)


def quality_notes(report: ReportInput) -> list[str]:
    """Sentences about the data: what is unknown, missing, duplicate or redacted."""
    quality = report.summary["quality"]
    wording = {
        "unknown_severity": "with an unknown severity, which a gate counts as critical",
        "unknown_status": "with an unknown status, which counts as open",
        "unknown_kind": "of an unknown kind, which counts as a risk",
        "without_title": "without a title",
        "without_application_name": "without an application name",
        "without_first_seen": "without the time of first detection, so of unknown age",
        "duplicates": "more than once in the files; the one from the last file counts",
        "with_evidence": "with evidence",
        "with_redacted_evidence": "with evidence that had secrets removed",
    }
    counted = ((quality.get(name, 0), words) for name, words in wording.items())
    notes = [f"{text.plural(count, 'finding')} {words}." for count, words in counted if count]
    if quality.get("rules_without_knowledge"):
        notes.append(
            f"{text.plural(quality['rules_without_knowledge'], 'rule')} without an entry in the knowledge base."
        )
    if quality.get("other_records"):
        notes.append(f"{text.plural(quality['other_records'], 'record')} of another kind than finding, left out.")
    if any(file.get("stream") for file in report.files):
        notes.append(_STREAM)
    notes += _attack_notes(report)
    for file in report.files:
        unknown = file["manifest"]["unknown_values"] if file["manifest"] else {}
        for name, count in sorted(unknown.items()):
            notes.append(f"{text.plural(count, 'value')} of {text.line(name, 100)} not known to this version.")
    if not report.generated:
        notes.append("The data holds no time, so ages are not known.")
    return notes + [text.line(note, 500) for note in report.notes]


_STREAM = (
    "Findings come from the stream of a scanner: the newest record of each counts. A finding that later scans no "
    "longer list keeps its last status."
)


def _attack_notes(report: ReportInput) -> list[str]:
    attacks, notes = report.attacks, []
    if report.matches is not None and report.matches.names_no_scanner:
        notes.append(NO_SCANNER)
    if attacks is None:
        return notes
    if attacks["undated"]:
        notes.append(f"{text.plural(attacks['undated'], 'event')} without a time, not in the timeline.")
    if attacks["other_records"]:
        notes.append(f"{text.plural(attacks['other_records'], 'record')} of another kind than event, left out.")
    if attacks["missed"]:
        notes.append(
            "There are more sources, hosts or categories of attacks than are counted separately: a count in these "
            f"lists may be too low by up to {attacks['missed']:,}."
        )
    return notes


def scope_facts(report: ReportInput) -> list[tuple[str, str]]:
    """The lines that say what the report covers: pairs of a label and a text."""
    facts = [("Data as of", text.readable_time(report.generated) if report.generated else "not known")]
    if report.files or not _anything(report):
        facts.append(("Source", _listed(map(source_label, report.summary["sources"])) or _sources(report)))
        facts.append(("Applications", _applications(report)))
    for file in report.files:
        facts.append(("Snapshot", _snapshot(file)))
    attacks = report.attacks
    if attacks:
        first, last = (text.readable_date(attacks[name]) or "not known" for name in ("first", "last"))
        services = _listed(source_label(item["source"]) for item in attacks["services"])
        words = f"{text.plural(attacks['total'], 'event')} from {first} to {last}" + (
            f", {services}" if services else ""
        )
        facts.append(("Attacks", words))
    return facts


_SOURCE_LABELS = {
    "qualys": "Qualys WAS",
    "qualys_was": "Qualys WAS",
    "indusface": "Indusface WAS",
    "indusface_was": "Indusface WAS",
    "carbon_black": "Carbon Black Cloud",
    "edgecast": "Edgecast WAF",
    "scutum": "Scutum WAF",
}


def source_label(source: str) -> str:
    """The product name of a source; the source itself when it is not one of this collection."""
    return _SOURCE_LABELS.get(source) or text.line(source, 60)


def _sources(report: ReportInput) -> str:
    names = {source_label(file["manifest"]["source"]) for file in report.files if file["manifest"]}
    return _listed(sorted(names)) or "not known"


def _listed(names: t.Iterable[str], limit: int = 8) -> str:
    """Names in a sentence; many of them are cut short."""
    known = list(names)
    return ", ".join(known[:limit]) + (f" and {len(known) - limit} more" if len(known) > limit else "")


def _applications(report: ReportInput) -> str:
    seen = text.plural(report.summary["applications_with_findings"], "application") + " with findings"
    if report.webapps is None:
        return seen
    return f"{text.plural(len(report.webapps), 'application')} in scope, {seen}"


def _snapshot(file: SourceFile) -> str:
    manifest = file["manifest"]
    name = text.line(file["name"], 200)
    if file.get("stream"):
        return f"{name}, a stream of {text.plural(file['records'], 'record')}"
    if manifest is None:
        return f"{name}, {text.plural(file['records'], 'record')}, scope not known"
    state = "complete" if manifest["complete"] else "NOT complete"
    period = f"{text.readable_time(manifest['started'])} to {text.readable_time(manifest['finished'])}"
    return f"{name}, {text.plural(file['records'], 'record')}, {state}, read {period}, {_filters(manifest['filters'])}"


def _filters(filters: list[dict[str, t.Any]]) -> str:
    if not filters:
        return "no filters"
    words = []
    for item in filters[:20]:
        value = item.get("value")
        shown = ", ".join(map(str, value[:20])) if isinstance(value, list) else str(value)
        words.append(f"{item.get('field')} {item.get('operator', 'EQUALS')} {shown}")
    return "filters: " + text.line("; ".join(words), 1000)


def never_scanned(report: ReportInput) -> list[WebApp]:
    """Applications in scope that no scan has looked at."""
    return [webapp for webapp in report.webapps or () if webapp["never_scanned"]]
