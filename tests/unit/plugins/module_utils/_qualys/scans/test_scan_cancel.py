# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans that are cancelled and deleted: once, never blindly, and by a filter only below a ceiling."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousMatch,
    AmbiguousWrite,
    IncompleteRead,
    OptionError,
    PartialFailure,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, run_module
from ...scan_kit import APP, Scans, refuse, slow


@pytest.fixture
def scans(sandbox: Sandbox) -> Scans:
    return Scans(sandbox)


# Cancel


def test_a_scan_is_cancelled_and_then_left_alone(scans: Scans) -> None:
    slow(scans)
    scan_id = int(scans(state="launched").values["scan"]["id"])
    predicted = scans(check=True, state="canceled")
    assert (predicted.changed, predicted.values["scan"]["end_reason"]) == (True, "cancelled")
    result = scans(state="canceled", cancel_with_results=True)
    assert (result.changed, result.error, result.values["scan"]["end_reason"]) == (True, None, "cancelled")
    assert scans.sandbox.qualys.scans[scan_id]["summary"]["resultsStatus"] == "CANCELED_WITH_RESULTS"
    for check in (True, False):
        again = scans(check=check, state="canceled")
        assert (again.changed, again.values["scan"]["id"]) == (False, str(scan_id))


def test_cancel_of_a_finished_scan_changes_nothing(scans: Scans) -> None:
    scan_id = int(scans().values["scan"]["id"])
    result = scans(id=scan_id, state="canceled")
    assert (result.changed, result.values["scan"]["end_reason"]) == (False, "finished")


def test_cancel_of_what_was_never_there_changes_nothing(scans: Scans) -> None:
    result = scans(state="canceled", name="never")
    assert (result.changed, result.values["scan"]) == (False, None)


def test_a_scan_that_is_being_cancelled_is_not_cancelled_again(scans: Scans) -> None:
    slow(scans)
    scan_id = int(scans(state="launched").values["scan"]["id"])
    with client_of(scans.sandbox) as client:
        client.write("cancel", "wasscan", None, scan_id)
    assert not scans(check=True, id=scan_id, state="canceled").changed
    result = scans(id=scan_id, state="canceled")
    assert (result.changed, result.values["scan"]["end_reason"]) == (False, "cancelled")


def test_a_cancel_in_doubt_is_settled_by_looking(scans: Scans) -> None:
    slow(scans)
    scans(state="launched")
    scans.fault("cancel/was/wasscan", "apply_then_reset")
    result = scans(state="canceled")
    assert (result.changed, result.values["scan"]["end_reason"]) == (True, "cancelled")
    scans(state="launched")
    scans.fault("cancel/was/wasscan", "reset")
    with pytest.raises(AmbiguousWrite, match="cancel of scan"):
        scans(state="canceled")


