# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the documentation page of qualysdk's WAS part lists has its place here.

The tables are that page: each call, each of its parameters, each operator and word of its filters, and each field of
the records that it shows. They say which module and option stand for it; the tests ask the documentation and the code
of the modules whether that is so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import build
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record_fields,
    webapp_fields,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.normalise import FindingNormaliser
from tests.tools import house_rules

ROOT = Path(__file__).resolve().parents[4]

# Filters: parameter of the page -> operators, words of its enumeration. Those of an integer, a text, a date, a boolean:
_NUMBER = ("EQUALS", "NOT EQUALS", "GREATER", "LESSER", "IN")
_TEXT = ("CONTAINS", "EQUALS", "NOT EQUALS")
_DATE = ("EQUALS", "NOT EQUALS", "GREATER", "LESSER")
_BOOLEAN = ("EQUALS", "NOT EQUALS")
_WORD = ("EQUALS", "NOT EQUALS", "IN")
_FINDING_DATE = (*_DATE, "IN")

Filters = dict[str, tuple[tuple[str, ...], tuple[Any, ...]]]
NUMBERS, TEXTS, DATES, BOOLEANS = (7,), ("a, b",), ("2026-01-31", "2026-01-31T08:00:00Z"), (True, False, "true")

WEBAPP_FILTERS: Filters = {
    "id": (_NUMBER, NUMBERS),
    "name": (_TEXT, TEXTS),
    "url": (_TEXT, TEXTS),
    "tags_name": (_TEXT, TEXTS),
    "tags_id": (_NUMBER, NUMBERS),
    "createdDate": (_DATE, DATES),
    "updatedDate": (_DATE, DATES),
    "isScheduled": (_BOOLEAN, BOOLEANS),
    "isScanned": (_BOOLEAN, BOOLEANS),
    "lastScan_status": (
        _WORD,
        (
            *("SUBMITTED", "RUNNING", "FINISHED", "TIME_LIMIT_EXCEEDED", "SCAN_NOT_LAUNCHED"),
            *("SCANNER_NOT_AVAILABLE", "ERROR", "CANCELLED"),
        ),
    ),
    "lastScan_date": (_DATE, DATES),
}
AUTH_RECORD_FILTERS: Filters = {
    "id": (_NUMBER, NUMBERS),
    "name": (_TEXT, TEXTS),
    "tags": (_NUMBER, NUMBERS),
    "tags_name": (_TEXT, TEXTS),
    "tags_id": (_NUMBER, NUMBERS),
    "createdDate": (_DATE, DATES),
    "updatedDate": (_DATE, DATES),
    "isUsed": (_BOOLEAN, BOOLEANS),
    "lastScan_authStatus": (_WORD, ("NONE", "NOT_USED", "PARTIAL", "FAILED", "SUCCESSFUL")),
    "lastScan_date": (_DATE, DATES),
    "contents": (
        _WORD,
        (
            *("FORM_STANDARD", "FORM_CUSTOM", "FORM_SELENIUM", "SERVER_BASIC", "SERVER_DIGEST", "SERVER_NTLM"),
            *("CERTIFICATE", "OAUTH2_AUTH_CODE", "OAUTH2_IMPLICIT", "OAUTH2_PASSWORD", "OAUTH2_CLIENT_CREDS"),
        ),
    ),
}
FINDING_FILTERS: Filters = {
    "id": (_NUMBER, NUMBERS),
    "uniqueId": (("EQUALS",), ("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",)),
    "qid": (_NUMBER, NUMBERS),
    "name": (_TEXT, TEXTS),
    "type": (_WORD, ("VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED")),
    "url": (_TEXT, TEXTS),
    "webApp_tags_id": (_WORD, NUMBERS),
    "webApp_tags_name": (_TEXT, TEXTS),
    "status": (_WORD, ("NEW", "ACTIVE", "REOPENED", "PROTECTED", "FIXED")),
    "patch": (_WORD, NUMBERS),
    "webApp_id": (_WORD, NUMBERS),
    "webApp_name": (_TEXT, TEXTS),
    "severity": (_WORD, (1, 2, 3, 4, 5)),
    "externalRef": (_TEXT, TEXTS),
    "ignoredDate": (_FINDING_DATE, DATES),
    "ignoredReason": (_WORD, ("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE")),
    "group": (_WORD, ("XSS", "SQL", "INFO", "PATH", "CC", "SSN_US", "CUSTOM")),
    "owasp_name": (_TEXT, TEXTS),
    "owasp_code": (_WORD, NUMBERS),
    "wasc_name": (_TEXT, TEXTS),
    "wasc_code": (_WORD, NUMBERS),
    "cwe_id": (_WORD, NUMBERS),
    "firstDetectedDate": (_FINDING_DATE, DATES),
    "lastDetectedDate": (_FINDING_DATE, DATES),
    "lastTestedDate": (_FINDING_DATE, DATES),
    "timesDetected": (_NUMBER, NUMBERS),
    "fixedDate": (_FINDING_DATE, DATES),
}
FILTERS: dict[str, Filters] = {
    "webapp": WEBAPP_FILTERS,
    "webappauthrecord": AUTH_RECORD_FILTERS,
    "finding": FINDING_FILTERS,
}

