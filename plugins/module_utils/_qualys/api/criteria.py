# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: the fields, operators and values that a Qualys search accepts (docs/vendors/qualys_was.md 7; SDK page).

This module is private to the collection and may change at any time.

Filters are checked before anything is sent: Qualys does not always answer an invalid one with an error, and a filter
that matches too much can get data deleted.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._base.errors import OptionError
from ..._records.times import parse_time, utc_text

Criterion = dict[str, str]
"""``field``, ``operator``, ``value`` and, for custom attributes, ``name``, as they are sent."""


@dataclasses.dataclass(frozen=True)
class CriterionType:
    """A type of field, with its operators and, for a fixed set of values, these values."""

    name: str
    operators: tuple[str, ...]
    enum: tuple[str, ...] = ()


INTEGER = CriterionType("integer", ("EQUALS", "NOT EQUALS", "GREATER", "LESSER", "IN"))
TEXT = CriterionType("text", ("CONTAINS", "EQUALS", "NOT EQUALS"))
DATE = CriterionType("date", ("EQUALS", "NOT EQUALS", "GREATER", "LESSER"))
BOOLEAN = CriterionType("boolean", ("EQUALS", "NOT EQUALS"))
NOTHING = CriterionType("element", ("NONE",))


def keyword(*values: str) -> CriterionType:
    """Return the type of a field with these values; without values, any word is allowed."""
    return CriterionType("keyword", ("EQUALS", "NOT EQUALS", "IN"), values)


def also(base: CriterionType, *operators: str) -> CriterionType:
    """Return a type with further operators."""
    return dataclasses.replace(base, operators=base.operators + operators)


# The SDK's page allows IN for the dates of findings; the SDK's code and the vendor's page do not. The union is
# accepted.
_FINDING_DATE = also(DATE, "IN")

WEBAPP: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    "url": TEXT,
    "tags": NOTHING,
    "tags.name": TEXT,
    "tags.id": INTEGER,
    "createdDate": DATE,
    "updatedDate": DATE,
    "isScheduled": BOOLEAN,
    "isScanned": BOOLEAN,
    "lastScan.status": keyword(
        "SUBMITTED",
        "RUNNING",
        "FINISHED",
        "TIME_LIMIT_EXCEEDED",
        "SCAN_NOT_LAUNCHED",
        "SCANNER_NOT_AVAILABLE",
        "ERROR",
        "CANCELED",
    ),
    "lastScan.date": DATE,
    "attributes": TEXT,
}

AUTH_RECORD: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    # Text on the vendor's page, a number on the SDK's page.
    "tags": CriterionType("text", ("EQUALS", "NOT EQUALS", "GREATER", "LESSER", "IN", "CONTAINS", "NONE")),
    "tags.name": TEXT,
    "tags.id": INTEGER,
    "createdDate": DATE,
    "updatedDate": DATE,
    "lastScan.date": DATE,
    "lastScan.authStatus": keyword("NONE", "NOT_USED", "SUCCESSFUL", "FAILED", "PARTIAL"),
    "isUsed": BOOLEAN,
    "contents": keyword(
        "FORM_STANDARD",
        "FORM_CUSTOM",
        "FORM_SELENIUM",
        "SERVER_BASIC",
        "SERVER_DIGEST",
        "SERVER_NTLM",
        "CERTIFICATE",
        "OAUTH2_AUTH_CODE",
        "OAUTH2_IMPLICIT",
        "OAUTH2_PASSWORD",
        "OAUTH2_CLIENT_CREDS",
    ),
}

FINDING: dict[str, CriterionType] = {
    "id": INTEGER,
    "uniqueId": TEXT,
    "qid": INTEGER,
    "name": TEXT,
    "url": TEXT,
    "type": keyword("VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED"),
    "findingType": keyword("QUALYS", "BURP", "BUGCROWD"),
    "status": keyword("NEW", "ACTIVE", "REOPENED", "PROTECTED", "FIXED"),
    "patch": INTEGER,
    "webApp.id": INTEGER,
    "webApp.name": TEXT,
    "webApp.tags.id": INTEGER,
    "webApp.tags.name": TEXT,
    "webApp.tags": NOTHING,
    "severity": dataclasses.replace(INTEGER, enum=("1", "2", "3", "4", "5")),
    "externalRef": also(TEXT, "IS EMPTY"),
    "ignoredDate": _FINDING_DATE,
    "ignoredReason": keyword("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE"),
    "isIgnored": BOOLEAN,
    "group": keyword("XSS", "SQL", "INFO", "PATH", "CC", "SSN_US", "CUSTOM"),
    "owasp.name": TEXT,
    "owasp.code": INTEGER,
    "wasc.name": TEXT,
    "wasc.code": INTEGER,
    "cwe.id": INTEGER,
    "firstDetectedDate": _FINDING_DATE,
    "lastDetectedDate": _FINDING_DATE,
    "lastTestedDate": _FINDING_DATE,
    "fixedDate": _FINDING_DATE,
    "timesDetected": INTEGER,
}

