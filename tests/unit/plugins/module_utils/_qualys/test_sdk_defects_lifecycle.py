# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of qualysdk 0.3.17 that purge, the life of findings and look-ups must not have.

See docs/vendors/qualys_was.md 17.2.
"""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import targets
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import purge
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..qualys_kit import client_of, routes
from .life import FINDINGS, WEBAPPS, finding_options, ids_of, living, plain_findings, shared_living

__all__ = ["living", "shared_living"]

IGNORE = {"state": "ignored", "reason": "FALSE_POSITIVE"}


def change(sandbox: Sandbox, **options: Any) -> Result:
    with client_of(sandbox, max_connections=4) as client:
        return finding.run(finding_options(**options), client, False)


def clear(sandbox: Sandbox, **options: Any) -> Result:
    blank = {"ids": None, "filters": None, "filters_strict": True, "max_purges": None}
    with client_of(sandbox) as client:
        return purge.run({**blank, **options}, client, False)


def test_sdk_defect_01_purge_deletes(living: Sandbox) -> None:
    before = {key: dict(app) for key, app in living.qualys.webapps.items()}
    clear(living, filters=[{"field": "url", "operator": "CONTAINS", "value": "http"}], max_purges=WEBAPPS)
    assert living.qualys.webapps.ids == list(before)
    assert len(living.qualys.findings) == 0
    assert not any(app.get("lastScan") for app in living.qualys.webapps.values())
    assert all(
        dict(app) == {k: v for k, v in before[key].items() if k != "lastScan"}
        for key, app in living.qualys.webapps.items()
    )
    assert routes(living, "delete") == []
    assert routes(living, "purge") != []


@pytest.mark.parametrize(
    "comment", ["A & B", "a<b></ignoredComment><id>1</id>", "]]>", "\"'&amp;&#x41;", "True False", "ü€😀"]
)
def test_sdk_defect_03_values_are_escaped(living: Sandbox, comment: str) -> None:
    first, second = plain_findings(living, 2)
    change(living, ids=[first["id"]], comment=comment, **IGNORE)
    assert first["ignoredComment"] == comment
    assert not second.get("isIgnored")
    assert not change(living, ids=[first["id"]], comment=comment, **IGNORE).changed


def test_sdk_defect_09_fixed_date_is_a_filter(living: Sandbox) -> None:
    fixed = [record for record in living.qualys.findings.values() if record.get("fixedDate")]
    filters = [{"field": "fixedDate", "operator": "GREATER", "value": "2000-01-01"}]
    result = change(living, filters=filters, max_changes=FINDINGS, state="active")
    assert len(result.values["findings"]) == len(fixed) > 0


def test_sdk_defect_10_an_id_filter_survives_the_cursor(living: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MAX_PAGE", 2)
    records = plain_findings(living, 40)[::8]
    result = change(
        living, filters=[{"field": "id", "operator": "IN", "value": ids_of(records)}], max_changes=5, **IGNORE
    )
    assert [item["id"] for item in result.values["results"]] == [str(key) for key in ids_of(records)]
    assert sum(bool(record.get("isIgnored")) for record in plain_findings(living, 10)) == 0


def test_sdk_defect_11_false_is_not_true(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    record["potential"] = False
    record["isIgnored"] = False
    result = change(living, ids=[record["id"]], **IGNORE)
    # Had the text "false" been taken for true, the finding would have counted as ignored already.
    assert result.changed
    assert result.values["findings"][0]["potential"] is False
    assert change(living, ids=[record["id"]], state="active").values["findings"][0]["ignored"] is None


def test_sdk_defect_12_no_finding_is_lost_to_a_fault(living: Sandbox) -> None:
    records = plain_findings(living, 30)
    living.faults.add({"match": {"route": "retestStatus"}, "kind": "status", "status": 500, "times": 5})
    living.faults.add({"match": {"route": "search/was/finding"}, "kind": "status", "status": 500, "times": 2})
    result = change(living, ids=ids_of(records), retest=True, wait_timeout=0)
    assert result.error is None
    assert [item["id"] for item in result.values["findings"]] == [str(key) for key in ids_of(records)]


@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-ToWait-Sec": "0"}], ids=["bare", "with wait"])
@pytest.mark.parametrize("status", [409, 429])
def test_sdk_defect_13_slow_down_is_obeyed(living: Sandbox, status: int, headers: dict[str, str]) -> None:
    records = plain_findings(living, 3)
    fault = {"kind": "status", "status": status, "times": 2, "headers": headers, "body": "empty"}
    living.faults.add({"match": {"route": "search/was/finding"}, **fault})
    living.faults.add({"match": {"route": "retestStatus"}, **fault})
    assert change(living, ids=ids_of(records), retest=True, wait_timeout=0).error is None


def test_sdk_defect_14_an_error_page_has_a_message(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    living.faults.add({"match": {"route": "search/was/finding"}, "kind": "status", "status": 502, "times": -1})
    with client_of(living, retries=1) as client, pytest.raises(PerimeterError, match="HTTP 502") as caught:
        finding.run(finding_options(ids=[record["id"]], **IGNORE), client, False)
    assert caught.value.hint


def test_sdk_defect_17_booleans_in_filters(living: Sandbox) -> None:
    filters = [{"field": "isIgnored", "value": False}, {"field": "type", "value": "VULNERABILITY"}]
    before = [dict(item) for item in filters]
    change(living, filters=filters, max_changes=FINDINGS, **IGNORE)
    assert filters == before
    again = change(living, filters=filters, max_changes=0, **IGNORE)
    assert again.values["findings"] == []


def test_sdk_defect_19_many_findings_never_hang(living: Sandbox) -> None:
    records = [item for item in living.qualys.findings.in_order() if item["type"] != "INFORMATION_GATHERED"]
    result = change(living, ids=ids_of(records), **IGNORE)
    assert len(result.values["results"]) == len(records)
    assert all(record["isIgnored"] for record in records)


def test_sdk_defect_21_findings_have_a_life(living: Sandbox) -> None:
    record = next(item for item in plain_findings(living, 20) if item["severity"] != 5)
    ids = [record["id"]]
    actions = [
        change(living, ids=ids, **use).values["results"][0]["actions"]
        for use in (IGNORE, {"state": "active"}, {"severity": 5}, {"restore_severity": True}, {"retest": True})
    ]
    assert actions == [["ignore"], ["activate"], ["editSeverity"], ["restoreSeverity"], ["retest"]]