# Calls: of each, the module, the object that its filters search, and for each other parameter the option and how.
_AUTH = {"auth": ("username", "with password, or client_id and client_secret")}
_PAGES = {"page_count": ("limit", "records instead of pages; all unless it is given")}
_THREADS = {"thread_count": ("max_connections", "connections of the pool")}
_VERBOSE = {"verbose": ("detail", "summary, verbose or full")}
_NAMED = {"name": ("name", "as it is"), "url": ("url", "as it is")}
_RECORD = {
    **_AUTH,
    "name": ("name", "as it is"),
    "tags": ("tags", "by name or id"),
    "comments": ("comments", "as it is"),
}

Call = tuple[str, Optional[str], dict[str, tuple[str, str]]]
CALLS: dict[str, Call] = {
    "count_webapps": ("qualys_was_webapp_info", "webapp", {**_AUTH, "": ("count_only", "the call itself")}),
    "get_webapps": ("qualys_was_webapp_info", "webapp", {**_AUTH, **_PAGES, **_VERBOSE}),
    "get_webapp_details": ("qualys_was_webapp_info", None, {**_AUTH, "webappId": ("id", "as it is")}),
    "get_webapps_verbose": (
        "qualys_was_webapp_info",
        "webapp",
        {**_AUTH, **_PAGES, **_THREADS, "": ("detail", "full")},
    ),
    "create_webapp": (
        "qualys_was_webapp",
        None,
        {
            **_AUTH,
            **_NAMED,
            "authRecord_id": ("auth_records", "by name or id, any number"),
            "uris": ("uris", "as it is"),
            "tag_ids": ("tags", "by name or id"),
            "domains": ("domains", "as it is"),
            "scannerTag_ids": ("scanner_tags", "by name or id"),
        },
    ),
    "update_webapp": (
        "qualys_was_webapp",
        None,
        {
            **_AUTH,
            **_NAMED,
            "webappId": ("id", "or by name"),
            "attributes": ("attributes", "as it is, all of them"),
            "attributes.add": ("attributes_add", "any number"),
            "attributes.remove": ("attributes_remove", "any number, together with attributes_add"),
            "defaultProfile_id": ("default_profile", "by name or id"),
            "urlExcludelist": ("url_excludelist", "texts, or {value, regex}"),
            "urlAllowlist": ("url_allowlist", "texts, or {value, regex}"),
            "postDataExcludelist": ("post_data_excludelist", "texts, or {value, regex}"),
            "useSitemap": ("use_sitemap", "as it is"),
            "headers": ("headers", "as it is"),
            "authRecord_id.add": ("auth_records_add", "by name or id"),
            "authRecord_id.remove": ("auth_records_remove", "together with auth_records_add"),
        },
    ),
    "delete_webapp": (
        "qualys_was_webapps",
        "webapp",
        {
            **_AUTH,
            "removeFromSubscription": ("remove_from_subscription", "true unless told otherwise"),
            "": ("max_deletes", "the ceiling of what filters may reach"),
        },
    ),
    "purge_webapp": (
        "qualys_was_webapp_purge",
        "webapp",
        {**_AUTH, "": ("max_purges", "the ceiling of what filters may reach")},
    ),
    "get_selenium_script": (
        "qualys_was_selenium_script",
        None,
        {**_AUTH, "id": ("webapp_id", "as it is"), "crawlingScripts_id": ("script_id", "as it is")},
    ),
    "count_authentication_records": (
        "qualys_was_auth_record_info",
        "webappauthrecord",
        {**_AUTH, "": ("count_only", "the call itself")},
    ),
    "get_authentication_records": ("qualys_was_auth_record_info", "webappauthrecord", {**_AUTH, **_PAGES}),
    "get_authentication_record_details": (
        "qualys_was_auth_record_info",
        None,
        {**_AUTH, "recordId": ("id", "as it is")},
    ),
    "get_authentication_records_verbose": (
        "qualys_was_auth_record_info",
        "webappauthrecord",
        {**_AUTH, **_PAGES, **_THREADS, "": ("detail", "full")},
    ),
    "create_authentication_record (formRecord)": (
        "qualys_was_auth_record",
        None,
        {
            **_RECORD,
            "recordType": ("form", "the option that is given"),
            "subType": ("form.type", "as it is"),
            "fields": ("form.fields", "name and value, and whether it is secured"),
            "fields.name": ("form.fields.name", "as it is"),
            "fields.value": ("form.fields.value", "as it is"),
            "sslOnly": ("form.ssl_only", "as it is"),
            "authVault": ("form.auth_vault", "as it is"),
            "seleniumCreds": ("form.selenium_creds", "as it is"),
            "seleniumScript.name": ("form.selenium_script.name", "as it is"),
            "seleniumScript.data": ("form.selenium_script.data", "as it is"),
        },
    ),
    "create_authentication_record (serverRecord)": (
        "qualys_was_auth_record",
        None,
        {
            **_RECORD,
            "recordType": ("server", "the option that is given"),
            "sslOnly": ("server.ssl_only", "as it is"),
            "certificate.name": ("server.certificate.name", "as it is"),
            "certificate.contents": ("server.certificate.contents", "as it is"),
            "certificate.passphrase": ("server.certificate.passphrase", "as it is"),
        },
    ),
    "create_authentication_record (oauth2Record)": (
        "qualys_was_auth_record",
        None,
        {
            **_RECORD,
            "recordType": ("oauth2", "the option that is given"),
            "subType": ("oauth2.grant_type", "as it is"),
            "clientId": ("oauth2.client_id", "as it is"),
            "clientSecret": ("oauth2.client_secret", "as it is"),
            "accessTokenUrl": ("oauth2.access_token_url", "as it is"),
            "scope": ("oauth2.scope", "as it is"),
            "accessTokenExpiredMsgPattern": ("oauth2.access_token_expired_msg_pattern", "as it is"),
            "seleniumCreds": ("oauth2.selenium_creds", "as it is"),
            "seleniumScript.name": ("oauth2.selenium_script.name", "as it is"),
            "seleniumScript.data": ("oauth2.selenium_script.data", "as it is"),
        },
    ),
    "delete_authentication_record": (
        "qualys_was_auth_records",
        "webappauthrecord",
        {**_AUTH, "": ("max_deletes", "the ceiling of what filters may reach")},
    ),
    "count_findings": ("qualys_was_finding_info", "finding", {**_AUTH, "": ("count_only", "the call itself")}),
    "get_findings": ("qualys_was_finding_info", "finding", {**_AUTH, **_PAGES, **_VERBOSE}),
    "get_finding_details": (
        "qualys_was_finding_info",
        None,
        {**_AUTH, "findingId": ("id", "the number or the unique id")},
    ),
    "get_findings_verbose": (
        "qualys_was_finding_info",
        "finding",
        {**_AUTH, **_PAGES, **_THREADS, **_VERBOSE, "": ("detail", "full")},
    ),
    # The page's command-line tool writes findings to a spreadsheet.
    "qualysdk-was get_findings": (
        "qualys_was_finding_export",
        "finding",
        {"username": ("username", "as it is"), "password": ("password", "or the environment"),
         "platform": ("platform", "as it is"), "output": ("dest", "NDJSON; report makes tables of it")},
    ),
}  # fmt: skip

CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("qualys_was_auth_record", "form.type"): ("STANDARD", "CUSTOM", "SELENIUM"),
    ("qualys_was_auth_record", "oauth2.grant_type"): ("AUTH_CODE", "IMPLICIT", "PASSWORD", "CLIENT_CREDS"),
}
"""The words that the page allows for an option."""

# Fields of the records that the page shows, and ours.
WEBAPP_SHOWN = {
    "id": "id", "name": "name", "url": "url", "riskScore": "risk_score", "owner_firstName": "owner",
    "owner_lastName": "owner", "uris": "uris", "tags": "tags",
}  # fmt: skip
AUTH_RECORD_SHOWN = {
    "id": "id", "name": "name", "owner_id": "owner", "owner_username": "owner", "owner_firstName": "owner",
    "owner_lastName": "owner", "formRecord_type": "form.type", "formRecord_sslOnly": "form.ssl_only",
    "formRecord_authVault": "form.auth_vault", "formRecord_seleniumCreds": "form.selenium_creds",
    "formRecord_fields_list": "form.fields", "tags_list": "tags", "comments_list": "comments",
    "createdDate": "created", "updatedDate": "updated", "createdBy_id": "created_by",
    "createdBy_username": "created_by", "createdBy_firstName": "created_by", "createdBy_lastName": "created_by",
    "updatedBy_id": "updated_by", "updatedBy_username": "updated_by", "updatedBy_firstName": "updated_by",
    "updatedBy_lastName": "updated_by",
}  # fmt: skip
FINDING_SHOWN = {
    "id": "id", "uniqueId": "unique_id", "qid": "rule_id", "detectionScore": "detection_score", "name": "title",
    "type": "kind", "potential": "potential", "findingType": "finding_type", "severity": "severity_native",
}  # fmt: skip


