# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read can be written: every vendor object comes back as options that Ansible accepts, and that change nothing.

Vendor objects are generated, also in forms that no user could have written first. They go through the reader, through
Ansible's own validation and into a plan; through a catalog, too. Nothing may be looked up, and nothing may be written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import compare, read, write
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.kinds import Kind
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import auth_record_fields, webapp_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import AUTH_RECORD
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import WEBAPP
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.planning import plan_record
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.references import References
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.resource import Resource
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule import SCHEDULE
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.desired import check_edits
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.plan import shown_record
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

Raw = dict[str, Any]
OPTIONS: dict[str, Any] = {
    "webapp": webapp_fields.OPTIONS,
    "auth_record": auth_record_fields.OPTIONS,
    "schedule": schedule_fields.OPTIONS,
}
RESOURCES: dict[str, Resource] = {"webapp": WEBAPP, "auth_record": AUTH_RECORD, "schedule": SCHEDULE}
CATALOG: dict[str, Kind] = {kind.name.removesuffix("s"): kind for kind in KINDS}


class Silent:
    """A client that must not be asked anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


# Vendor objects

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
WORDS = st.one_of(TEXTS, st.sampled_from(["none", "default", "5", " x ", "a: b", "é", "********", "true", "{{ x }}"]))
BOOLS = st.sampled_from(["true", "false", True, False])
NUMBERS = st.integers(0, 400).flatmap(lambda value: st.sampled_from([value, str(value)]))
IDS = st.integers(1, 99)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Raw]:
    """An object, any of whose members may be missing or null."""
    return st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in members.items()})


def listing(item: str, values: st.SearchStrategy[Any], **unique: Any) -> st.SearchStrategy[Raw]:
    """A collection as Qualys shows it, an empty one with a count only."""
    found = st.lists(values, max_size=3, **unique)
    return found.map(lambda held: {"count": len(held), "list": [{item: one} for one in held]} if held else {"count": 0})


def reference() -> st.SearchStrategy[Raw]:
    return st.fixed_dictionaries({"id": IDS, "name": WORDS})


def references(item: str) -> st.SearchStrategy[Raw]:
    return listing(item, reference(), unique_by=lambda held: held["id"])


def named(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Raw]:
    return value.map(lambda held: {"value": held})


ENTRIES = listing(
    "UrlEntry",
    st.fixed_dictionaries({"value": TEXTS}, optional={"regex": BOOLS}),
)
HEADER = st.tuples(st.sampled_from(["X-A", "X-B", "Authorization"]), TEXTS).map(": ".join)
SCRIPT = st.fixed_dictionaries(
    {"id": IDS, "name": TEXTS | st.just("s")},
    optional={"data": TEXTS, "regex": TEXTS, "startingUrl": TEXTS, "startingUrlRegex": BOOLS},
)
ATTRIBUTE = st.fixed_dictionaries({"name": TEXTS}, optional={"value": WORDS, "category": TEXTS})

WEBAPPS = st.fixed_dictionaries(
    {"id": IDS, "name": WORDS, "url": st.sampled_from(["https://a.test", "http://B.test/x?y=1", "http://["])},
    optional={
        "owner": st.fixed_dictionaries({"id": IDS, "username": TEXTS}),
        "scope": st.sampled_from(["ALL", "LIMIT", "SUBDOMAIN", "DOMAINS"]),
        "subDomain": st.none() | st.just("") | TEXTS,
        "domains": listing("Domain", named(TEXTS) | TEXTS),
        "uris": listing("Url", named(TEXTS) | TEXTS),
        "tags": references("Tag"),
        "defaultScannerTags": references("Tag"),
        "defaultScanner": some(
            type=st.sampled_from(["EXTERNAL", "INTERNAL", "scannerTags"]), friendlyName=st.just("") | TEXTS
        ),
        "authRecords": references("WebAppAuthRecord"),
        "defaultProfile": st.none() | reference(),
        "attributes": listing("Attribute", ATTRIBUTE),
        "headers": listing("WebAppHeader", named(HEADER)),
        "urlAllowlist": ENTRIES,
        "urlBlacklist": ENTRIES,
        "postDataExcludelist": ENTRIES,
        "logoutRegexList": ENTRIES,
        "useRobots": st.sampled_from(["IGNORE", "ADD_PATHS", "BLACKLIST", "EXCLUDELIST"]),
        "useSitemap": BOOLS,
        "config": some(cancelScansAfterNHours=NUMBERS, defaultAuthRecord=reference()),
        "dnsOverrides": references("DnsOverride"),
        "crawlingScripts": listing("SeleniumScript", SCRIPT),
        "comments": listing("Comment", st.fixed_dictionaries({"contents": TEXTS})),
    },
)

VALUE = st.none() | st.just("") | WORDS
FORM_FIELD = st.fixed_dictionaries(
    {"id": IDS, "name": TEXTS | st.sampled_from(["username", "password", "pin"])},
    optional={"value": VALUE, "secured": BOOLS},
)
LOGIN_SCRIPT = st.fixed_dictionaries({"name": TEXTS}, optional={"data": TEXTS, "regex": TEXTS})
FORM = some(
    type=st.sampled_from(["STANDARD", "CUSTOM", "SELENIUM", "NONE"]),
    sslOnly=BOOLS,
    authVault=BOOLS,
    seleniumScript=LOGIN_SCRIPT,
    seleniumCreds=BOOLS,
    fields=listing("WebAppAuthFormRecordField", FORM_FIELD),
)
LOGIN = st.fixed_dictionaries(
    {"id": IDS, "type": st.sampled_from(["BASIC", "DIGEST", "NTLM"])},
    optional={"domain": VALUE, "username": VALUE, "password": VALUE},
)
SERVER = some(
    sslOnly=BOOLS,
    authVault=BOOLS,
    certificate=st.fixed_dictionaries({"name": TEXTS}, optional={"contents": VALUE, "passphrase": VALUE}),
    fields=listing(
        "WebAppAuthServerRecordField",
        LOGIN,
    ),
)
OAUTH2 = some(
    grantType=st.sampled_from(["AUTH_CODE", "IMPLICIT", "PASSWORD", "CLIENT_CREDS", "NONE"]),
    seleniumScript=LOGIN_SCRIPT,
    seleniumCreds=BOOLS,
    **dict.fromkeys(["redirectUrl", "accessTokenUrl", "username", "clientId", "scope", "clientSecret"], VALUE),
    **dict.fromkeys(["password", "accessTokenExpiredMsgPattern"], VALUE),
)
PARTS = st.one_of(
    st.fixed_dictionaries({"formRecord": FORM, "serverRecord": SERVER}),
    st.fixed_dictionaries({"oauth2Record": OAUTH2, "serverRecord": SERVER}),
)
AUTH_RECORDS = st.builds(
    lambda head, parts: head | parts,
    st.fixed_dictionaries(
        {"id": IDS, "name": WORDS},
        optional={"tags": references("Tag"), "comments": listing("Comment", some(contents=TEXTS))},
    ),
    PARTS,
)

DAYS = st.lists(st.sampled_from(schedule_fields.DAYS), max_size=3, unique=True).map(lambda days: {"WeekDay": days})
MONTHLY = st.one_of(
    some(occurDayNbInMonth=some(dayNb=NUMBERS, everyNMonths=NUMBERS)),
    some(
        occurDayOrderInMonth=some(
            dayOrder=st.sampled_from(schedule_fields.ORDERS),
            dayOfMonth=st.sampled_from(schedule_fields.DAYS),
            everyNMonths=NUMBERS,
        )
    ),
)
OCCURRENCES = st.one_of(
    st.just({"occurrenceType": "ONCE"}),
    st.builds(
        lambda shape: {"occurrenceType": "DAILY", "occurrence": {"dailyOccurrence": shape}},
        some(everyNDays=NUMBERS, occurrenceCount=NUMBERS),
    ),
    st.builds(
        lambda shape: {"occurrenceType": "WEEKLY", "occurrence": {"weeklyOccurrence": shape}},
        some(everyNWeeks=NUMBERS, occurrenceCount=NUMBERS, onDays=DAYS),
    ),
    st.builds(
        lambda shape: {"occurrenceType": "MONTHLY", "occurrence": {"monthlyOccurrence": shape}},
        some(monthlyType=MONTHLY, occurrenceCount=NUMBERS),
    ),
)
LIMIT = st.one_of(st.just({}), some(cancelAfterNHours=NUMBERS), some(cancelTime=TEXTS))
SCHEDULING = st.builds(
    lambda head, occurrence, limit: head | occurrence | limit,
    some(startDate=st.just("2027-01-01T10:00:00Z"), timeZone=some(code=TEXTS, offset=TEXTS)),
    OCCURRENCES,
    LIMIT,
)
SIDE = some(option=st.sampled_from(["ALL", "ANY"]), tagList=references("Tag"))
AIMED = st.one_of(
    st.builds(lambda app: {"webApp": app}, reference()),
    st.builds(lambda tags: {"tags": tags}, some(included=SIDE, excluded=SIDE)),
)
TARGET = st.builds(
    lambda aim, rest: aim | rest,
    AIMED,
    some(
        webAppAuthRecord=reference() | st.just({"isDefault": "true"}),
        scannerAppliance=some(type=st.sampled_from(["EXTERNAL", "INTERNAL", "scannerTags"]), friendlyName=TEXTS),
        scannerTags=references("Tag"),
        cancelOption=st.sampled_from(["DEFAULT", "SPECIFIC"]),
        randomizeScan=BOOLS,
        proxy=reference(),
    ),
)
NOTIFICATION = some(
    active=BOOLS,
    reschedule=BOOLS,
    delay=some(nb=NUMBERS, scale=st.sampled_from(["DAY", "HOUR"])),
    recipients=listing("EmailAddress", st.sampled_from(["a@x.test", "b@x.test", "nobody"]), unique=True),
    message=VALUE,
)
SCHEDULES = st.fixed_dictionaries(
    {"id": IDS, "name": WORDS, "target": TARGET, "scheduling": SCHEDULING},
    optional={
        "type": st.sampled_from(["VULNERABILITY", "DISCOVERY"]),
        "active": BOOLS,
        "profile": reference(),
        "proxy": reference(),
        "dnsOverride": reference(),
        "notification": NOTIFICATION,
        "sendMail": BOOLS,
        "sendOneMail": BOOLS,
    },
)
OBJECTS = st.one_of(
    st.tuples(st.just("webapp"), WEBAPPS),
    st.tuples(st.just("auth_record"), AUTH_RECORDS),
    st.tuples(st.just("schedule"), SCHEDULES),
)


# The way back


def without_nulls(value: Any) -> Any:
    """Ansible itself refuses null where an option has choices."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def validated(kind: str, options: Raw) -> Raw:
    """The options as Ansible hands them to the module; it refuses some itself."""
    result = ArgumentSpecValidator({"id": {"type": "int"}, **OPTIONS[kind]}).validate(without_nulls(options))
    assert not result.error_messages, (options, result.error_messages)
    return dict(result.validated_parameters)


