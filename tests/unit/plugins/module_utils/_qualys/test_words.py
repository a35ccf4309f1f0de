# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every word of a closed list that is sent to Qualys is one of docs/vendors/qualys_was.md 7.4.

The walk covers the criteria, the choices of every module and of the inventory, and each criterion that the code makes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import TABLES, build
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_fields, severity_counts
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import scan_fields
from tests.tools import house_rules

ROOT = Path(__file__).resolve().parents[5]
ROW = re.compile(r"^\| (\w+) \| `([\w.]+)` \| ([\w, ]+) \|$", re.MULTILINE)
PAGE = {
    (kind, field): tuple(words.split(", "))
    for kind, field, words in ROW.findall((ROOT / "docs" / "vendors" / "qualys_was.md").read_text("utf-8"))
}

# The closed lists of the manual of qualysdk, typed from it. It writes CANCELLED; the API has one L (7.3).
SDK_WORDS = {
    ("webapp", "lastScan.status"): (
        *("SUBMITTED", "RUNNING", "FINISHED", "TIME_LIMIT_EXCEEDED", "SCAN_NOT_LAUNCHED", "SCANNER_NOT_AVAILABLE"),
        *("ERROR", "CANCELLED"),
    ),
    ("webappauthrecord", "lastScan.authStatus"): ("NONE", "NOT_USED", "PARTIAL", "FAILED", "SUCCESSFUL"),
    ("webappauthrecord", "contents"): (
        *("FORM_STANDARD", "FORM_CUSTOM", "FORM_SELENIUM", "SERVER_BASIC", "SERVER_DIGEST", "SERVER_NTLM"),
        *("CERTIFICATE", "OAUTH2_AUTH_CODE", "OAUTH2_IMPLICIT", "OAUTH2_PASSWORD", "OAUTH2_CLIENT_CREDS"),
    ),
    ("webappauthrecord", "formRecord.type"): ("STANDARD", "CUSTOM", "SELENIUM"),
    ("webappauthrecord", "oauth2Record.grantType"): ("AUTH_CODE", "IMPLICIT", "PASSWORD", "CLIENT_CREDS"),
    ("finding", "type"): ("VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED"),
    ("finding", "status"): ("NEW", "ACTIVE", "REOPENED", "PROTECTED", "FIXED"),
    ("finding", "severity"): ("1", "2", "3", "4", "5"),
    ("finding", "ignoredReason"): ("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE"),
    ("finding", "group"): ("XSS", "SQL", "INFO", "PATH", "CC", "SSN_US", "CUSTOM"),
}

# The choices of modules and the row that they are taken from. Options that are no words of Qualys are not in capitals.
OPTIONS = {
    "scope": ("webapp", "scope"),
    "default_scanner.type": ("webapp", "defaultScanner.type"),
    "form.type": ("webappauthrecord", "formRecord.type"),
    "server.fields.type": ("webappauthrecord", "serverRecord.fields.type"),
    "oauth2.grant_type": ("webappauthrecord", "oauth2Record.grantType"),
    "reason": ("finding", "ignoredReason"),
    "severity": ("finding", "severity"),
    "tags_match": ("wasscan", "target.tags.included.option"),
    "excluded_tags_match": ("wasscan", "target.tags.included.option"),
    "scanner.type": ("wasscan", "target.scannerAppliance.type"),
    "recurrence.type": ("wasscanschedule", "scheduling.occurrenceType"),
    "recurrence.days": ("wasscanschedule", "onDays"),
    "recurrence.weekday": ("wasscanschedule", "onDays"),
    "recurrence.order": ("wasscanschedule", "dayOrder"),
    "qualys_was_scan type": ("wasscan", "type"),
    "qualys_was_schedule type": ("wasscanschedule", "type"),
    "qualys_was_report type": ("report", "type"),
    "qualys_was_report format": ("report", "format"),
}


