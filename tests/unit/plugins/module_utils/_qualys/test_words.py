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
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import read, write
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import TABLES, build
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import AUTH_RECORD
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import WEBAPP
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_fields, severity_counts
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.planning import plan_record
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.references import References
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.resource import Resource
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import scan_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule import SCHEDULE
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.plan import Plan, shown_record
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import WORDS, option_spec
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS
from tests.tools import house_rules

Raw = dict[str, Any]
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


RESOURCES: dict[str, Resource] = {"webapp": WEBAPP, "auth_record": AUTH_RECORD, "schedule": SCHEDULE}


def choices(options: dict[str, Any], above: str = "", key: str = "choices") -> Iterator[tuple[str, list[str]]]:
    for name, option in (options or {}).items():
        path = f"{above}.{name}".lstrip(".")
        if option.get(key):
            yield re.sub(r"^(webapps|auth_records)\.", "", path), [str(word) for word in option[key]]
        yield from choices(option.get("suboptions") or option.get("options") or {}, path, key)


def known_words(kind: str) -> dict[str, list[str]]:
    """The words that the fields of a kind of record know, by the path of the option."""
    return dict(choices(option_spec(RESOURCES[kind].fields, words=True), key=WORDS))


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
    for kind in RESOURCES:
        found += [(f"qualys_was_{kind}", option, words) for option, words in known_words(kind).items()]
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
    assert len(walked) >= 19


def descriptions(options: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, option in (options or {}).items():
        path = f"{above}.{name}".lstrip(".")
        yield re.sub(r"^(webapps|auth_records)\.", "", path), " ".join(option["description"])
        yield from descriptions(option.get("suboptions") or {}, path)


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        *(("qualys_was_webapp", "webapp"), ("qualys_was_webapps", "webapp"), ("qualys_was_schedule", "schedule")),
        *(("qualys_was_auth_record", "auth_record"), ("qualys_was_auth_records", "auth_record")),
    ],
)
def test_every_word_that_a_field_knows_is_in_the_documentation(module: str, kind: str) -> None:
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    told = dict(descriptions(house_rules.documented(ROOT, path, "options")))
    for option, words in known_words(kind).items():
        said = ", ".join(f"V({word})" for word in words)
        assert f"One of {said}, or the value that the record already has." in told[option], option


# Words of the vendor that nobody here knows


NEW, OTHER = "NEW_WORD", "OTHER_WORD"


def occurring(kind: str, **shape: Any) -> Raw:
    start = {"startDate": "2027-01-01T10:00:00Z", "timeZone": {"code": "UTC"}}
    return {"scheduling": {**start, "occurrenceType": kind, "occurrence": {f"{kind.lower()}Occurrence": shape}}}


def monthly(**words: str) -> Raw:
    chosen = {"dayOrder": "LAST", "dayOfMonth": "MONDAY", "everyNMonths": 2, **words}
    return occurring("MONTHLY", monthlyType={"occurDayOrderInMonth": chosen})


def tagged(side: str) -> Raw:
    tags = {"count": 1, "list": [{"Tag": {"id": 1, "name": "t"}}]}
    sides = {"included": {"option": "ALL", "tagList": tags}, side: {"option": NEW, "tagList": tags}}
    return {"target": {"tags": sides}, **occurring("WEEKLY", everyNWeeks=1, onDays={"WeekDay": ["MONDAY"]})}


