# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qualys may fold case, accents and blanks. Whatever looks a name up, or acts on what a filter matches, does not.

The walk is over every option that names a record, and over every module that deletes, purges or changes by filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import TABLES, TEXT
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.targets import _COMPARED_TEXTS, only_exact
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record,
    purge,
    webapp,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import lookups
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.references import _KINDS, References
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import scan
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..auth_record_kit import record_options, records_options
from ..qualys_kit import client_of, info_options, webapp_options, webapps_options
from ..scan_kit import Clock, scan_options
from .life import finding_options

NAMES = ("owned", "OWNED", "öwned", "ｏｗｎｅｄ", "ow ned")
"""One name, and what a loose comparison takes for the same: by case, accent, width and an inner blank."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A tenant that folds all that it can, in which records of each kind have names that it takes for equal."""
    with Sandbox(webapps=12, findings=60) as running:
        running.switches["text_case_sensitive"] = "loose"
        state = running.qualys
        for table in (state.webapps, state.tags, state.auth_records, state.option_profiles, state.dns_overrides):
            for key, name in zip(table.ids, NAMES, strict=False):
                table[key]["name"] = name
        for record in (*state.webapps.in_order(), *state.auth_records.in_order()):
            record["tags"] = []
            record["attributes"] = []
        for table in (state.webapps, state.auth_records):
            for key, tag in zip(table.ids[: len(NAMES)], state.tags.ids, strict=False):
                table[key]["tags"] = [tag]
        for key, value in zip(state.webapps.ids, NAMES, strict=False):
            state.webapps[key]["attributes"] = [{"name": "owner", "value": value}]
            state.webapps[key]["url"] = f"https://{value}.test/"
        yield running


def first(box: Sandbox, table: str) -> int:
    return int(getattr(box.qualys, table).ids[0])


TABLE_OF = {
    "tag": "tags",
    "webapp": "webapps",
    "webappauthrecord": "auth_records",
    "optionprofile": "option_profiles",
    "dnsoverride": "dns_overrides",
}


@pytest.mark.parametrize("few", [10, 0])
# Scans are referred to by id alone.
@pytest.mark.parametrize("resource", sorted(set(_KINDS) - {"reporttemplate", "wasscan"}))
def test_a_reference_means_the_record_of_exactly_that_name(box: Sandbox, resource: str, few: int) -> None:
    with client_of(box) as client:
        references = References(client, few=few)
        references.expect(resource, ["owned"])
        assert references.resolve(resource, "x", "owned", ()).id == first(box, TABLE_OF[resource])
        with pytest.raises(OptionError, match="Owned"):
            references.resolve(resource, "x", "Owned", ())


def test_a_record_named_in_other_letters_is_another_one(box: Sandbox) -> None:
    with client_of(box) as client:
        for run in (
            lambda: webapp.run(webapp_options(name="Owned", state="absent"), client, True),
            lambda: auth_record.run(record_options(name="Owned", state="absent"), client, True),
        ):
            assert not run().changed


@pytest.mark.parametrize("run", [lookups.run_tags, lookups.run_option_profiles])
def test_a_look_up_by_name_lists_that_name_alone(box: Sandbox, run: Callable[..., Result]) -> None:
    with client_of(box) as client:
        values = run({**info_options(), "name": "owned"}, client, False).values
    (records,) = [value for value in values.values() if isinstance(value, list)]
    assert [record["name"] for record in records] == ["owned"]


def _webapps(client: QualysClient, filters: list[Any], box: Sandbox) -> tuple[list[int], Result]:
    done = webapp.run_many(webapps_options(state="absent", filters=filters, max_deletes=50), client, True)
    return [record["id"] for record in done.values["deleted"]], done


def _auth_records(client: QualysClient, filters: list[Any], box: Sandbox) -> tuple[list[int], Result]:
    done = auth_record.run_many(records_options(state="absent", filters=filters, max_deletes=50), client, True)
    return [record["id"] for record in done.values["deleted"]], done


def _purged(client: QualysClient, filters: list[Any], box: Sandbox) -> tuple[list[int], Result]:
    params = {"ids": None, "filters": filters, "filters_strict": True, "max_purges": 50}
    done = purge.run(params, client, True)
    return [item["id"] for item in done.values["purged"]], done


def _findings(client: QualysClient, filters: list[Any], box: Sandbox) -> tuple[list[int], Result]:
    filters = [*filters, {"field": "type", "value": ["VULNERABILITY", "SENSITIVE_CONTENT"]}]
    options = finding_options(filters=filters, max_changes=500, state="ignored", reason="RISK_ACCEPTED")
    done = finding.run(options, client, True)
    held = box.qualys.findings
    return sorted({held[int(item["id"])]["webApp"]["id"] for item in done.values["findings"]}), done


