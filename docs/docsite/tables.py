# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of ``rst/findings_and_reports.rst`` from the field table of the code.

The collection must be importable: in ``ansible_collections/appsec/perimeter`` below a directory on PYTHONPATH.
``tests/conftest.py`` makes such a directory, ``.build``:

    PYTHONPATH=.build python docs/docsite/tables.py           writes
    PYTHONPATH=.build python docs/docsite/tables.py --check   fails when something would change, and writes nothing
"""

from __future__ import annotations

import pathlib
import re
import sys

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_fields import (
    FIELDS,
    GET,
    VERBOSE,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Finding, Manifest

PAGE = pathlib.Path(__file__).resolve().parent / "rst" / "findings_and_reports.rst"

COMPOSED = {
    "severity_native": ("severity",),
    "cvss_score": ("cvssV3",),
    "cvss_vector": ("cvssV3",),
    "method": ("resultList",),
    "ignored": ("isIgnored", "ignoredReason", "ignoredBy", "ignoredDate", "ignoredComment", "reactivateDate"),
}
"""Our fields that are made of vendor fields which the field table does not assign to them."""

FINDING = {
    "record": "Always ``finding``.",
    "schema": "Version of this layout, ``1``.",
    "source": "The scanner, here ``qualys``.",
    "id": "Id at the source, as text.",
    "unique_id": "Id that stays the same when the finding is detected again; the identity of a finding.",
    "rule_id": "The check that detected it: the QID.",
    "title": "Name of the check.",
    "kind": "``vulnerability``, ``sensitive_content``, ``information`` or ``unknown``.",
    "severity": "``critical``, ``high``, ``medium``, ``low``, ``info`` (5 to 1 at Qualys) or ``unknown``.",
    "severity_native": "Severity as the source gives it.",
    "original_severity": "Severity before somebody edited it, as the source gives it.",
    "cvss_score": "CVSS 3 base score.",
    "cvss_vector": "All that Qualys gives of the vector: the attack vector, such as ``Network``.",
    "detection_score": "Qualys detection score, 0 to 100.",
    "status": "``new``, ``open``, ``reopened``, ``fixed``, ``protected``, ``retesting`` or ``unknown``.",
    "ignored": "``reason``, ``by``, ``at``, ``until`` and ``comment``; null when the finding is not ignored.",
    "asset": "The web application: ``id``, ``name``, ``url`` and ``tags``.",
    "url": "Address at which it was found.",
    "method": "HTTP method of the first piece of evidence.",
    "parameter": "Parameter that is affected.",
    "first_seen": "First detection.",
    "last_seen": "Last detection.",
    "last_tested": "Last test.",
    "fixed_at": "When it was found to be fixed.",
    "times_seen": "Number of scans that detected it.",
    "cwe": "CWE numbers.",
    "owasp": "OWASP Top 10 categories: ``code``, ``name`` and ``url``.",
    "wasc": "WASC threat classes: ``code``, ``name`` and ``url``.",
    "group": "Qualys group, such as ``XSS``.",
    "finding_type": "Who found it: ``QUALYS``, ``BURP`` or ``BUGCROWD``.",
    "potential": "Whether it is not confirmed.",
    "external_ref": "Reference to another system, such as a ticket.",
    "patch": "Id of the virtual patch.",
    "ssl": "Facts about TLS.",
    "evidence": (
        "Requests and responses: ``payload``, ``method``, ``url``, ``headers``, ``body``, ``response``, ``result`` and "
        "``authenticated``."
    ),
    "fingerprint": "Computed: stays the same when title, order or session ids in the URL change.",
    "details": "Values that only one source has; for Qualys ``original_severity`` on our scale, if it was edited.",
    "raw": "The object of Qualys as JSON text, with ``include_raw`` only. It is not redacted.",
}

MANIFEST = {
    "record": "Always ``manifest``.",
    "schema": "Version of this layout, ``1``.",
    "source": "The scanner, here ``qualys``.",
    "account": "The address of the API, and a hash of the user or client that read it.",
    "stream": "Always ``findings``.",
    "file": "Name of the file that it describes.",
    "compressed": "Whether the file is compressed with gzip.",
    "filters": "The filters that were sent.",
    "detail": "The ``detail`` of the export.",
    "since": "The ``since`` of the export; null for a whole snapshot.",
    "started": "When the export started.",
    "finished": "When it ended: the time of the data.",
    "announced_before": "Number of findings that Qualys announced at the start.",
    "announced_after": "Number of findings that Qualys announced at the end.",
    "records": "Number of findings in the file.",
    "complete": "Whether the file contains every finding that Qualys announced.",
    "assets": "Ids of the applications that occur in the file.",
    "unknown_values": "Values of Qualys that this version does not know, and how often they occurred.",
    "bytes": "Size of the file.",
    "sha256": "SHA-256 of the file.",
}


def vendor_fields(name: str) -> tuple[str, ...]:
    """The vendor fields that one of our fields is made of; none for a computed field."""
    return COMPOSED.get(name) or tuple(vendor for vendor, entry in FIELDS.items() if entry.ours == name)


def appears(name: str) -> str:
    """The cheapest ``detail`` that fills a field."""
    levels = {FIELDS[vendor].appears for vendor in vendor_fields(name)}
    return next((level for level in (GET, VERBOSE) if level in levels), "summary")


def rows(*cells: str) -> str:
    """One row of a list table."""
    return "".join(f"   {'* -' if number == 0 else '  -'} {cell}\n" for number, cell in enumerate(cells))


def finding_table() -> str:
    """All fields of a finding."""
    table = ".. list-table::\n   :header-rows: 1\n   :widths: 16 48 24 12\n\n"
    table += rows("Field", "Meaning", "Field at Qualys", "From detail")
    for name in Finding.__annotations__:
        vendors = ", ".join(f"``{vendor}``" for vendor in vendor_fields(name)) or "none"
        table += rows(f"``{name}``", FINDING[name], vendors, f"``{appears(name)}``")
    return table


def manifest_table() -> str:
    """All fields of a manifest."""
    table = ".. list-table::\n   :header-rows: 1\n   :widths: 25 75\n\n" + rows("Field", "Meaning")
    return table + "".join(rows(f"``{name}``", MANIFEST[name]) for name in Manifest.__annotations__)


def rendered(page: str) -> str:
    """The page with its tables written from the code."""
    for name, table in (("finding", finding_table()), ("manifest", manifest_table())):
        pattern = rf"(?s)(\.\. begin {name} table\n\n).*?(\n\.\. end {name} table)"
        page, count = re.subn(pattern, lambda found, table=table: f"{found[1]}{table}{found[2]}", page)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{PAGE.name} has no place for the {name} table")
    return page


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit status."""
    old = PAGE.read_text(encoding="utf-8")
    new = rendered(old)
    if "--check" in arguments:
        if old != new:
            print(f"{PAGE.name} is out of date: run docs/docsite/tables.py")
        return int(old != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