def option_of(module: str, path: str) -> dict[str, Any]:
    """What the documentation of a module says about an option, a suboption included."""
    options = house_rules.documented(ROOT, ROOT / "plugins" / "modules" / f"{module}.py", "options")
    first, *rest = path.split(".")
    assert first in options, f"{module} has no option {first}"
    found = options[first]
    for name in rest:
        assert name in found["suboptions"], f"{module} has no option {path}"
        found = found["suboptions"][name]
    return found


@pytest.mark.parametrize(
    ("call", "parameter"), [(call, name) for call, (_module, _object, names) in CALLS.items() for name in names]
)
def test_each_parameter_of_the_page_is_an_option(call: str, parameter: str) -> None:
    module, _searched, parameters = CALLS[call]
    path, how = parameters[parameter]
    assert option_of(module, path)["description"]
    assert how


@pytest.mark.parametrize("call", [call for call, (_module, searched, _names) in CALLS.items() if searched])
def test_each_call_that_filters_has_filters(call: str) -> None:
    module, _searched, _names = CALLS[call]
    assert set(option_of(module, "filters")["suboptions"]) == {"field", "operator", "value", "name"}
    # A call that reaches many has a ceiling, and one that reads needs none.
    assert call.startswith(("count", "get", "qualysdk")) or any(
        "max_" in path for path, _how in CALLS[call][2].values()
    )


@pytest.mark.parametrize(("module", "path"), list(CHOICES))
def test_each_word_of_the_page_is_a_choice(module: str, path: str) -> None:
    option = option_of(module, path)
    # The words of a field are told in its description: a record may hold another one, which is accepted too.
    told = set(re.findall(r"V\((\w+)\)", " ".join(option["description"])))
    assert set(CHOICES[module, path]) <= set(option.get("choices") or told)


@pytest.mark.parametrize(
    ("searched", "parameter"), [(searched, parameter) for searched, found in FILTERS.items() for parameter in found]
)
def test_each_filter_of_the_page_takes_its_operators_and_values(searched: str, parameter: str) -> None:
    operators, values = FILTERS[searched][parameter]
    field = parameter.replace("_", ".")
    for operator in operators:
        for value in values:
            given = [value] if operator == "IN" else value
            criterion = build([{"field": field, "operator": operator, "value": given}], searched)[0]
            sent = str(value).lower() if isinstance(value, bool) else str(value)
            expected = {"CANCELLED": "CANCELED"}.get(sent, sent)
            assert criterion == {"field": field, "operator": operator, "value": expected}
    # Several values are one text with commas on the page, and may be a list here.
    if "IN" in operators:
        both = [str(value) for value in (*values, *values)[:2]]
        as_text, as_list = (
            build([{"field": field, "operator": "IN", "value": found}], searched) for found in (",".join(both), both)
        )
        assert as_text == as_list


def test_the_page_has_no_parameter_that_a_table_forgets() -> None:
    # The numbers of the page: of its calls, the command-line tool included, and of the filters of each object.
    counts = {call.partition(" (")[0] for call in CALLS}
    assert len(counts) == 20
    assert {name: len(found) for name, found in FILTERS.items()} == {
        "webapp": 11,
        "webappauthrecord": 11,
        "finding": 27,
    }


def keys(record: Any, prefix: str = "") -> set[str]:
    """The keys of a record, those of the objects in it included."""
    if not isinstance(record, dict):
        return set()
    return {f"{prefix}{name}" for name in record}.union(
        *(keys(value, f"{prefix}{name}.") for name, value in record.items())
    )


def test_each_field_of_the_page_is_in_our_records() -> None:
    form = {"formRecord": {"type": "STANDARD"}}
    assert set(WEBAPP_SHOWN.values()) <= keys(webapp_fields.from_raw({}))
    assert set(AUTH_RECORD_SHOWN.values()) <= keys(auth_record_fields.from_raw(form))
    assert set(FINDING_SHOWN.values()) <= keys(FindingNormaliser().finding({}))
