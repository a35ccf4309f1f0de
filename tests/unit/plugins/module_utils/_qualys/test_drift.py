# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import, apply and drift of a whole estate, in one process: what the role catalog does with the same parts.

After an import nothing differs and nothing is written; each change by hand is seen, mended, and gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog import compare, read, text, write
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record,
    auth_record_fields,
    webapp,
    webapp_fields,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import (
    schedule,
    schedule_fields,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS
from tests.sandbox import Sandbox

from ..auth_record_kit import RECORDS, filled, records_options
from ..qualys_kit import client_of, entry, info_options, webapps_options

Catalog = dict[str, list[dict[str, Any]]]
_INFOS: dict[str, Any] = {"auth_records": auth_record, "webapps": webapp, "schedules": schedule}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(webapps=40, findings=0) as running, client_of(running) as client:
        wanted = [{"name": f"made {kind}", **options} for kind, options in RECORDS.items()]
        assert auth_record.run_many(records_options(*wanted), client, False).error is None
        yield running


class Loader(yaml.SafeLoader):
    """Knows Ansible's tag."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def imported(client: QualysClient) -> Catalog:
    """The estate as the entries of a catalog: read, written as files, and read from them, as the roles do."""
    documents = []
    for kind in KINDS:
        found = _INFOS[kind.name].run_info(info_options(detail="full"), client, False).values[kind.name]
        content = write.to_yaml(write.entries_of(found, kind, empty=True), kind)
        assert text.text_problems(content, f"{kind.name}.yml", KINDS) == []
        documents.append((f"{kind.name}.yml", yaml.load(content, Loader)))
    catalog = read.read(documents, KINDS)
    assert catalog.problems == []
    return catalog.entries


def summed_up(client: QualysClient, catalog: Catalog, *, check: bool) -> dict[str, Any]:
    """What ``drift`` (with check) or ``apply`` sums up: the steps of the role catalog, in its order."""
    kinds = {kind.name: kind for kind in KINDS}
    entries: dict[str, Any] = dict(catalog)
    left: dict[str, Any] = {}
    pending: dict[str, Any] = {}
    results: dict[str, Any] = {}
    run: dict[str, Any] = {
        "auth_records": lambda found: auth_record.run_many(records_options(*found), client, check),
        "webapps": lambda found: webapp.run_many(webapps_options(*(entry(**item) for item in found)), client, check),
    }
    for name in ("auth_records", "webapps"):
        seen = _INFOS[name].run_info(info_options(), client, False).values[name]
        left[name] = compare.split_pending(catalog[name], kinds[name], pending)
        entries[name] = left[name].planned
        results[name] = as_registered(run[name](entries[name]))
        pending[name] = compare.created(entries[name], results[name], seen) if check else []
    left["schedules"] = compare.split_pending(catalog["schedules"], kinds["schedules"], pending)
    held = schedule.run_info(info_options(detail="full"), client, False).values["schedules"]
    entries["schedules"] = compare.to_check(left["schedules"].planned, held)
    looped = [scheduled(client, item["entry"], check=check) for item in entries["schedules"]]
    results["schedules"] = {"results": looped}
    parts = {
        name: {
            "count": len(catalog[name]),
            "result": results[name],
            "entries": entries[name],
            "waiting": left[name].waiting,
            "missing": left[name].missing,
            "wanted": catalog[name],
            "places": (),
        }
        for name in kinds
    }
    return compare.summary(parts, KINDS, predicted=check)


def as_registered(result: Result) -> dict[str, Any]:
    """A result as a task registers it."""
    error = {"error": result.error.to_dict(), "msg": str(result.error)} if result.error else {}
    return {**result.values, "changed": result.changed, "diff": result.diff, **error}


def scheduled(client: QualysClient, wanted: dict[str, Any], *, check: bool) -> dict[str, Any]:
    blank = {name: spec.get("default") for name, spec in schedule_fields.OPTIONS.items()}
    options = {
        name: filled(value, schedule_fields.OPTIONS.get(name, {})) if value else value for name, value in wanted.items()
    }
    try:
        return as_registered(schedule.run({**blank, "state": "present", "id": None, **options}, client, check))
    except PerimeterError as error:
        return {"changed": False, "failed": True, "error": error.to_dict(), "msg": str(error)}


def applied(client: QualysClient, catalog: Catalog, *, check: bool) -> list[tuple[str, int, str]]:
    """Kind, id and field of each change that a run lists."""
    found = summed_up(client, catalog, check=check)
    assert found["failures"] == []
    return [(row["kind"], row["id"], name) for row in found["objects"] for name in row["fields"]]


# By our name of the field: the element and a value that nobody has.
APP_CHANGES: dict[str, tuple[str, Any]] = {
    "scope": ("scope", "LIMIT"),
    "sub_domain": ("subDomain", "added.test"),
    "domains": ("domains", ["added.test"]),
    "uris": ("uris", ["https://added.test/"]),
    "tags": ("tags", "TAG"),
    "scanner_tags": ("defaultScannerTags", "TAG"),
    "default_scanner": ("defaultScanner", {"type": "INTERNAL", "friendlyName": "added"}),
    "auth_records": ("authRecords", "AUTH"),
    "default_profile": ("defaultProfile", "PROFILE"),
    "attributes": ("attributes", [{"name": "added", "value": "1"}]),
    "headers": ("headers", ["X-Added: 1"]),
    "url_allowlist": ("urlAllowlist", [{"value": "added", "regex": False}]),
    "url_excludelist": ("urlExcludelist", [{"value": "added", "regex": True}]),
    "post_data_excludelist": ("postDataExcludelist", [{"value": "added", "regex": False}]),
    "logout_regex_list": ("logoutRegexList", [{"value": "added", "regex": True}]),
    "use_robots": ("useRobots", "ADD_PATHS"),
    "use_sitemap": ("useSitemap", True),
    "cancel_after": ("config", {"cancelScansAfterNHours": 77}),
    "dns_overrides": ("dnsOverrides", "DNS"),
}
RECORD_CHANGES: dict[str, tuple[str, Any]] = {
    "form": ("formRecord", {"sslOnly": True}),
    "server": ("serverRecord", {"sslOnly": True}),
    "tags": ("tags", "TAG"),
}
SCHEDULE_CHANGES: dict[str, tuple[str, Any]] = {
    "type": ("type", "DISCOVERY"),
    "active": ("active", None),
    "profile": ("profile", "PROFILE"),
    "scan_proxy": ("proxy", "PROXY"),
    "dns_override": ("dnsOverride", "DNSREF"),
    "notification": ("notification", {"active": True, "recipients": ["added@x.test"], "message": "m"}),
    "send_mail": ("sendMail", None),
    "send_one_mail": ("sendOneMail", None),
}


def words_of(box: Sandbox) -> dict[str, Any]:
    """What the words in capitals above stand for: the newest record of each kind."""
    state = box.qualys
    return {
        "TAG": [state.tags.ids[-1]],
        "AUTH": [state.auth_records.ids[-1]],
        "AUTHREF": {"id": state.auth_records.ids[-1]},
        "PROFILE": {"id": state.option_profiles.ids[-1]},
        "DNS": [state.dns_overrides.ids[-1]],
        "DNSREF": {"id": state.dns_overrides.ids[-1]},
        "PROXY": {"id": state.proxies.ids[-1]},
    }


def change_by_hand(box: Sandbox) -> set[tuple[str, int, str]]:
    """Change one field of each of thirty records, and say which."""
    state, changed = box.qualys, set()
    words = words_of(box)
    kinds = (
        ("webapps", state.webapps, APP_CHANGES),
        ("schedules", state.schedules, SCHEDULE_CHANGES),
        ("auth_records", state.auth_records, RECORD_CHANGES),
    )
    for kind, table, changes in kinds:
        left = [key for key in table.ids if kind != "auth_records" or table[key]["name"].startswith("made form and")]
        for name, (element, value) in changes.items():
            value = words.get(value, value) if isinstance(value, str) else value
            key = next(key for key in left if _differs(table[key], element, value))
            if kind != "auth_records":
                left.remove(key)
            held = table[key].get(element)
            if value is None:
                value = not held
            elif kind == "auth_records" and isinstance(value, dict):
                value = {**held, "sslOnly": not held["sslOnly"]}
            elif name == "cancel_after":
                value = {**(held or {}), **value}
            table[key][element] = value
            changed.add((kind, key, name))
    return changed


def _differs(record: Any, element: str, value: Any) -> bool:
    if element in ("defaultScanner", "notification") and record.get(element):
        return False
    return value is None or isinstance(value, dict) or record.get(element) != value


def test_an_import_differs_in_nothing_and_sees_each_of_thirty_changes_by_hand(box: Sandbox) -> None:
    with client_of(box) as client:
        catalog = imported(client)
        box.reset_counters()
        assert applied(client, catalog, check=False) == []
        assert applied(client, catalog, check=True) == []
        assert box.counters.writes == 0
        changed = change_by_hand(box)
        assert len(changed) == 30
        assert sorted(applied(client, catalog, check=True)) == sorted(changed)
        assert box.counters.writes == 0
        assert sorted(applied(client, catalog, check=False)) == sorted(changed)
        assert applied(client, catalog, check=True) == []


def test_words_that_nobody_knows_are_imported_and_a_change_beside_them_is_mended(box: Sandbox) -> None:
    state = box.qualys
    app, nightly = state.webapps[state.webapps.ids[0]], state.schedules[state.schedules.ids[0]]
    login = next(item for item in state.auth_records.values() if item["name"] == "made form custom")
    app["scope"], nightly["type"] = "NEW_SCOPE", "NEW_KIND"
    nightly["target"] = {**nightly["target"], "scannerAppliance": {"type": "NEW_SCANNER"}}
    login["formRecord"] = {**login["formRecord"], "type": "NEW_FORM"}
    with client_of(box) as client:
        catalog = imported(client)
        assert {"NEW_SCOPE", "NEW_KIND", "NEW_SCANNER", "NEW_FORM"} <= set(_texts_in(catalog))
        box.reset_counters()
        assert applied(client, catalog, check=False) == applied(client, catalog, check=True) == []
        assert box.counters.writes == 0
        app["config"], nightly["sendMail"] = {"cancelScansAfterNHours": 77}, not nightly.get("sendMail")
        changes = [("webapps", app["id"], "cancel_after"), ("schedules", nightly["id"], "send_mail")]
        assert applied(client, catalog, check=True) == applied(client, catalog, check=False) == changes
        assert applied(client, catalog, check=True) == []
    assert (app["scope"], nightly["type"]) == ("NEW_SCOPE", "NEW_KIND")


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts_in(item)


def test_drift_predicts_what_apply_makes_of_a_record_that_gets_another_name(box: Sandbox) -> None:
    state = box.qualys
    login, app = state.auth_records.ids[0], state.webapps.ids[3]
    state.webapps[app]["authRecords"] = [login]
    nightly = next(item for item in state.schedules.values() if "webApp" in item["target"])
    nightly["target"] |= {"webApp": {"id": app}, "webAppAuthRecord": {"id": login}}
    renamed = {state.auth_records[login]["name"]: "renamed login", state.webapps[app]["name"]: "renamed shop"}
    with client_of(box) as client:
        catalog: Catalog = _with_names(imported(client), renamed)
        for kind, key in (("auth_records", login), ("webapps", app)):
            new = renamed[getattr(state, kind)[key]["name"]]
            next(item for item in catalog[kind] if item["name"] == new)["id"] = key
        expected = [("auth_records", login, "name"), ("webapps", app, "name")]
        assert "renamed login" in next(item for item in catalog["webapps"] if item.get("id") == app)["auth_records"]
        assert any(
            (item.get("webapp"), item.get("auth_record")) == ("renamed shop", "renamed login")
            for item in catalog["schedules"]
        )
        assert applied(client, catalog, check=True) == expected
        assert applied(client, catalog, check=False) == expected
        assert applied(client, catalog, check=True) == []


def test_drift_predicts_that_apply_fails_at_a_name_which_the_catalog_takes_away(box: Sandbox) -> None:
    state = box.qualys
    login, app = state.auth_records.ids[0], state.webapps.ids[3]
    state.webapps[app]["authRecords"] = [login]
    nightly = next(item for item in state.schedules.values() if "webApp" in item["target"])
    nightly["target"] |= {"webApp": {"id": app}, "webAppAuthRecord": {"id": login}}
    old = state.auth_records[login]["name"]
    with client_of(box) as client:
        catalog = imported(client)
        entries = {kind: [item for item in catalog[kind] if old in str(item)] for kind in catalog}
        entries["auth_records"] = [{"id": login, "name": "renamed login"}]
        told = [summed_up(client, entries, check=check)["failures"] for check in (True, False)]
    predicted, failed = ([(row["kind"], row["name"]) for row in rows] for rows in told)
    assert predicted == failed == [(kind, item["name"]) for kind in ("webapps", "schedules") for item in entries[kind]]
    assert predicted
    assert all(f"there is no authentication record named {old!r}" in row["message"] for rows in told for row in rows)


def _with_names(value: Any, names: dict[str, str]) -> Any:
    """The same entries, in which records go by other names."""
    if isinstance(value, dict):
        return {key: _with_names(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_names(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_the_changes_by_hand_cover_every_field_that_an_import_writes() -> None:
    assert {*APP_CHANGES, "name", "url", "owner", "crawling_scripts"} >= {
        field.name for field in webapp_fields.FIELDS
    } - {"comments"}
    assert {*RECORD_CHANGES, "name", "oauth2"} >= {field.name for field in auth_record_fields.FIELDS} - {"comments"}


# Fields that a record cannot be without, or that Qualys always returns: nothing is added to them by hand.
ALWAYS = {
    "webapps": {"name", "url", "owner"},
    "schedules": {"name", "type", "active", "webapp", "start", "time_zone", "recurrence", "profile"},
}
# What an import leaves out, as the guide says.
UNSEEN = {"comments"}
SCHEDULE_MORE: dict[str, tuple[str, Any]] = {
    "scanner": ("target.scannerAppliance", {"type": "INTERNAL", "friendlyName": "added"}),
    "auth_record": ("target.webAppAuthRecord", "AUTHREF"),
    "randomize": ("target.randomizeScan", True),
    "cancel_after": ("scheduling.cancelAfterNHours", 7),
    "cancel_time": ("scheduling.cancelTime", "05:00"),
    "send_mail": ("sendMail", True),
    "send_one_mail": ("sendOneMail", True),
}


def holder(record: Any, element: str) -> tuple[Any, str]:
    """The part of a record that holds an element, and the element's own name."""
    *owners, member = element.split(".")
    for name in owners:
        record = record[name]
    return record, member


SCRIPT = {"id": 1, "name": "added", "data": "<x/>", "regex": "x", "requiresAuthentication": False}
FIRST_ADDED = {
    **{("webapps", name): change for name, change in APP_CHANGES.items()},
    ("webapps", "crawling_scripts"): ("crawlingScripts", [SCRIPT]),
    **{
        ("schedules", name): (element, True if value is None else value)
        for name, (element, value) in (SCHEDULE_CHANGES | SCHEDULE_MORE).items()
        if name not in ALWAYS["schedules"]
    },
}


@pytest.fixture
def emptied() -> Iterator[Sandbox]:
    """One application and one schedule that have nothing but what they need, of which replies show no defaults."""
    with Sandbox(webapps=3, findings=0) as running:
        running.switches["defaults_read"] = "absent"
        for (kind, _field), (element, _value) in FIRST_ADDED.items():
            held, member = holder(the_one(running, kind), element)
            if isinstance(held.get(member), list):
                held[member] = []
            else:
                held.pop(member, None)
        yield running


def the_one(box: Sandbox, kind: str) -> Any:
    state = box.qualys
    return next(iter(state.webapps.in_order() if kind == "webapps" else state.schedules.in_order()))


def add_by_hand(box: Sandbox, kind: str, field: str) -> tuple[str, int, str]:
    """Give an empty field a value, and say which."""
    element, value = FIRST_ADDED[kind, field]
    record = the_one(box, kind)
    held, member = holder(record, element)
    if field.startswith("cancel_") and kind == "schedules":
        # Else the limit of the application comes first. One that was taken away is hidden by that, and not gone.
        held.pop("cancelAfterNHours", None)
        record["target"]["cancelOption"] = "SPECIFIC"
    held[member] = words_of(box).get(value, value) if isinstance(value, str) else value
    record.touch()
    return kind, record["id"], field


def test_what_is_added_by_hand_to_an_empty_field_is_drift_and_is_mended(emptied: Sandbox) -> None:
    fields = [[name for kind, name in FIRST_ADDED if kind == wanted] for wanted in ("webapps", "schedules")]
    with client_of(emptied) as client:
        whole = imported(client)
        names = {kind: the_one(emptied, kind)["name"] for kind in ("webapps", "schedules")}
        catalog: Catalog = {"auth_records": []}
        catalog |= {kind: [item for item in whole[kind] if item["name"] == name] for kind, name in names.items()}
        emptied.reset_counters()
        assert applied(client, catalog, check=False) == []
        assert emptied.counters.writes == 0
        for pair in itertools.zip_longest(*fields):
            added = {add_by_hand(emptied, kind, name) for kind, name in zip(names, pair, strict=True) if name}
            assert set(applied(client, catalog, check=True)) == added
            assert set(applied(client, catalog, check=False)) == added
        assert applied(client, catalog, check=True) == []


def test_every_field_of_an_application_and_a_schedule_is_added_to_once() -> None:
    for kind, fields in (("webapps", webapp_fields.FIELDS), ("schedules", schedule_fields.FIELDS)):
        added = {name for other, name in FIRST_ADDED if other == kind}
        tags = {"tags", "tags_match", "excluded_tags", "excluded_tags_match"} if kind == "schedules" else set()
        assert {field.name for field in fields} - added - ALWAYS[kind] - UNSEEN == tags