def _scans(client: QualysClient, filters: list[Any], box: Sandbox) -> tuple[list[int], Result]:
    for record in box.qualys.scans.in_order():
        record["status"] = "FINISHED"
    options = scan_options(filters=filters, max_deletes=500, state="absent")
    done = scan.run(options, client, True, timing=Clock(box).timing())
    return sorted({int(item["asset"]["id"]) for item in done.values["scans"]}), done


BY_FILTER: list[tuple[Callable[..., tuple[list[int], Result]], str, str, dict[str, str]]] = [
    (_webapps, "webapps", "name", {}),
    (_webapps, "webapps", "url", {}),
    (_webapps, "webapps", "tags.name", {}),
    (_webapps, "webapps", "attributes", {"name": "owner"}),
    (_auth_records, "auth_records", "name", {}),
    (_auth_records, "auth_records", "tags.name", {}),
    (_purged, "webapps", "name", {}),
    (_purged, "webapps", "tags.name", {}),
    (_findings, "webapps", "webApp.name", {}),
    (_findings, "webapps", "webApp.tags.name", {}),
    (_scans, "webapps", "webApp.name", {}),
]


@pytest.mark.parametrize("operator", ["EQUALS", "CONTAINS"])
@pytest.mark.parametrize(
    ("module", "table", "field", "more"), BY_FILTER, ids=lambda word: getattr(word, "__name__", str(word))
)
def test_what_a_filter_reaches_is_compared_exactly(
    box: Sandbox, module: Any, table: str, field: str, more: dict[str, str], operator: str
) -> None:
    value = "https://owned.test/" if field == "url" else "owned"
    filters = [{"field": field, "operator": operator, "value": value, **more}]
    with client_of(box) as client:
        reached, done = module(client, filters, box)
    assert reached == [first(box, table)]
    assert any("do not match the filter exactly; they are left alone" in text for text in done.warnings)
    assert box.counters.writes == 0


def test_a_tag_of_another_case_alone_reaches_nothing(box: Sandbox) -> None:
    filters = [{"field": "tags.name", "value": "Owned"}]
    with client_of(box) as client:
        for module in (_webapps, _auth_records, _purged):
            assert module(client, filters, box)[0] == []
        assert _findings(client, [{"field": "webApp.tags.name", "value": "Owned"}], box)[0] == []


def _tags(*names: str) -> dict[str, Any]:
    return {"count": len(names), "list": [{"Tag": {"name": name}} for name in names]}


CASES: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "no name": ({}, {"field": "name"}, True),
    "a name that is empty": ({"name": ""}, {"field": "name"}, False),
    "a name in blanks": ({"name": " shop "}, {"field": "name"}, True),
    "tags without the name": ({"tags": _tags("shop2", "shóp")}, {"field": "tags.name"}, False),
    "tags with the name": ({"tags": _tags("shóp", "shop")}, {"field": "tags.name"}, True),
    "no tags": ({"tags": {"count": 0}}, {"field": "tags.name"}, False),
    "tags that are only counted": ({"tags": {"count": 2}}, {"field": "tags.name"}, True),
    "attributes that are not shown": ({}, {"field": "attributes", "name": "owner"}, True),
    "no attributes": ({"attributes": {"count": 0}}, {"field": "attributes", "name": "owner"}, False),
    "another attribute": (
        {"attributes": {"count": 1, "list": [{"Attribute": {"name": "Owner", "value": "shop"}}]}},
        {"field": "attributes", "name": "owner"},
        False,
    ),
    "another application of a scan": ({"target": {"webApp": {"name": "shóp"}}}, {"field": "webApp.name"}, False),
    "the application of a scan": ({"target": {"webApp": {"name": "shop"}}}, {"field": "webApp.name"}, True),
}


@pytest.mark.parametrize("case", CASES)
def test_only_a_record_that_lacks_the_field_is_taken_at_the_vendors_word(case: str) -> None:
    raw, criterion, taken = CASES[case]
    found = only_exact([{"id": 1, **raw}], [{"operator": "EQUALS", "value": "shop", **criterion}], "records", [])
    assert bool(found) is taken


def test_every_text_that_can_be_filtered_by_is_compared_or_is_the_vendors_own() -> None:
    objects = ("webapp", "webappauthrecord", "finding", "wasscan")
    texts = {field for name in objects for field, kind in TABLES[name].items() if kind.name == TEXT.name}
    left = {field for field in texts if field.split(".")[-1] not in _COMPARED_TEXTS}
    assert left == {"uniqueId", "tags"}
    assert {"owasp.name", "wasc.name"} <= texts