LOGINS = [{"id": key, "type": word, "username": "u"} for key, word in ((1, NEW), (2, "NTLM"))]
# By the path of an option: a record that has an unknown word there, and a change of something beside it.
UNKNOWN: dict[tuple[str, str], tuple[Raw, dict[str, Any]]] = {
    ("webapp", "scope"): ({"scope": NEW}, {"sub_domain": "x"}),
    ("webapp", "default_scanner.type"): (
        {"defaultScanner": {"type": NEW}},
        {"default_scanner": {"type": NEW, "friendly_name": "x"}},
    ),
    ("auth_record", "form.type"): ({"formRecord": {"type": NEW}}, {"form": {"ssl_only": True}}),
    ("auth_record", "server.fields.type"): (
        {"serverRecord": {"fields": {"list": [{"WebAppAuthServerRecordField": login} for login in LOGINS]}}},
        {"server": {"fields": [{"type": NEW}]}},
    ),
    ("auth_record", "oauth2.grant_type"): (
        {"oauth2Record": {"grantType": NEW, "scope": "s"}},
        {"oauth2": {"grant_type": NEW, "scope": "t"}},
    ),
    ("schedule", "type"): ({"type": NEW}, {"send_mail": True}),
    ("schedule", "tags_match"): (tagged("included"), {"tags_match": NEW, "randomize": True}),
    ("schedule", "excluded_tags_match"): (tagged("excluded"), {"excluded_tags_match": NEW, "randomize": True}),
    ("schedule", "recurrence.days"): (
        occurring("WEEKLY", everyNWeeks=1, onDays={"WeekDay": ["MONDAY", NEW]}),
        {"recurrence": {"type": "WEEKLY", "days": ["TUESDAY", NEW]}},
    ),
    ("schedule", "recurrence.order"): (
        monthly(dayOrder=NEW),
        {"recurrence": {"type": "MONTHLY", "order": NEW, "weekday": "FRIDAY"}},
    ),
    ("schedule", "recurrence.weekday"): (
        monthly(dayOfMonth=NEW),
        {"recurrence": {"type": "MONTHLY", "order": "FIRST", "weekday": NEW}},
    ),
    ("schedule", "scanner.type"): (
        {"target": {"webApp": {"id": 5, "name": "a"}, "scannerAppliance": {"type": NEW}}},
        {"scanner": {"type": NEW, "friendly_name": "x"}},
    ),
    # A kind of occurrence whose members nobody knows is read as none, and carried over as it is.
    ("schedule", "recurrence.type"): (occurring(NEW, everyNHours="3"), {"start": "2027-02-01T00:00:00Z"}),
}
paths = pytest.mark.parametrize(("kind", "path"), UNKNOWN)


def record_of(kind: str, path: str) -> Raw:
    return {"id": 1, "name": "x", "url": "https://x.test/", **UNKNOWN[kind, path][0]}


def planned(kind: str, raw: Raw | None, options: dict[str, Any]) -> Plan:
    resource = RESOURCES[kind]
    spec = {"id": {"type": "int"}, **option_spec(resource.fields)}
    checked = ArgumentSpecValidator(spec).validate(options)
    assert not checked.error_messages, checked.error_messages
    before = None if raw is None else resource.from_raw(raw)
    return plan_record(resource, dict(checked.validated_parameters), before, References(None)).plan  # type: ignore[arg-type]


def test_an_unknown_word_is_tried_in_every_option_that_has_words() -> None:
    assert set(UNKNOWN) == {(kind, path) for kind in RESOURCES for path in known_words(kind)}


@paths
def test_a_word_that_was_read_is_accepted_and_changes_nothing(kind: str, path: str) -> None:
    raw, resource = record_of(kind, path), RESOURCES[kind]
    record = shown_record(resource.fields, resource.from_raw(raw))
    assert record is not None
    (catalog_kind,) = [found for found in KINDS if found.name == f"{kind}s"]
    for empty in (False, True):
        entries = write.entries_of([record], catalog_kind, empty=empty)
        assert path == "recurrence.type" or NEW in str(entries)
        catalog = read.read([("a.yml", {catalog_kind.name: entries})], KINDS)
        assert catalog.problems == []
        (entry,) = catalog.entries[catalog_kind.name]
        assert planned(kind, raw, {**entry, "id": 1}).changes == ()


@paths
def test_a_word_that_was_read_does_not_stand_in_the_way_of_a_change(kind: str, path: str) -> None:
    raw, change = record_of(kind, path), UNKNOWN[kind, path][1]
    plan = planned(kind, raw, {"id": 1, **change})
    assert len(plan.changes) == 1
    resource = RESOURCES[kind]
    resource.write_data(plan, raw)
    if path == "recurrence.type":
        data = resource.write_data(plan, raw)["WasScanSchedule"]
        assert data["scheduling"]["occurrenceType"] == NEW  # type: ignore[index,call-overload]
        assert data["scheduling"]["occurrence"] == raw["scheduling"]["occurrence"]  # type: ignore[index,call-overload]


def with_word(value: Any) -> Any:
    """The same options with a word that the record does not have."""
    if isinstance(value, dict):
        return {key: with_word(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_word(item) for item in value]
    return OTHER if value == NEW else value


@paths
def test_a_word_that_is_neither_known_nor_there_is_refused_with_the_list(kind: str, path: str) -> None:
    raw, known = record_of(kind, path), known_words(kind)[path]
    option, _dot, member = path.partition(".")
    wrong: Any = OTHER
    for name in reversed(member.split(".") if member else []):
        wrong = {name: [wrong] if name in ("fields", "days") else wrong}
    if option == "recurrence" and member != "type":
        wrong |= {"type": "WEEKLY" if member == "days" else "MONTHLY"}
    for before in (raw, None):
        options = {"id": 1, option: wrong} if before else {"name": "new", option: wrong}
        with pytest.raises(OptionError) as caught:
            planned(kind, before, options)
        assert caught.value.message == f"{path}: '{OTHER}' is not one of {', '.join(known)}."


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
