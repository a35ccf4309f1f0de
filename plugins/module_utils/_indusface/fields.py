# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field tables of scan logs and their vulnerabilities (docs/vendors/indusface_was.md 7.1, 7.2).

This module is private to the collection and may change at any time.

They drive parsing, the documentation of ``indusface_scan_log_info`` and the tests.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from .._records.coerce import text


@dataclasses.dataclass(frozen=True)
class IndusfaceField:
    """One field.

    Attributes:
        scan: key in the Scan, ``details.`` and ``asset.`` included; None if only the finding has it.
        finding: key in the Finding; None if only the scan has it.
        kind: the type in the vendor's samples; a number is accepted as text, and a text as a number.
        meaning: text for the documentation.
    """

    scan: str | None
    finding: str | None
    kind: str
    meaning: str


SCAN_LOG: dict[str, IndusfaceField] = {
    "ScanlogId": IndusfaceField("id", "details.scan_id", "string", "Id of the scan; each scan has a new one."),
    "ServiceType": IndusfaceField(
        "details.service_type",
        "details.service_type",
        "string",
        "AA application audit, MM malware, VA vulnerabilities.",
    ),
    "ServiceId": IndusfaceField("asset.id", "asset.id", "number", "Id of the customer's service, for its type."),
    "URL": IndusfaceField("asset.url", "asset.url", "string", "Address of the application."),
    "ApplicationName": IndusfaceField("asset.name", "asset.name", "string", "Its name, or the host of its address."),
    "SealStatus": IndusfaceField(
        "details.seal_status", None, "string", "pass or fail; it is about the application, not the scan."
    ),
    "TotalFoundVulnerabilities": IndusfaceField(
        "details.reported_total", None, "number", "How many the vendor counts, which need not be as many as it lists."
    ),
    "ScanStatus": IndusfaceField(
        "status_native", None, "string", "How the scan ended; see status, end_reason and conclusive."
    ),
    "ScanDate": IndusfaceField("time", "last_seen", "string (YYYY-MM-DD)", "Day of the scan, as midnight UTC."),
    "groups": IndusfaceField("asset.tags", "asset.tags", "array of strings", "Groups that the site belongs to."),
    "Vulnerabilities": IndusfaceField(
        "counts", None, "array of objects", "The findings; in counts those that are not closed."
    ),
}

VULNERABILITY: dict[str, IndusfaceField] = {
    "UniqueAlertId": IndusfaceField(None, "id", "number", "Id of the finding, the same in each scan of the service."),
    "Title": IndusfaceField(None, "title", "string", "Its title."),
    "Severity": IndusfaceField(
        None, "severity", "string", "critical, high, medium, low or info; as sent in severity_native."
    ),
    "CVSS_Score": IndusfaceField(None, "cvss_score", "string", "CVSS base score of an unknown version; may be empty."),
    "OpenStatus": IndusfaceField(None, "status", "string", "new, open, fixed (Closed) or reopened."),
    "FoundOn": IndusfaceField(None, "url", "string", "Where it was found."),
    "FoundDate": IndusfaceField(
        None, "details.found_date", "string (YYYY-MM-DD)", "Day of this observation, not of the first."
    ),
}

ENVELOPE: dict[str, str] = {
    "status": "string",
    "result.success": "string",
    "result.error": "string",
    "result.data": "array of objects",
}
"""Members of the answer around the scan logs, read by the client."""

PARAMETERS: dict[str, str] = {"date": "date", "fromDate": "from_date", "toDate": "to_date"}
"""Parameters of the call, with the options that they come from."""

HEADERS: dict[str, str] = {"accessKey": "access_key", "secretKey": "secret_key"}

SPELLINGS: dict[str, str] = {"ServicType": "ServiceType"}
"""Keys whose spelling in the vendor's samples differs from its table."""

SEVERITIES = {
    "critical": "critical",
    "high": "high",
    "medium": "medium",
    "low": "low",
    "info": "info",
    "information": "info",
    "informational": "info",
}
OPEN_STATUSES = {"new": "new", "open": "open", "opened": "open", "closed": "fixed", "reopened": "reopened"}
"""``OpenStatus`` reduced to letters in lower case (docs/vendors/indusface_was.md 8.2)."""

SERVICE_TYPES = frozenset({"AA", "MM", "VA"})

ScanEnd = tuple[str, t.Optional[str], bool]
SCAN_STATUSES: dict[str, ScanEnd] = {
    "scansuccess": ("finished", "finished", True),
    # The scan is complete, but it exceeded the time that was allotted to it.
    "scansuccesstimeover": ("finished", "finished", True),
    "partialscan": ("finished", "time_limit", False),
    "scanerror": ("failed", "error", False),
}
"""Our status, the end reason, and whether the scan covered the whole application."""

_NO_LETTERS = re.compile(r"[^a-z]+")


def letters(value: str | None) -> str:
    """The letters of a word in lower case, so that ``Re-Opened`` and ``reopened`` are equal."""
    return _NO_LETTERS.sub("", (value or "").lower())


def score(value: t.Any) -> float | None:
    """A score from 0 to 10; None for any other value."""
    try:
        found = float(text(value) or "")
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 <= found <= 10 else None