def writes(kind: str, raw: Raw, options: Raw) -> list[str]:
    """The fields that the module would write for these options."""
    resource = RESOURCES[kind]
    given = validated(kind, options)
    check_edits(resource.fields, given)
    plan = plan_record(resource, given, resource.from_raw(raw), References(Silent())).plan  # type: ignore[arg-type]
    return [f"{change.field.name}: {change.before!r} -> {change.after!r}" for change in plan.changes]


def shown(kind: str, raw: Raw) -> Raw:
    resource = RESOURCES[kind]
    record = shown_record(resource.fields, resource.from_raw(raw))
    assert record is not None
    return record


@settings(max_examples=200, deadline=None, derandomize=True)
@given(OBJECTS)
def test_what_is_read_is_accepted_and_changes_nothing(found: tuple[str, Raw]) -> None:
    kind, raw = found
    record = shown(kind, raw)
    assert writes(kind, raw, {name: record[name] for name in ("id", *OPTIONS[kind]) if name in record}) == []


@settings(max_examples=200, deadline=None, derandomize=True)
@given(OBJECTS)
def test_what_is_imported_is_accepted_and_changes_nothing(found: tuple[str, Raw]) -> None:
    kind, raw = found
    record, catalog_kind = shown(kind, raw), CATALOG[kind]
    entries = write.entries_of([record], catalog_kind, empty=True)
    catalog = read.read([("a.yml", {catalog_kind.name: entries})], KINDS)
    assert catalog.problems == []
    (entry,) = catalog.entries[catalog_kind.name]
    assert writes(kind, raw, {**entry, "id": record["id"]}) == []


