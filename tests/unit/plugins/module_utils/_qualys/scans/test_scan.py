# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scan: launched once, adopted when it is the task's own, waited for on one budget, cancelled, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousWrite,
    AuthenticationFailed,
    NotFound,
    OptionError,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import scan_launch
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_target import ScanTarget, target_node
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile import settle
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, run_module
from ...scan_kit import APP, Scans, refuse, slow

OTHER = 410002


@pytest.fixture
def scans(sandbox: Sandbox) -> Scans:
    return Scans(sandbox)


# Launch


def test_a_scan_is_launched_with_everything_that_was_asked_for(scans: Scans) -> None:
    result = scans(
        state="launched",
        webapp="Storefront (prod)",
        name="ci & <42> ü",
        type="DISCOVERY",
        profile="API only & <beta>",
        auth_record="Custom login & more",
        scanner={"type": "INTERNAL", "friendly_name": "dc1 & <dc2>", "tags": None},
        cancel_after=3,
    )
    stored = scans.stored(result)
    assert (result.changed, result.values["adopted"], scans.writes) == (True, False, 1)
    assert (stored["name"], stored["type"], stored["cancelAfterNHours"]) == ("ci & <42> ü", "DISCOVERY", 3)
    target = stored["_target"]
    assert target["webApp"] == {"id": APP}
    assert target["scannerAppliance"] == {"type": "INTERNAL", "friendlyName": "dc1 & <dc2>"}
    assert target["cancelOption"] == "SPECIFIC"
    assert scans.sandbox.qualys.auth_records[stored["_auth"]]["name"] == "Custom login & more"
    scan = result.values["scan"]
    assert (scan["kind"], scan["profile"], scan["status"]) == ("discovery", "API only & <beta>", "running")
    assert (scan["end_reason"], scan["conclusive"]) == (None, False)
    assert scan["asset"]["name"] == "Storefront (prod)"


def test_a_scan_is_launched_with_what_stands_beside_its_target(scans: Scans) -> None:
    state = scans.sandbox.qualys
    proxy, override = state.proxies.ids[0], state.dns_overrides.ids[0]
    result = scans(
        state="launched",
        cancel_time="06:00",
        randomize=True,
        scan_proxy=str(proxy),
        dns_override=state.dns_overrides[override]["name"],
        send_mail=True,
        send_one_mail=False,
    )
    stored = scans.stored(result)
    assert (stored["cancelTime"], stored["proxy"], stored["dnsOverride"]) == ("06:00", {"id": proxy}, {"id": override})
    assert (stored["sendMail"], stored["sendOneMail"]) == (True, False)
    assert (stored["_target"]["randomizeScan"], stored["_target"]["cancelOption"]) == (True, "SPECIFIC")


def test_what_is_not_given_is_not_sent(scans: Scans) -> None:
    stored = scans.stored(scans(state="launched"))
    assert not {"cancelTime", "cancelAfterNHours", "proxy", "dnsOverride", "sendMail", "sendOneMail"} & set(stored)
    assert not {"randomizeScan", "cancelOption"} & set(stored["_target"])


def test_scanner_tags_are_resolved(scans: Scans) -> None:
    scanner = {"type": "scannerTags", "friendly_name": None, "tags": ["scanner-eu", "scanner-us"]}
    stored = scans.stored(scans(state="launched", scanner=scanner))
    names = [scans.sandbox.qualys.tags[key]["name"] for key in stored["_target"]["scannerTags"]]
    assert names == ["scanner-eu", "scanner-us"]


@pytest.mark.parametrize(("written", "login"), [(None, False), ("", False), ("none", False), ("default", True)])
def test_how_no_login_and_the_default_one_are_said(scans: Scans, written: str | None, login: bool) -> None:
    stored = scans.stored(scans(state="launched", auth_record=written))
    assert bool(stored["_auth"]) is login


def test_a_default_login_that_the_application_lacks_is_refused_before_the_launch(scans: Scans) -> None:
    scans.sandbox.switches["scan_default_auth_missing"] = "unauthenticated"
    app = scans.sandbox.qualys.webapps[APP]
    app["authRecords"] = []
    app["config"] = {}
    with pytest.raises(OptionError, match="no authentication record"):
        scans(auth_record="default")
    assert scans.writes == 0


