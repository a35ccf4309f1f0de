# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that only read: lists, counts, one in full, expressions, and what is said when something is missing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import webapp
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_info
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, info_options, routes, webapp_options

APP, FINDING = 410001, 5100001
HIGH = [{"field": "severity", "operator": "GREATER", "value": 3}]


def webapps(sandbox: Sandbox, *, workers: int = 4, **options: Any) -> Result:
    with client_of(sandbox, max_connections=workers) as client:
        return webapp.run_info(info_options(**options), client, False)


def findings(sandbox: Sandbox, *, workers: int = 4, **options: Any) -> Result:
    with client_of(sandbox, max_connections=workers) as client:
        return finding_info.run(info_options(**options), client, True)


@pytest.mark.parametrize("detail", ["summary", "verbose", "full"])
def test_all_web_applications_are_listed_at_each_level(estate: Sandbox, detail: str) -> None:
    done = webapps(estate, detail=detail)
    assert (done.changed, done.warnings, done.values["total"], done.values["truncated"]) == (False, [], 200, False)
    shown = done.values["webapps"]
    assert [app["id"] for app in shown] == list(range(APP, APP + 200))
    assert ("tags" in shown[0], "scope" in shown[0]) == (detail != "summary", detail == "full")
    assert estate.counters.snapshot()["writes"] == 0
    assert "example-header-token" not in repr(shown)
    assert "<html>" not in repr([app.get("crawling_scripts") for app in shown])


def test_one_web_application_comes_in_full(estate: Sandbox) -> None:
    done = webapps(estate, id=APP)
    assert (done.values["total"], done.values["truncated"]) == (1, False)
    assert done.values["webapps"][0]["last_scan"]["status"] is None or done.values["webapps"][0]["last_scan"]
    assert "screenshot" not in done.values["webapps"][0]
    missing = webapps(estate, id=1)
    assert (missing.values["webapps"], missing.values["total"]) == ([], 0)


def test_without_the_right_to_read_tags_they_come_by_id_and_can_be_written(estate: Sandbox) -> None:
    named = webapps(estate, detail="full").values["webapps"]
    estate.switches["tag_permission"] = "denied"
    done = webapps(estate, detail="full")
    (warning,) = done.warnings
    assert "names of tags could not be looked up, so ids are shown" in warning
    assert "permission for tags" in warning
    by_id = {record["name"]: str(key) for key, record in estate.qualys.tags.items()}
    for app, before in zip(done.values["webapps"], named, strict=True):
        assert app["tags"] == [by_id.get(tag, tag) for tag in before["tags"]]
        assert app["auth_records"] == before["auth_records"]
    tagged = next(app for app in done.values["webapps"] if app["tags"])
    with client_of(estate) as client:
        kept = {"id": tagged["id"], "tags": tagged["tags"]}
        assert not webapp.run(webapp_options(**kept), client, False).changed


@pytest.mark.parametrize("run", [webapps, findings])
def test_counting_costs_one_request(estate: Sandbox, run: Any) -> None:
    done = run(estate, count_only=True)
    assert done.values["total"] in (200, 700)
    assert done.values["truncated"] is False
    assert len(routes(estate)) == 1


def test_filters_select_and_a_limit_truncates(estate: Sandbox) -> None:
    whole = findings(estate, filters=HIGH)
    part = findings(estate, filters=HIGH, limit=7)
    assert {item["severity"] for item in whole.values["findings"]} == {"critical", "high"}
    assert whole.values["truncated"] is False
    assert part.values["findings"] == whole.values["findings"][:7]
    assert (part.values["truncated"], part.values["total"]) == (True, whole.values["total"])


@pytest.mark.parametrize("which", ["id", "uniqueId"])
def test_one_finding_comes_in_full_by_id_or_uuid(estate: Sandbox, which: str) -> None:
    record = next(item for item in estate.qualys.findings.in_order() if item.get("_evidence") == "ssl")
    done = findings(estate, id=str(record[which]))
    (found,) = done.values["findings"]
    assert (found["id"], found["unique_id"]) == (str(record["id"]), record["uniqueId"])
    assert isinstance(found["ssl"]["sslDataInfoList"], list)


@pytest.mark.parametrize("identifier", ["1", "00000000-0000-4000-a000-000000000000"])
@pytest.mark.parametrize("answer", ["NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"])
def test_a_finding_that_does_not_exist_is_an_empty_list(estate: Sandbox, identifier: str, answer: str) -> None:
    estate.switches["missing_id"] = answer
    assert findings(estate, id=identifier).values["findings"] == []


@pytest.mark.parametrize("identifier", ["", "x", "1/2", "../webapp/410001", "1?a=b", "1 2", "-1", "٣", "%2e%2e", "1\n"])
def test_an_id_that_is_none_is_refused_before_any_request(estate: Sandbox, identifier: str) -> None:
    with pytest.raises(OptionError, match=r"^id: ") as caught:
        findings(estate, id=identifier)
    assert "uniqueId" in caught.value.hint
    assert routes(estate) == []


def test_findings_are_redacted_unless_they_are_to_be_kept(estate: Sandbox) -> None:
    def seen(**options: Any) -> str:
        return repr(findings(estate, detail="verbose", **options).values["findings"])

    assert "A7F3;" in seen(sensitive="keep")
    assert "A7F3;" not in seen()


def test_the_raw_object_is_added_as_it_came(estate: Sandbox) -> None:
    found = findings(estate, limit=1, include_raw=True).values["findings"][0]
    assert found["raw"]["id"] == FINDING
    assert found["raw"]["webApp"]["id"] == int(found["asset"]["id"])


def test_words_that_are_not_known_are_counted(estate: Sandbox) -> None:
    assert findings(estate).values["unknown_values"]["status=UNDER_REVIEW"] > 0


@pytest.mark.parametrize(("run", "name"), [(webapps, "webapps"), (findings, "findings")])
def test_an_expression_is_applied_inside(estate: Sandbox, run: Any, name: str) -> None:
    done = run(estate, query="[?starts_with(to_string(id), '4') || starts_with(id, '5')].id | length(@)", limit=3)
    assert done.values[name] in (3, [3])
    with pytest.raises(OptionError, match=r"^query: "):
        run(estate, query="[?")
    assert len(routes(estate)) == 2


@pytest.mark.parametrize("run", [webapps, findings])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"filters": [{"field": "nonsense", "value": 1}]}, "nonsense"),
        ({"filters": [{"field": "id", "operator": "CONTAINS", "value": 1}]}, "CONTAINS"),
        ({"limit": -1}, "limit"),
        ({"query": "[?"}, "query"),
    ],
)
def test_a_wrong_option_is_refused_before_any_request(
    estate: Sandbox, run: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        run(estate, **options)
    assert routes(estate) == []


def test_a_new_field_is_let_through_and_refused_by_the_server(estate: Sandbox) -> None:
    with pytest.raises(Exception, match="INVALID_REQUEST"):
        webapps(estate, filters=[{"field": "newField", "value": 1}], filters_strict=False)


@pytest.mark.parametrize("run", [webapps, findings])
def test_a_list_that_is_not_complete_says_so(estate: Sandbox, run: Any) -> None:
    estate.faults.add(kind="half_page", match={"route": "/search/"}, times=-1)
    done = run(estate, workers=1)
    assert done.values["truncated"] is True
    assert len(done.warnings) == 1
    assert "not complete" in done.warnings[0]