def test_an_import_covers_values_in_blanks_and_sees_what_is_added_to_them() -> None:
    hosts = [{"Domain": {"value": "x.test "}}, {"Domain": {"value": "y.test"}}]
    raw = {"id": 1, "name": "a", "url": "https://a.test/", "subDomain": " s.test"}
    raw["domains"] = {"count": 2, "list": hosts}
    (entry,) = write.entries_of([shown("webapp", raw)], CATALOG["webapp"], empty=True)
    assert writes("webapp", raw, {**entry, "id": 1}) == []
    grown = raw | {"domains": {"count": 3, "list": [*hosts, {"Domain": {"value": "z.test"}}]}, "subDomain": "t.test"}
    fields = [change.partition(":")[0] for change in writes("webapp", grown, {**entry, "id": 1})]
    assert fields == ["sub_domain", "domains"]


def of(item: str, *held: Raw) -> Raw:
    return {"count": len(held), "list": [{item: one} for one in held]}


LOGINS = [{"id": number, "type": "NTLM", "domain": "D", "username": "********"} for number in (1, 2)]
FIELDS_OF_ONE_NAME = [{"id": number, "name": "f", "value": value} for number, value in ((1, "a"), (2, "b"))]
TWO_SCRIPTS = [{"id": key, "name": "s", "data": f"<{key}/>", "regex": str(key)} for key in (1, 2)]
FORM_AND_OAUTH2 = {
    "formRecord": {"type": "CUSTOM", "fields": of("WebAppAuthFormRecordField", {"id": 1, "name": "f", "value": "a"})},
    "oauth2Record": {"grantType": "CLIENT_CREDS", "accessTokenUrl": "https://x.test", "scope": "s"},
}
ONCE = {"startDate": "2027-01-01T10:00:00Z", "timeZone": {"code": "UTC"}, "occurrenceType": "ONCE"}
TAGGED = {"option": "ALL", "tagList": of("Tag", {"id": 1, "name": "t"})}
AIMED_TWICE = {"webApp": {"id": 5, "name": "app"}, "tags": {"included": TAGGED, "excluded": TAGGED}}
BOTH_LIMITS = {"target": {"webApp": {"id": 5, "name": "app"}, "cancelOption": "SPECIFIC"}}
HELD: dict[str, tuple[str, Raw]] = {
    "two masked logins": ("auth_record", {"serverRecord": {"fields": of("WebAppAuthServerRecordField", *LOGINS)}}),
    "two fields of a name": (
        "auth_record",
        {"formRecord": {"type": "CUSTOM", "fields": of("WebAppAuthFormRecordField", *FIELDS_OF_ONE_NAME)}},
    ),
    "two scripts of a name": (
        "webapp",
        {
            "url": "https://a.test/",
            "crawlingScripts": of("SeleniumScript", *TWO_SCRIPTS),
        },
    ),
    "a form and OAuth2": ("auth_record", FORM_AND_OAUTH2),
    "an application and tags": ("schedule", {"target": AIMED_TWICE, "scheduling": ONCE}),
    "both limits": ("schedule", {**BOTH_LIMITS, "scheduling": {**ONCE, "cancelAfterNHours": 3, "cancelTime": "05:00"}}),
}