def test_a_cancel_that_cannot_be_sent_or_is_refused(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(scans)
    scans(state="launched")
    scans.fault("cancel/was/wasscan", "response_code", code="OTHER_ERROR")
    with pytest.raises(VendorError, match="OTHER_ERROR"):
        scans(state="canceled")
    refuse(monkeypatch, "cancel", sent=False)
    with pytest.raises(TransportError, match="nothing was sent"):
        scans(state="canceled")


def test_a_scan_that_ends_before_the_cancel_arrives_is_no_error(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(scans)
    scans(state="launched")
    write = QualysClient.write

    def late(self: Any, *arguments: Any) -> Any:
        scans.sandbox.clock.advance(3600)
        return write(self, *arguments)

    monkeypatch.setattr(QualysClient, "write", late)
    result = scans(state="canceled")
    assert (result.changed, result.error, result.values["scan"]["end_reason"]) == (False, None, "finished")


def test_a_cancel_that_takes_too_long_is_told(scans: Scans) -> None:
    slow(scans)
    scans(state="launched")
    scans.sandbox.switches["cancel_seconds"] = "100000"
    result = scans(state="canceled", wait_timeout="2m")
    assert result.changed
    assert result.error is not None
    assert result.error.kind == "scan_timeout"


def test_a_name_that_several_running_scans_have_is_refused(scans: Scans) -> None:
    slow(scans)
    scans(state="launched")
    data = {"WasScan": {"name": "ci", "type": "DISCOVERY", "target": {"webApp": {"id": APP}}}}
    with client_of(scans.sandbox) as client:
        client.write("launch", "wasscan", data)
    for state in ("canceled", "absent"):
        with pytest.raises(AmbiguousMatch, match="matches 2 scans"):
            scans(state=state)


# Delete


def test_a_scan_is_deleted_once(scans: Scans) -> None:
    first = scans()
    predicted = scans(check=True, state="absent")
    assert (predicted.changed, predicted.values["scan"]["id"]) == (True, first.values["scan"]["id"])
    result = scans(state="absent")
    assert (result.changed, result.values["scan"]["id"]) == (True, first.values["scan"]["id"])
    for options in ({"state": "absent"}, {"state": "absent", "id": int(first.values["scan"]["id"])}):
        for check in (True, False):
            again = scans(check=check, **options)
            assert (again.changed, again.values["scan"]) == (False, None)


def test_a_running_scan_is_not_deleted(scans: Scans) -> None:
    slow(scans)
    scans(state="launched")
    for check in (True, False):
        with pytest.raises(VendorError, match="only a scan that has ended") as caught:
            scans(check=check, state="absent")
        assert "state: canceled" in caught.value.hint
    assert scans.writes == 0


def test_a_delete_in_doubt_is_settled_by_looking(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    scans()
    scans.fault("delete/was/wasscan", "reset")
    with pytest.raises(AmbiguousWrite, match="delete of scan"):
        scans(state="absent")
    scans.fault("delete/was/wasscan", "response_code", code="OTHER_ERROR")
    with pytest.raises(VendorError, match="OTHER_ERROR"):
        scans(state="absent")
    scans.fault("delete/was/wasscan", "apply_then_reset")
    assert scans(state="absent").changed
    scans()
    scans.fault(
        "delete/was/wasscan", "apply_then_status", status=200, body='{"ServiceResponse": {"responseCode": "X"}}'
    )
    assert scans(state="absent").changed
    scans()
    refuse(monkeypatch, "delete", sent=False)
    with pytest.raises(TransportError, match="nothing was sent"):
        scans(state="absent")


# Delete by filter

NAMED = [{"field": "name", "operator": "CONTAINS", "value": "old"}]


def three(scans: Scans) -> list[str]:
    """Ids of three scans that have ended."""
    return [scans(name=f"old {number}").values["scan"]["id"] for number in range(3)]


def test_a_filter_deletes_what_it_means_once(scans: Scans) -> None:
    doomed = three(scans)
    kept = scans(name="young").values["scan"]["id"]
    wanted: dict[str, Any] = {"state": "absent", "filters": NAMED, "max_deletes": 3}
    for check in (True, True, False):
        result = scans(check=check, **wanted)
        assert (result.changed, [scan["id"] for scan in result.values["scans"]]) == (True, doomed)
    # A filter is never sent to a call that deletes.
    assert scans.seen("delete/was/wasscan/") == scans.writes == 3
    assert int(kept) in scans.sandbox.qualys.scans
    assert not {int(key) for key in doomed} & set(scans.sandbox.qualys.scans)
    for check in (True, False):
        again = scans(check=check, **wanted)
        assert (again.changed, again.values["scans"]) == (False, [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "filters requires max_deletes"),
        ({"max_deletes": 2}, "would change 3 scans, more than max_deletes"),
        ({"max_deletes": -1}, "max_deletes"),
        ({"max_deletes": 9, "filters": []}, "neither may be empty"),
        ({"max_deletes": 9, "filters": [{"field": "nmae", "value": "x"}]}, "nmae is not a known search field"),
        ({"max_deletes": 9, "state": "canceled"}, "filters cannot be combined with state: canceled"),
        ({"max_deletes": 9, "filters": None, "id": 1}, "max_deletes is only allowed with filters"),
    ],
)
def test_a_filter_that_is_too_wide_or_wrong_deletes_nothing(scans: Scans, options: dict[str, Any], words: str) -> None:
    three(scans)
    for check in (True, False):
        with pytest.raises(OptionError, match=words):
            scans(check=check, **{"state": "absent", "filters": NAMED, **options})
        assert scans.writes == 0


def test_a_filter_that_reaches_a_running_scan_deletes_nothing(scans: Scans) -> None:
    three(scans)
    slow(scans)
    running = scans(name="old and busy", state="launched").values["scan"]["id"]
    with pytest.raises(OptionError, match=f"1 of the 4 scans have not ended: {running}") as caught:
        scans(state="absent", filters=NAMED, max_deletes=9)
    assert (scans.writes, "Nothing was deleted" in caught.value.hint) == (0, True)
    ended = [*NAMED, {"field": "status", "operator": None, "value": ["FINISHED", "CANCELED", "ERROR"]}]
    assert len(scans(state="absent", filters=ended, max_deletes=9).values["scans"]) == 3


def test_an_incomplete_listing_deletes_nothing(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    three(scans)
    monkeypatch.setattr(QualysClient, "count", lambda self, *arguments: 4)
    with pytest.raises(IncompleteRead, match="announced 4 scans and sent 3"):
        scans(state="absent", filters=NAMED, max_deletes=9)
    assert scans.writes == 0


def test_one_that_cannot_be_deleted_does_not_keep_the_others(scans: Scans) -> None:
    doomed = three(scans)
    scans.fault(f"delete/was/wasscan/{doomed[1]}", "response_code", code="OTHER_ERROR")
    result = scans(state="absent", filters=NAMED, max_deletes=3)
    assert isinstance(result.error, PartialFailure)
    assert f"1 of 3 scans were not deleted; the first is {doomed[1]}" in result.error.message
    assert [scan["id"] for scan in result.values["scans"]] == [doomed[0], doomed[2]]


def test_the_module_deletes_by_a_filter(sandbox: Sandbox) -> None:
    never = [{"field": "name", "value": "there is none of this name"}]
    ran = run_module("qualys_was_scan", sandbox, state="absent", filters=never, max_deletes=0)
    assert (ran.failed, ran.result["changed"], ran.result["scans"]) == (False, False, [])
    assert run_module("qualys_was_scan", sandbox, state="absent", filters=never, id=1).failed