OPTION_PROFILE: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    "tags.name": TEXT,
    "tags.id": INTEGER,
    "createdDate": DATE,
    "updatedDate": DATE,
    "usedByWebApps": BOOLEAN,
    "usedBySchedules": BOOLEAN,
    "owner.id": INTEGER,
    "owner.name": TEXT,
    "owner.username": TEXT,
}

TAG: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    "parent": INTEGER,
    "ruleType": keyword(
        "STATIC",
        "GROOVY",
        "OS_REGEX",
        "NETWORK_RANGE",
        "NAME_CONTAINS",
        "INSTALLED_SOFTWARE",
        "OPEN_PORTS",
        "VULN_EXIST",
        "ASSET_SEARCH",
        "CLOUD_ASSET",
        "BUSINESS_INFORMATION",
        "GLOBAL_ASSET_VIEW",
        "TAG_SET",
    ),
    # The values are not documented.
    "provider": keyword(),
    "color": TEXT,
    "criticalityScore": INTEGER,
}

WASSCAN: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    "reference": TEXT,
    "webApp.id": INTEGER,
    "webApp.name": TEXT,
    "webApp.tags": NOTHING,
    "webApp.tags.id": INTEGER,
    "launchedDate": DATE,
    "type": keyword("VULNERABILITY", "DISCOVERY"),
    "mode": keyword("ONDEMAND", "SCHEDULED", "API"),
    "status": keyword("SUBMITTED", "RUNNING", "FINISHED", "ERROR", "CANCELED", "PROCESSING"),
    "authStatus": keyword("NONE", "NOT_USED", "SUCCESSFUL", "FAILED", "PARTIAL"),
    "resultsStatus": keyword(
        "NOT_USED",
        "TO_BE_PROCESSED",
        "NO_HOST_ALIVE",
        "NO_WEB_SERVICE",
        "SERVICE_ERROR",
        "TIME_LIMIT_REACHED",
        "SCAN_INTERNAL_ERROR",
        "SCAN_RESULTS_INVALID",
        "SUCCESSFUL",
        "PROCESSING",
        "TIME_LIMIT_EXCEEDED",
        "SCAN_NOT_LAUNCHED",
        "SCANNER_NOT_AVAILABLE",
        "SUBMITTED",
        "RUNNING",
        "FINISHED",
        "CANCELED",
        "CANCELING",
        "ERROR",
        "DELETED",
        "CANCELED_WITH_RESULTS",
    ),
}

WASSCANSCHEDULE: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    "owner.id": INTEGER,
    "createdDate": DATE,
    "updatedDate": DATE,
    "active": BOOLEAN,
    "invalid": BOOLEAN,
    "type": keyword("VULNERABILITY", "DISCOVERY"),
    "webApp.name": TEXT,
    "webApp.id": INTEGER,
    "webApp.tags": NOTHING,
    "webApp.tags.id": INTEGER,
    "lastScan": NOTHING,
    "lastScan.launchedDate": DATE,
    # The values are not documented.
    "lastScan.status": keyword(),
    "multi": BOOLEAN,
}

REPORT: dict[str, CriterionType] = {
    "id": INTEGER,
    "name": TEXT,
    "tags.id": INTEGER,
    "tags.name": TEXT,
    "creationDate": DATE,
    "type": keyword(
        "WAS_SCAN_REPORT", "WAS_WEBAPP_REPORT", "WAS_SCORECARD_REPORT", "WAS_CATALOG_REPORT", "DATALIST_REPORT"
    ),
    "format": keyword(
        "HTML_ZIPPED", "HTML_BASE64", "PDF", "PDF_ENCRYPTED", "POWERPOINT", "CSV", "CSV_V2", "XML", "WORD"
    ),
    "status": keyword("RUNNING", "COMPLETE", "ERROR"),
}

TABLES: dict[str, dict[str, CriterionType]] = {
    "webapp": WEBAPP,
    "webappauthrecord": AUTH_RECORD,
    "finding": FINDING,
    "optionprofile": OPTION_PROFILE,
    "tag": TAG,
    "wasscan": WASSCAN,
    "wasscanschedule": WASSCANSCHEDULE,
    "report": REPORT,
}
"""The search fields of each object."""

_SPELLINGS = {"CANCELLED": "CANCELED"}
"""The SDK's page spells it with two Ls, the API with one."""