def test_a_profile_is_needed_unless_the_application_has_one(scans: Scans) -> None:
    scans.sandbox.qualys.webapps[APP].pop("defaultProfile")
    for check in (True, False):
        with pytest.raises(OptionError, match="profile is required"):
            scans(check=check)
    assert scans(state="launched", profile="CI quick").values["scan"]["profile"] == "CI quick"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"webapp": "no such app"}, "webapp: there is no web application named"),
        ({"webapp": "999"}, "webapp: there is no web application 999"),
        ({"webapp": " "}, "webapp and name are required"),
        ({"name": ""}, "webapp and name are required"),
        ({"profile": "no such profile"}, "profile: there is no option profile"),
        ({"auth_record": "nobody"}, "auth_record: there is no authentication record"),
        ({"cancel_after": 0}, "cancel_after"),
        ({"cancel_after": 2, "cancel_time": "06:00"}, "cancel_after and cancel_time cannot be combined"),
        ({"scan_proxy": "office"}, "scan_proxy: 'office' is not an id"),
        ({"dns_override": "nope"}, "dns_override: there is no DNS override"),
        ({"tags_match": "ANY"}, "tags_match is only allowed with tags"),
        ({"wait_timeout": "long"}, "wait_timeout"),
        ({"poll_interval": "0s"}, "poll_interval"),
        ({"resume_within": "7"}, "resume_within"),
        ({"scanner": {"type": "INTERNAL"}}, "friendly_name is required with"),
        ({"scanner": {"type": "EXTERNAL", "friendly_name": "x"}}, "friendly_name is required with"),
        ({"scanner": {"type": "EXTERNAL", "tags": ["prod"]}}, "tags is required with"),
        ({"scanner": {"type": "scannerTags"}}, "tags is required with"),
        ({"scanner": {"type": "scannerTags", "tags": ["nope"]}}, "scanner.tags: there is no tag"),
    ],
)
def test_bad_options_are_told_before_anything_is_launched(scans: Scans, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        scans(**options)
    assert scans.launches == 0


def test_trap_35_no_scan_is_launched_in_check_mode(scans: Scans) -> None:
    for _again in range(2):
        for state in ("finished", "launched"):
            result = scans(check=True, state=state)
            assert (result.changed, result.values["adopted"]) == (True, False)
            scan = result.values["scan"]
            assert (scan["id"], scan["name"], scan["asset"]["id"], scan["kind"]) == (
                None,
                "ci",
                str(APP),
                "vulnerability",
            )
            assert (scan["end_reason"], scan["conclusive"]) == (None, False)
    before = len(scans.of_app())
    scans(state="launched")
    assert len(scans.of_app()) == before + 1
    adopted = scans(check=True)
    assert (adopted.changed, adopted.values["adopted"], adopted.error) == (False, True, None)


def test_sdk_defect_20_each_application_of_a_launch_is_an_element_of_its_own(sandbox: Sandbox) -> None:
    node = target_node(ScanTarget(webapps=(APP, OTHER)))
    data = {"WasScan": {"name": "two", "type": "DISCOVERY", "target": node}}
    with client_of(sandbox) as client:
        launched = client.write("launch", "wasscan", data)
        tagged = target_node(ScanTarget(tags=tuple(sandbox.qualys.webapps[APP]["tags"])))
        by_tag = client.write("launch", "wasscan", {"WasScan": data["WasScan"] | {"target": tagged}})
    assert len(launched) == 2
    of = [sandbox.qualys.scans[int(raw["id"])]["webAppId"] for raw in launched]
    assert of == [APP, OTHER]
    assert APP in [sandbox.qualys.scans[int(raw["id"])]["webAppId"] for raw in by_tag]


# Adoption


def test_a_scan_that_is_under_way_is_adopted_and_not_launched_again(scans: Scans) -> None:
    slow(scans)
    first = scans(state="launched")
    again = scans(state="launched")
    assert (again.changed, again.values["adopted"]) == (False, True)
    assert again.values["scan"]["id"] == first.values["scan"]["id"]
    waited = scans()
    assert (waited.changed, waited.error) == (False, None)
    assert waited.values["scan"]["id"] == first.values["scan"]["id"]
    assert scans.launches == 0


@pytest.mark.parametrize("word", ["SUBMITTED", "RUNNING", "PROCESSING", "CANCELING", "PAUSED"])
def test_every_word_that_is_no_end_is_under_way(scans: Scans, word: str) -> None:
    scans.sandbox.switches["scan_polls"] = "0"
    first = scans(state="launched")
    scans.stored(first)["status"] = word
    again = scans(state="launched")
    assert (again.values["adopted"], again.values["scan"]["id"]) == (True, first.values["scan"]["id"])


def test_an_old_finished_scan_is_never_taken_for_a_new_one(scans: Scans) -> None:
    first = scans()
    second = scans()
    assert second.changed
    assert second.values["scan"]["id"] != first.values["scan"]["id"]
    scans.sandbox.clock.advance(3601)
    third = scans(resume_within="1h")
    assert third.changed
    assert third.values["scan"]["id"] != second.values["scan"]["id"]


def test_a_scan_launched_within_resume_within_is_adopted(scans: Scans) -> None:
    first = scans()
    scans.sandbox.clock.advance(3000)
    again = scans(resume_within="1h")
    assert (again.changed, again.values["adopted"], again.error) == (False, True, None)
    assert again.values["scan"]["id"] == first.values["scan"]["id"]
    assert scans.launches == 0


@pytest.mark.parametrize("outcome", ["no_host_alive", "canceled", "error"])
def test_a_scan_that_ended_without_a_result_is_not_adopted(scans: Scans, outcome: str) -> None:
    scans.sandbox.switches["scan_outcome"] = outcome
    assert scans().error is not None
    scans.sandbox.switches["scan_outcome"] = "finished"
    again = scans(resume_within="1d")
    assert (again.changed, again.error) == (True, None)


@pytest.mark.parametrize("change", [{"name": "CI"}, {"name": "ci 2"}, {"webapp": str(OTHER)}, {"type": "DISCOVERY"}])
def test_another_name_application_or_type_is_another_scan(scans: Scans, change: dict[str, Any]) -> None:
    scans.sandbox.switches["text_case_sensitive"] = "false"
    slow(scans)
    scans(state="launched")
    other = scans(state="launched", **change)
    assert (other.changed, other.values["adopted"]) == (True, False)


def test_the_newest_of_several_is_adopted(scans: Scans) -> None:
    slow(scans)
    first = scans(state="launched")
    second = dict(scans.stored(first))
    with client_of(scans.sandbox) as client:
        launched = client.write(
            "launch",
            "wasscan",
            {"WasScan": {"name": "ci", "type": "VULNERABILITY", "target": {"webApp": {"id": second["webAppId"]}}}},
        )
    assert scans(state="launched").values["scan"]["id"] == str(launched[0]["id"])


def test_the_age_is_measured_with_the_clock_of_qualys(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    scans()
    newest = scans.of_app()[-1]
    monkeypatch.setattr(scan_launch, "judge", _with_date("Sun, 01 Nov 2026 05:00:00 GMT", scan_launch.judge))
    assert not scans(check=True, resume_within="6h").changed
    assert scans(check=True, resume_within="4h").changed
    newest["launchedDate"] = "not a time"
    assert scans(check=True, resume_within="6h").changed
    newest["launchedDate"] = None
    assert scans(check=True, resume_within="6h").changed


def _with_date(date: str, judge: Any) -> Any:
    def judged(response: Any, path: str, *, idempotent: bool) -> Any:
        response.headers._values["date"] = date
        return judge(response, path, idempotent=idempotent)

    return judged


def test_a_scan_in_the_future_of_a_slow_clock_counts_as_new(scans: Scans) -> None:
    scans()
    scans.of_app()[-1]["launchedDate"] = "2026-11-01T00:10:00Z"
    assert not scans(check=True, resume_within="1m").changed


def test_a_scan_is_waited_for_by_its_id(scans: Scans) -> None:
    slow(scans)
    first = scans(state="launched")
    scan_id = int(first.values["scan"]["id"])
    waited = scans(id=scan_id)
    assert (waited.changed, waited.values["adopted"], waited.error) == (False, True, None)
    assert waited.values["scan"]["id"] == str(scan_id)
    assert scans(id=scan_id, state="launched").values["scan"]["end_reason"] == "finished"
    for state in ("finished", "launched", "canceled"):
        with pytest.raises(NotFound, match="there is no scan 1"):
            scans(id=1, state=state)


# Ambiguous launches


def test_trap_1_a_connection_lost_after_the_launch_adopts_the_scan(scans: Scans) -> None:
    before = len(scans.of_app())
    scans(name="ci")
    scans.fault("launch/was/wasscan", "apply_then_reset")
    result = scans(name="ci")
    assert (result.changed, result.error, scans.launches) == (True, None, 1)
    assert len(scans.of_app()) == before + 2
    assert int(result.values["scan"]["id"]) == scans.of_app()[-1]["id"]


def test_a_launch_that_was_never_seen_is_not_repeated(scans: Scans) -> None:
    before = len(scans.of_app())
    scans(name="ci")
    scans.fault("launch/was/wasscan", "reset")
    with pytest.raises(AmbiguousWrite, match="launch of the scan 'ci' of web application"):
        scans(name="ci")
    assert (scans.launches, len(scans.of_app())) == (1, before + 1)


def test_a_launch_that_was_refused_is_not_ambiguous(scans: Scans) -> None:
    scans.fault("launch/was/wasscan", "response_code", code="INVALID_REQUEST", message="no")
    with pytest.raises(VendorError, match="INVALID_REQUEST"):
        scans()
    assert scans.launches == 1


def test_a_launch_that_cannot_be_sent_is_told_as_it_is(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "launch", sent=False)
    with pytest.raises(TransportError, match="nothing was sent"):
        scans()


def test_a_reply_without_an_id_is_settled_by_looking(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    write = QualysClient.write

    def mute(self: Any, *arguments: Any) -> Any:
        write(self, *arguments)
        return []

    monkeypatch.setattr(QualysClient, "write", mute)
    result = scans(state="launched")
    assert int(result.values["scan"]["id"]) == scans.of_app()[-1]["id"]


def test_the_id_is_returned_even_when_the_scan_cannot_be_read(scans: Scans) -> None:
    scans.fault("get/was/wasscan", "response_code", code="OTHER_ERROR", times=-1)
    result = scans(state="launched")
    assert int(result.values["scan"]["id"]) == scans.of_app()[-1]["id"]
    assert result.values["scan"]["asset"]["name"] == "Storefront (prod)"
    assert "could not be read" in result.warnings[0]


# Waiting


def test_trap_3_a_timeout_is_no_success_and_says_how_to_wait_on(scans: Scans) -> None:
    slow(scans, 7200)
    result = scans(wait_timeout="1h")
    scan = result.values["scan"]
    assert (result.changed, scan["end_reason"], scan["conclusive"]) == (True, "still_running", False)
    assert result.error is not None
    assert result.error.kind == "scan_timeout"
    assert f"id: {scan['id']}" in result.error.hint
    waited = scans(id=int(scan["id"]))
    assert (waited.values["scan"]["end_reason"], waited.error) == ("finished", None)


def test_trap_34_launch_adoption_and_polling_share_one_budget(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "DELAYS", (100.0,) * 5)
    slow(scans, 10**6)
    scans.fault("launch/was/wasscan", "apply_then_reset")
    launched = scans(wait_timeout="10m")
    # The pause after the lost launch, and all pauses between looks.
    assert scans.clock.slept[0] == 100
    assert sum(scans.clock.slept) == pytest.approx(600)
    adopted = scans(wait_timeout="10m")
    assert sum(scans.clock.slept) == pytest.approx(600)
    assert adopted.values["scan"]["id"] == launched.values["scan"]["id"]
    assert (launched.values["scan"]["end_reason"], adopted.values["scan"]["end_reason"]) == ("still_running",) * 2


def test_looks_that_fail_are_repeated_and_told(scans: Scans) -> None:
    scans.fault("status/was/wasscan", "html_200", times=8)
    scans.fault("status/was/wasscan", "response_code", code="JMS_SERVER_DOWN")
    result = scans(connection={"retries": 1})
    assert (result.error, result.values["scan"]["end_reason"]) == (None, "finished")
    assert "failed and were repeated" in result.warnings[0]


def test_looks_that_all_fail_are_a_timeout_and_no_success(scans: Scans) -> None:
    scans.fault("status/was/wasscan", "response_code", code="OTHER_ERROR", times=-1)
    result = scans(wait_timeout="5m")
    assert result.values["scan"]["end_reason"] == "still_running"
    assert result.error is not None
    assert "OTHER_ERROR" in result.error.message


def test_refused_credentials_while_waiting_return_the_scan(scans: Scans) -> None:
    scans.fault("status/was/wasscan", "response_code", code="INVALID_CREDENTIALS")
    result = scans()
    assert isinstance(result.error, AuthenticationFailed)
    assert int(result.values["scan"]["id"]) == scans.of_app()[-1]["id"]
    assert result.values["scan"]["conclusive"] is False


@pytest.mark.parametrize("mode", ["NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"])
def test_a_scan_that_vanishes_is_not_waited_for_until_the_end(scans: Scans, mode: str) -> None:
    scans.sandbox.switches["missing_id"] = mode
    slow(scans)
    scan_id = int(scans(state="launched").values["scan"]["id"])
    real_sleep = scans.clock.sleep

    def sleep(seconds: float) -> None:
        scans.sandbox.qualys.scans.remove_many([scan_id])
        real_sleep(seconds)

    scans.clock.sleep = sleep  # type: ignore[method-assign]
    result = scans(id=scan_id)
    assert (result.values["scan"]["end_reason"], result.values["scan"]["id"]) == ("error", str(scan_id))
    assert result.error is not None
    assert result.error.kind == "not_found"
    assert scans.clock.seconds < 600


@pytest.mark.parametrize("code", ["NOT_FOUND", "INVALID_REQUEST"])
def test_a_scan_that_is_visible_late_is_waited_for(scans: Scans, code: str) -> None:
    scans.fault("status/was/wasscan", "response_code", code=code, times=2)
    result = scans()
    assert (result.error, result.values["scan"]["end_reason"]) == (None, "finished")


def test_unknown_words_are_waited_through_and_told(scans: Scans) -> None:
    slow(scans)
    scan_id = int(scans(state="launched").values["scan"]["id"])
    stored = scans.sandbox.qualys.scans[scan_id]
    scans.sandbox.qualys.running_scans.discard(scan_id)
    stored["status"] = "PAUSED"
    result = scans(id=scan_id, wait_timeout="3m")
    assert result.values["scan"]["end_reason"] == "still_running"
    assert "status=PAUSED" in result.warnings[0]
    stored["status"], stored["summary"] = "FINISHED", {**stored["summary"], "resultsStatus": "FINE"}
    result = scans(id=scan_id, wait_timeout="3m")
    assert result.values["scan"]["end_reason"] == "still_running"
    assert "results_status=FINE" in result.warnings[0]


def test_an_end_that_was_seen_counts_even_when_the_details_cannot_be_read(scans: Scans) -> None:
    scans.fault("get/was/wasscan", "response_code", code="OTHER_ERROR", times=-1)
    result = scans(wait_timeout="10m", auth_record="default")
    assert (result.error, result.values["scan"]["end_reason"]) == (None, "finished")
    scans.sandbox.switches["scan_outcome"] = "no_host_alive"
    assert scans(wait_timeout="10m").values["scan"]["end_reason"] == "no_host_alive"


# The module


def test_the_module_fails_with_the_scan(sandbox: Sandbox) -> None:
    sandbox.switches.update({"scan_outcome": "no_host_alive", "scan_polls": "0"})
    ran = run_module("qualys_was_scan", sandbox, webapp=str(APP), name="ci")
    assert (ran.failed, ran.code, ran.result["changed"]) == (True, 1, True)
    assert ran.result["scan"]["end_reason"] == "no_host_alive"
    assert ran.result["error"]["kind"] == "scan_inconclusive"
    sandbox.switches["scan_outcome"] = "finished"
    ran = run_module("qualys_was_scan", sandbox, webapp=str(APP), name="ci")
    assert (ran.failed, ran.result["scan"]["conclusive"]) == (False, True)


@pytest.mark.parametrize("options", [{}, {"webapp": "x"}, {"id": 1, "webapp": "x", "name": "y"}])
def test_the_module_wants_an_id_or_an_application_with_a_name(sandbox: Sandbox, options: dict[str, Any]) -> None:
    assert run_module("qualys_was_scan", sandbox, **options).failed
