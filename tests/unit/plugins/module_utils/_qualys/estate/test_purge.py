# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan data is purged, application by application, and no application ever goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    IncompleteRead,
    NotFound,
    OptionError,
    PartialFailure,
    PerimeterError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.purge import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, routes
from ..life import WEBAPPS, living, shared_living

__all__ = ["living", "shared_living"]


def go(sandbox: Sandbox, *, check: bool = False, **options: Any) -> Result:
    params = {"ids": None, "filters": None, "filters_strict": True, "max_purges": None, **options}
    with client_of(sandbox) as client:
        return run(params, client, check)


def with_findings(sandbox: Sandbox, count: int) -> list[int]:
    found = [key for key in sandbox.qualys.webapps.ids if sandbox.qualys.findings_of(key)]
    assert len(found) >= count
    return found[:count]


def test_four_runs(living: Sandbox) -> None:
    ids = with_findings(living, 3)
    before = {key: len(living.qualys.findings_of(key)) for key in ids}
    others = len(living.qualys.findings) - sum(before.values())
    predicted = go(living, check=True, ids=ids)
    assert predicted.changed
    assert living.counters.writes == 0
    first = go(living, ids=ids)
    assert first.values == predicted.values
    assert first.diff == predicted.diff
    assert {item["id"]: item["findings"] for item in first.values["purged"]} == before
    assert len(living.qualys.webapps) == WEBAPPS
    assert len(living.qualys.findings) == others
    for check in (False, True):
        living.reset_counters()
        again = go(living, check=check, ids=ids)
        assert (again.changed, again.values["purged"], again.values["unchanged"], again.diff) == (False, [], 3, [])
        assert living.counters.writes == 0


def test_each_application_is_named_in_a_call_of_its_own(living: Sandbox) -> None:
    ids = with_findings(living, 2)
    go(living, ids=[*ids, ids[0]])
    assert sorted(routes(living, "purge")) == [f"POST /qps/rest/3.0/purge/was/webapp/{key}" for key in ids]


def test_a_last_scan_without_findings_is_purged_too(living: Sandbox) -> None:
    key = next(key for key, app in living.qualys.webapps.items() if app.get("lastScan"))
    living.qualys.findings.remove_many(living.qualys.findings_of(key))
    scan = living.qualys.webapps[key]["lastScan"]["id"]
    result = go(living, ids=[key])
    assert result.values["purged"][0]["findings"] == 0
    assert isinstance(result.diff, list)
    assert (result.diff[0]["before"], result.diff[0]["after"]) == ({"last_scan": scan}, {"last_scan": None})
    assert not go(living, ids=[key]).changed


def test_a_filter_is_resolved_to_ids(living: Sandbox) -> None:
    tag = next(key for key, record in living.qualys.tags.items() if record["name"] == "prod")
    tagged = [key for key, app in living.qualys.webapps.items() if tag in app["tags"]]
    filters = [{"field": "tags.name", "value": "prod"}]
    result = go(living, filters=filters, max_purges=len(tagged))
    assert {item["id"] for item in result.values["purged"]} <= set(tagged)
    assert result.values["purged"]
    assert all(path.rsplit("/", 1)[1].isdigit() for path in routes(living, "purge"))


def refused(sandbox: Sandbox, kind: type[PerimeterError], words: str, **options: Any) -> None:
    with pytest.raises(kind, match=words) as caught:
        go(sandbox, **options)
    assert caught.value.hint
    assert sandbox.counters.writes == 0


def test_the_ceiling_counts_what_would_be_purged(living: Sandbox) -> None:
    ids = with_findings(living, 3)
    words = r"would change 3 web applications, more than max_purges \(2\)"
    refused(living, OptionError, words, filters=[{"field": "id", "value": ids}], max_purges=2)
    refused(living, OptionError, words, ids=ids, max_purges=2)
    go(living, ids=ids[:2])
    assert go(living, filters=[{"field": "id", "value": ids}], max_purges=1).changed


def test_unclear_selections_are_refused(living: Sandbox) -> None:
    refused(living, OptionError, "Either ids or filters")
    refused(living, OptionError, "filters requires max_purges", filters=[{"field": "name", "value": "x"}])
    refused(living, NotFound, "Qualys has no web application 7", ids=[7, with_findings(living, 1)[0]])


def test_an_incomplete_listing_is_refused(living: Sandbox) -> None:
    living.faults.add({"match": {"route": "count/was/webapp"}, "kind": "wrong_count", "n": 2, "times": -1})
    refused(
        living,
        IncompleteRead,
        "web applications and sent",
        filters=[{"field": "url", "operator": "CONTAINS", "value": "http"}],
        max_purges=99,
    )


def test_one_refusal_does_not_hide_the_others(living: Sandbox) -> None:
    ids = with_findings(living, 3)
    living.faults.add(
        {"match": {"route": f"purge/was/webapp/{ids[1]}"}, "kind": "response_code", "code": "UNAUTHORIZED"}
    )
    result = go(living, ids=ids)
    assert isinstance(result.error, PartialFailure)
    assert result.error.code == "UNAUTHORIZED"
    assert [item["id"] for item in result.values["purged"]] == [ids[0], ids[2]]
    assert [(item["id"], item["failed"]) for item in result.values["results"]] == [(ids[1], True)]
    assert isinstance(result.diff, list)
    assert len(result.diff) == 2