def choices(options: dict[str, Any], above: str = "") -> Iterator[tuple[str, list[str]]]:
    for name, option in (options or {}).items():
        path = f"{above}.{name}".lstrip(".")
        if option.get("choices"):
            yield re.sub(r"^(webapps|auth_records)\.", "", path), [str(word) for word in option["choices"]]
        yield from choices(option.get("suboptions") or {}, path)


def offered() -> list[tuple[str, str, list[str]]]:
    """Module, option and choices, wherever the choices are in capitals or digits and thus the vendor's."""
    found = []
    for path in [
        *sorted((ROOT / "plugins" / "modules").glob("qualys_*.py")),
        ROOT / "plugins" / "inventory" / "qualys_was.py",
    ]:
        for option, words in choices(house_rules.documented(ROOT, path, "options")):
            if any(word.isupper() or word.isdigit() for word in words):
                found.append((path.stem, option, words))
    return found


@pytest.mark.parametrize(
    ("resource", "field"),
    [(resource, field) for resource, table in TABLES.items() for field, kind in table.items() if kind.enum],
)
def test_a_criterion_knows_the_words_of_the_page_and_no_others(resource: str, field: str) -> None:
    assert TABLES[resource][field].enum == PAGE[resource, field]


@pytest.mark.parametrize("row", SDK_WORDS, ids=".".join)
def test_the_page_has_every_word_of_the_clients_manual(row: tuple[str, str]) -> None:
    assert {word.replace("CANCELLED", "CANCELED") for word in SDK_WORDS[row]} <= set(PAGE[row])


def test_every_choice_of_every_module_is_on_the_page() -> None:
    walked = offered()
    for module, option, words in walked:
        row = OPTIONS.get(f"{module} {option}") or OPTIONS[option]
        assert set(words) <= set(PAGE[row]), (module, option)
    assert {name.split(" ")[-1] for name in OPTIONS} == {option for _module, option, _words in walked}
    assert len(walked) >= 25


def test_every_status_that_is_read_is_on_the_page_or_known_as_one_of_replies_only() -> None:
    assert set(finding_fields.STATUS_WORDS) - set(PAGE["finding", "status"]) == {"RETESTING"}
    assert set(finding_fields.KINDS) == set(PAGE["finding", "type"])
    assert set(finding_fields.SEVERITY_LEVELS) == set(PAGE["finding", "severity"])
    assert set(scan_fields.KINDS) == set(PAGE["wasscan", "type"])
    ends = set(PAGE["wasscan", "status"]) | set(PAGE["wasscan", "resultsStatus"])
    assert set(scan_fields.END_WORDS) | scan_fields.RUNNING_WORDS == ends


def literal_criteria() -> Iterator[tuple[str, dict[str, str]]]:
    """Each criterion that is written in the code, with what of it is constant."""
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if not ({"_qualys", "inventory"} & set(path.parts)):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                found = {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
                if {"field", "operator"} <= set(found):
                    constant = {
                        key: str(value.value) for key, value in found.items() if isinstance(value, ast.Constant)
                    }
                    yield path.name, constant


def test_every_criterion_that_the_code_makes_is_one_that_qualys_takes() -> None:
    seen = [(name, found) for name, found in literal_criteria() if "field" in found]
    for name, criterion in seen:
        # Downloads of scripts have a criterion of their own (9.1).
        if criterion["field"] == "crawlingScripts.id":
            continue
        kinds = [table[criterion["field"]] for table in TABLES.values() if criterion["field"] in table]
        assert any(criterion["operator"] in kind.operators for kind in kinds), (name, criterion)
        if kinds[0].enum:
            assert any(set(criterion["value"].split(",")) <= set(kind.enum) for kind in kinds), (name, criterion)
    assert len(seen) > 15


def test_the_inventory_asks_for_findings_in_words_that_a_search_takes() -> None:
    asked = [dict(criterion) for criterion in severity_counts._OPEN_CRITERIA]
    assert build(asked, "finding") == asked