@pytest.mark.parametrize("case", HELD)
def test_what_nobody_could_have_written_is_accepted_and_each_option_alone_changes_nothing(case: str) -> None:
    kind, raw = HELD[case][0], {"id": 1, "name": "x", **HELD[case][1]}
    record = shown(kind, raw)
    given = {name: record[name] for name in OPTIONS[kind] if record.get(name)}
    assert writes(kind, raw, {**given, "id": 1}) == []
    for name, value in given.items():
        assert writes(kind, raw, {name: value, "id": 1}) == []


# By case: the option, what the user makes of the value that was read, and the values that differ then.
EDITS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "two masked logins": ("server", lambda part: {**part, "ssl_only": True}, lambda part: part["ssl_only"]),
    "two fields of a name": (
        "form",
        lambda part: {**part, "fields": [*part["fields"], {"name": "more", "value": "1"}]},
        lambda part: [(field["name"], field["value"]) for field in part["fields"]],
    ),
    "two scripts of a name": (
        "crawling_scripts",
        lambda scripts: [*scripts, {"name": "more", "data": "<x/>"}],
        lambda scripts: [script["name"] for script in scripts],
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_what_nobody_could_have_written_can_be_edited_around(case: str) -> None:
    kind, raw = HELD[case][0], {"id": 1, "name": "x", **HELD[case][1]}
    option, edit, differing = EDITS[case]
    options = validated(kind, {"id": 1, option: edit(shown(kind, raw)[option])})
    resource = RESOURCES[kind]
    plan = plan_record(resource, options, resource.from_raw(raw), References(Silent())).plan  # type: ignore[arg-type]
    (change,) = plan.changes
    assert (
        differing(change.after)
        == {
            "two masked logins": True,
            "two fields of a name": [("f", "a"), ("f", "b"), ("more", "1")],
            "two scripts of a name": ["s", "more"],
        }[case]
    )


@pytest.mark.parametrize(
    ("case", "changed"),
    [
        ("two fields of a name", {"form": {"fields": [{"name": "f", "value": value} for value in "abc"]}}),
        ("two masked logins", {"server": {"fields": [{"type": "NTLM"}, {"type": "NTLM"}]}}),
        ("an application and tags", {"tags": ["t", "5"]}),
        ("an application and tags", {"excluded_tags": ["5"]}),
        ("both limits", {"cancel_after": 4}),
    ],
)
def test_what_differs_from_it_is_still_refused(case: str, changed: Raw) -> None:
    kind, raw = HELD[case][0], {"id": 1, "name": "x", **HELD[case][1]}
    record = shown(kind, raw)
    given = {name: record[name] for name in OPTIONS[kind] if record.get(name)}
    with pytest.raises(OptionError, match=r"cannot be combined|listed more than once"):
        writes(kind, raw, {**given, **changed, "id": 1})


def test_of_a_form_and_oauth2_that_are_both_held_one_can_be_changed() -> None:
    raw = {"id": 1, "name": "x", **FORM_AND_OAUTH2}
    record = shown("auth_record", raw)
    given = {"id": 1, "form": record["form"], "oauth2": {"scope": "other"}}
    (change,) = writes("auth_record", raw, given)
    assert change.startswith("oauth2: ")


@pytest.mark.parametrize("kind", OPTIONS)
def test_an_import_covers_every_field_that_has_no_value(kind: str) -> None:
    record = shown(kind, {"id": 1, "name": "x"})
    (entry,) = write.entries_of([record], CATALOG[kind], empty=True)
    spec = CATALOG[kind].options
    choices = {name for name in spec if {"choices", "words"} & set(spec[name]) or spec[name]["type"] == "bool"}
    needy = {"recurrence", "scanner"}
    companions = {name for name in spec if name.endswith(("_mode", "_add", "_remove"))}
    left_out = set(spec) - set(entry) - choices - needy - companions
    assert left_out == {"id", *CATALOG[kind].not_written} - choices


def test_empty_values_of_a_catalog_are_what_an_empty_record_has() -> None:
    record = shown("schedule", {"id": 1, "name": "x"})
    entries = write.entries_of([record], CATALOG["schedule"], empty=True)
    assert compare.to_check(entries, [record]) == []