@pytest.mark.parametrize("fault", ["apply_then_reset", "truncated_json"])
def test_a_purge_in_doubt_is_settled_by_looking(living: Sandbox, fault: str) -> None:
    ids = with_findings(living, 1)
    living.faults.add({"match": {"route": "purge/was"}, "kind": fault})
    result = go(living, ids=ids)
    assert (result.changed, result.error) == (True, None)
    assert living.counters.writes == 1


def test_a_purge_that_never_shows_stays_in_doubt(living: Sandbox) -> None:
    living.faults.add({"match": {"route": "purge/was"}, "kind": "reset"})
    result = go(living, ids=with_findings(living, 1))
    assert result.values["results"][0]["error"]["kind"] == "ambiguous_write"
    assert (result.changed, living.counters.writes) == (False, 1)


def test_what_certainly_was_not_sent_is_no_doubt(living: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsent(*_args: Any) -> Any:
        raise TransportError("refused", sent=False)

    monkeypatch.setattr(QualysClient, "write", unsent)
    result = go(living, ids=with_findings(living, 1))
    assert result.values["results"][0]["error"]["kind"] == "connection"


def test_an_application_that_vanishes_is_told(living: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    [key] = with_findings(living, 1)
    write = QualysClient.write

    def after_removal(self: QualysClient, *args: Any) -> Any:
        living.qualys.webapps.remove_many([key])
        return write(self, *args)

    monkeypatch.setattr(QualysClient, "write", after_removal)
    result = go(living, ids=[key])
    assert result.values["results"][0]["error"]["kind"] == "not_found"
    assert "vanished" in result.values["results"][0]["msg"]


def test_a_purge_that_takes_nothing_is_an_error_and_no_change(living: Sandbox) -> None:
    living.switches["purge_takes"] = "nothing"
    ids = with_findings(living, 2)
    counts = {key: len(living.qualys.findings_of(key)) for key in ids}
    for _run in range(2):
        result = go(living, ids=ids)
        assert isinstance(result.error, PartialFailure)
        assert (result.changed, result.values["purged"], result.diff) == (False, [], [])
        assert {item["id"]: item["findings"] for item in result.values["results"]} == counts
        for item in result.values["results"]:
            said = f"Qualys reported the purge of web application {item['id']} as done, but it still has"
            assert item["msg"].startswith(f"{said} {counts[item['id']]} findings.")
            assert item["error"]["hint"]


def test_what_a_purge_leaves_is_a_warning_beside_what_is_gone(living: Sandbox) -> None:
    living.switches["purge_takes"] = "findings"
    key = next(key for key in with_findings(living, 1) if living.qualys.webapps[key].get("lastScan"))
    count, scan = len(living.qualys.findings_of(key)), living.qualys.webapps[key]["lastScan"]["id"]
    result = go(living, ids=[key])
    assert (result.changed, result.error) == (True, None)
    assert len(routes(living, "count/was/finding")) == 2
    assert [(item["id"], item["findings"]) for item in result.values["purged"]] == [(key, count)]
    again = go(living, ids=[key])
    assert (again.changed, again.values["purged"], again.error) == (False, [], None)
    said = f"Qualys reported the purge of web application {key} as done, but Qualys still shows its last scan, {scan}."
    assert result.warnings == again.warnings == [said]


def test_findings_that_a_purge_leaves_are_a_warning_beside_those_that_are_gone(living: Sandbox) -> None:
    [key] = with_findings(living, 1)
    count = len(living.qualys.findings_of(key))
    living.faults.add({"match": {"route": "count/was/finding"}, "kind": "wrong_count", "n": 1, "skip": 1, "times": -1})
    result = go(living, ids=[key])
    assert (result.changed, result.error) == (True, None)
    assert result.values["purged"][0]["findings"] == count - 1
    assert "it still has 1 finding. Run again later." in result.warnings[0]


@pytest.mark.parametrize("looks", [1, 3])
def test_a_purge_that_shows_a_little_later_is_waited_for(living: Sandbox, looks: int) -> None:
    [key] = with_findings(living, 1)
    count = len(living.qualys.findings_of(key))
    # The count that is asked for before the purge, and those that are asked for too early after it.
    living.faults.add(
        {"match": {"route": "count/was/finding"}, "kind": "wrong_count", "n": count, "skip": 1, "times": looks}
    )
    result = go(living, ids=[key])
    assert (result.changed, result.error, result.warnings) == (True, None, [])
    assert result.values["purged"][0]["findings"] == count


def test_a_purge_after_which_nothing_can_be_read_happened_and_failed(living: Sandbox) -> None:
    [key] = with_findings(living, 1)
    living.faults.add(
        {"match": {"route": "count/was/finding"}, "kind": "response_code", "code": "UNAUTHORIZED", "skip": 1}
    )
    result = go(living, ids=[key])
    assert result.changed
    assert "was done, but reading it again failed" in str(result.error)
    assert [item["id"] for item in result.values["purged"]] == [key]
