# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that look like a report of each format."""

from __future__ import annotations

import base64
import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from ..tables import Record

# format -> (extension, media type)
KINDS = {
    "HTML_ZIPPED": ("zip", "application/zip"),
    "HTML_BASE64": ("html", "text/html"),
    "PDF": ("pdf", "application/pdf"),
    "PDF_ENCRYPTED": ("pdf", "application/pdf"),
    "POWERPOINT": ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    "CSV": ("csv", "text/csv"),
    "CSV_V2": ("csv", "text/csv"),
    "XML": ("xml", "text/xml"),
    "WORD": ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
}
_ROOTS = {"WAS_SCAN_REPORT": "WAS_SCAN_REPORT", "WAS_WEBAPP_REPORT": "WAS_WEBAPP_REPORT"}


def content(report: Record, findings: Sequence[Record]) -> bytes:
    """The file."""
    makers = {
        "HTML_ZIPPED": lambda: _zip({"report.html": _html(report, findings)}),
        "HTML_BASE64": lambda: base64.b64encode(_html(report, findings)),
        "PDF": lambda: _pdf(report, encrypted=False),
        "PDF_ENCRYPTED": lambda: _pdf(report, encrypted=True),
        "POWERPOINT": lambda: _office("ppt/presentation.xml", report),
        "WORD": lambda: _office("word/document.xml", report),
        "CSV": lambda: _csv(findings, extended=False),
        "CSV_V2": lambda: _csv(findings, extended=True),
        "XML": lambda: _xml(report, findings),
    }
    return makers[report["format"]]()


def _rows(findings: Sequence[Record]) -> list[dict[str, Any]]:
    names = ("id", "uniqueId", "qid", "name", "url", "severity", "status")
    return [{name: item.get(name, "") for name in names} for item in findings]


def _html(report: Record, findings: Sequence[Record]) -> bytes:
    rows = "".join(
        f"<tr><td>{row['id']}</td><td>{escape(str(row['name']))}</td><td>{row['severity']}</td></tr>"
        for row in _rows(findings)
    )
    title = escape(report["name"])
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><table>{rows}</table></body></html>"
    return page.encode()


def _zip(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 1, 0, 0, 0)), data)
    return target.getvalue()


def _office(main: str, report: Record) -> bytes:
    types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    text = f'<?xml version="1.0"?><document>{escape(report["name"])}</document>'
    return _zip({"[Content_Types].xml": types, main: text.encode()})


def _pdf(report: Record, *, encrypted: bool) -> bytes:
    extra = b" /Encrypt 4 0 R" if encrypted else b""
    title = str(report["id"]).encode()
    return (
        b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n3 0 obj\n<< /Title (Report "
        + title
        + b") >>\nendobj\ntrailer\n<< /Root 1 0 R /Info 3 0 R"
        + extra
        + b" >>\n%%EOF\n"
    )


def _csv(findings: Sequence[Record], *, extended: bool) -> bytes:
    target = io.StringIO()
    names = ["qid", "name", "url", "severity", "status"]
    names += ["id", "uniqueId"] if extended else []
    writer = csv.DictWriter(target, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(_rows(findings))
    return target.getvalue().encode()


def _xml(report: Record, findings: Sequence[Record]) -> bytes:
    root = _ROOTS.get(report["type"], "WAS_REPORT")
    items = "".join(
        f"<VULNERABILITY><ID>{row['id']}</ID><UNIQUE_ID>{row['uniqueId']}</UNIQUE_ID><QID>{row['qid']}</QID>"
        f"<STATUS>{row['status']}</STATUS></VULNERABILITY>"
        for row in _rows(findings)
    )
    header = f"<HEADER><NAME>{escape(report['name'])}</NAME></HEADER>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{header}<RESULTS>{items}</RESULTS></{root}>'
    return text.encode()