_WITHOUT_VALUE = ("NONE", "IS EMPTY")
_BARE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def build(filters: t.Sequence[t.Mapping[str, t.Any]] | None, resource: str, *, strict: bool = True) -> list[Criterion]:
    """Return the criteria for a list of filters.

    Args:
        filters: items with ``field``, and optionally ``operator``, ``value`` and ``name``, as the user gave them.
        resource: the object to search, a key of :data:`TABLES`.
        strict: whether a field that is not in the table is an error.

    Raises:
        OptionError: a field, operator or value is not allowed. The message names the field, the hint what is allowed.
    """
    return [_criterion(item, TABLES[resource], strict) for item in filters or ()]


def _criterion(item: t.Mapping[str, t.Any], table: dict[str, CriterionType], strict: bool) -> Criterion:
    field = str(item["field"])
    kind = table.get(field)
    if kind is None and strict:
        raise OptionError(
            f"filters: {field} is not a known search field.",
            hint=f"Use one of {', '.join(sorted(table))}. If the field is new at Qualys, set filters_strict to false.",
        )
    value = item.get("value")
    operator = _operator(field, item.get("operator"), value, kind)
    criterion = {"field": field, "operator": operator, "value": _value_text(field, operator, value, kind)}
    if (field == "attributes") != bool(item.get("name")):
        raise OptionError(
            "filters: name is required with the field attributes, and not allowed with any other.",
            hint="Write {field: attributes, name: <attribute>, value: <its value>}.",
        )
    if item.get("name"):
        criterion["name"] = str(item["name"])
    return criterion


def _operator(field: str, operator: str | None, value: t.Any, kind: CriterionType | None) -> str:
    default = "IN" if isinstance(value, list) else "EQUALS"
    if kind is NOTHING:
        default = "NONE"
    word = (operator or default).upper().replace("_", " ")
    if kind is not None and word not in kind.operators:
        raise OptionError(
            f"filters: {field} does not support the operator {word}.", hint=f"Use one of {', '.join(kind.operators)}."
        )
    return word


def _value_text(field: str, operator: str, value: t.Any, kind: CriterionType | None) -> str:
    if operator in _WITHOUT_VALUE:
        if value not in (None, "", []):
            raise OptionError(f"filters: {field} with the operator {operator} takes no value.", hint="Omit value.")
        return ""
    # Qualys separates the values of IN with commas, so text with commas is the same as a list.
    values = value if isinstance(value, list) else str(value).split(",") if operator == "IN" else [value]
    if not values or any(item is None or str(item).strip() == "" for item in values):
        raise OptionError(f"filters: {field} requires a value.", hint="An empty value may match nothing or everything.")
    if len(values) > 1 and operator != "IN":
        raise OptionError(f"filters: {field} with the operator {operator} takes one value.", hint="Use IN for a list.")
    return ",".join(_one_value(field, item, kind) for item in values)


def _one_value(field: str, value: t.Any, kind: CriterionType | None) -> str:
    if isinstance(value, (dict, list)):
        raise OptionError(
            f"filters: the value of {field} must be text, a number or a boolean.", hint="IN also takes a list of these."
        )
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if kind is None or kind.name == "text":
        return text
    text = text.strip()
    check = _CHECKS[kind.name]
    checked = check(text, kind)
    if checked is None:
        allowed = ", ".join(kind.enum) or _EXPECTED[kind.name]
        raise OptionError(f"filters: {text!r} is not a valid value of {field}.", hint=f"Expected: {allowed}.")
    return checked


def _integer(text: str, kind: CriterionType) -> str | None:
    return text if text.isascii() and text.isdigit() and (not kind.enum or text in kind.enum) else None


def _keyword(text: str, kind: CriterionType) -> str | None:
    word = text.upper()
    word = _SPELLINGS.get(word, word)
    return word if not kind.enum or word in kind.enum else None


def _boolean(text: str, _kind: CriterionType) -> str | None:
    word = text.lower()
    return word if word in ("true", "false") else None


def _date(text: str, _kind: CriterionType) -> str | None:
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    # A date without a time is sent unchanged, because only Qualys knows whether "equal to a day" means the whole day.
    return text if _BARE_DATE.fullmatch(text) else utc_text(moment.replace(microsecond=0))


_CHECKS: dict[str, t.Callable[[str, CriterionType], str | None]] = {
    "integer": _integer,
    "keyword": _keyword,
    "boolean": _boolean,
    "date": _date,
}
_EXPECTED = {
    "integer": "digits",
    "boolean": "true or false",
    "date": "a UTC date or time such as 2026-01-31 or 2026-01-31T08:00:00Z",
}
