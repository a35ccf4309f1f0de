# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flat form of change records that receivers expect: with a time, a host, a severity and a name.

This module is private to the collection and may change at any time.

A change that ends a risk is not an alarm, however severe the finding was. So the severity of the change is ``info``;
the finding's severity is a separate field.
"""

from __future__ import annotations

import typing as t

from .._records.coerce import items, mapping, text
from .._records.path_templates import host_of

Document = t.Mapping[str, t.Any]
RECORDS = ("change", "webapp")
ENDED = ("fixed", "gone", "protected", "ignored", "lowered")
"""Changes that reduce a risk."""
_VENDORS = {"qualys": "Qualys", "indusface": "Indusface"}


def view(document: Document) -> Document:
    """Return the document itself, or the flat form of a change or of an application."""
    if document.get("record") not in RECORDS:
        return document
    change, finding = text(document.get("change")), mapping(document.get("finding"))
    subject = finding if document["record"] == "change" else document
    title = text(subject.get("title")) or text(subject.get("name"))
    return {
        **subject,
        "record": document["record"],
        "source": document.get("source"),
        "id": text(subject.get("unique_id")) or text(subject.get("id")),
        "key": document.get("key"),
        "time": document.get("at"),
        "host": host_of(text(subject.get("url")) or "") or None,
        "action": change,
        "severity": "info" if not finding or change in ENDED else finding.get("severity"),
        "message": ": ".join(filter(None, (change, title))) or None,
        "categories": [word for name in ("kind", "group") if (word := text(finding.get(name)))],
    }


def cves(document: Document) -> list[str]:
    """Return the CVEs of a change, if the knowledge base supplied any."""
    return [word for item in items(mapping(document.get("knowledge")).get("cves")) if (word := text(item))]


def cef_fields(document: Document) -> t.Iterator[tuple[str, t.Any]]:
    """Yield the CEF fields of a change or an application that other records do not have."""
    if document.get("record") not in RECORDS:
        return
    finding = mapping(document.get("finding"))
    strings = {"findingSeverity": finding.get("severity"), "cves": ",".join(cves(document))}
    strings["application"] = mapping(finding.get("asset")).get("name")
    numbers = {"riskScore": document.get("risk_score"), "detectionScore": finding.get("detection_score")}
    for kind, values in (("cs", strings), ("cn", numbers)):
        for number, (label, value) in enumerate(values.items(), 1):
            if value not in (None, ""):
                # A custom number of CEF is whole; one with decimals has a key of its own.
                key = f"{'cfp' if isinstance(value, float) and not value.is_integer() else kind}{number}"
                yield f"{key}Label", label
                yield key, value


def hec_fields(document: Document) -> dict[str, str]:
    """Return the indexed Splunk fields of a change or an application that other records do not have."""
    if document.get("record") not in RECORDS:
        return {}
    seen = view(document)
    found = {"change": seen["action"], "severity": mapping(document.get("finding")).get("severity")}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def ecs(document: Document) -> dict[str, t.Any]:
    """Return the fields of the Elastic Common Schema for a change of a finding; empty for other records."""
    if document.get("record") != "change":
        return {}
    seen, finding = view(document), mapping(document.get("finding"))
    source = text(document.get("source")) or ""
    fields: dict[str, t.Any] = {
        "message": seen["message"],
        "event": {"kind": "event", "category": ["vulnerability"], "type": ["info"], "action": seen["action"]},
        "vulnerability": {
            "id": cves(document),
            "description": text(finding.get("title")),
            "severity": text(finding.get("severity")),
            "category": seen["categories"],
            "scanner": {"vendor": _VENDORS.get(source, source)},
            "score": {"base": finding.get("cvss_score")},
        },
        "rule": {"id": text(finding.get("rule_id")), "name": text(finding.get("title"))},
        "url": {"full": text(finding.get("url")), "domain": seen["host"]},
        "host": {"name": seen["host"]},
    }
    return {name: value for name, value in fields.items() if value is not None}
