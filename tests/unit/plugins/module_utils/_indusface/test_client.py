# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client when things go wrong: keys that were replaced, login pages, answers that say no in a friendly status."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    OptionError,
    PerimeterError,
    RedirectRefused,
    ServerFault,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.client import ENVIRONMENT, Days, resolve
from tests.sandbox import Sandbox

from ..bent_time import BentTime
from ..indusface_kit import LAST, client_of, info

DAY = Days(dt.date(2026, 11, 1), dt.date(2026, 11, 1))
ONE_KEY = "one pair of keys at a time"


def answers(sandbox: Sandbox, body: Any, **fault: Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    sandbox.faults.add({"kind": "status", "status": 200, "body": text, **fault})


def test_options_come_from_the_environment_and_the_task_wins() -> None:
    environ = {"INDUSFACE_WAS_ACCESS_KEY": "theirs", "INDUSFACE_WAS_SECRET_KEY": "their-secret"}
    found = resolve({"access_key": "mine"}, environ)
    assert (found.api_url, found.access_key, found.secret_key) == ("https://was.indusface.com", "mine", "their-secret")
    assert "their-secret" not in repr(found)
    assert set(ENVIRONMENT.values()) == {"INDUSFACE_WAS_URL", *environ}


@pytest.mark.parametrize("name", ["access_key", "secret_key"])
def test_what_is_missing_is_named_with_its_variable(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} is missing") as caught:
        resolve({"access_key": "a", "secret_key": "s"} | {name: ""}, {})
    assert ENVIRONMENT[name] in caught.value.hint


def test_the_address_of_the_page_is_refused_unless_asked_for() -> None:
    """The vendor's page prints http: the keys would travel in clear text."""
    keys = {"api_url": "http://was.indusface.com", "access_key": "a", "secret_key": "s"}
    with pytest.raises(OptionError, match="plain http"):
        resolve(keys, {})
    assert resolve({**keys, "allow_http": True}, {}).api_url == "http://was.indusface.com"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ("401", AuthenticationFailed),
        ("403", AuthenticationFailed),
        ("page", BadResponse),
        ("redirect", RedirectRefused),
    ],
)
@pytest.mark.parametrize("key", ["access_key", "secret_key"])
def test_replaced_keys_are_suspected_however_they_are_refused(
    indusface: Sandbox, refusal: str, kind: type[PerimeterError], key: str
) -> None:
    indusface.switches["indusface_refusal"] = refusal
    with client_of(indusface, **{key: "an-older-key-0001"}) as client, pytest.raises(kind) as caught:
        client.scan_logs(DAY)
    assert ONE_KEY in caught.value.hint
    assert indusface.counters.requests == 1
    assert "an-older-key-0001" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"errorMessages": ["Unauthorised"]}, AuthenticationFailed, "Unauthorised"),
        ({"status": "ERROR", "result": {"error": "No such account.", "data": []}}, VendorError, "No such account"),
    ],
)
@pytest.mark.parametrize("status", [401, 400])
def test_both_shapes_of_errors_are_quoted(
    indusface: Sandbox, body: dict[str, Any], kind: type[PerimeterError], words: str, status: int
) -> None:
    answers(indusface, body, status=status)
    with pytest.raises(AuthenticationFailed if status == 401 else VendorError, match=words):
        info(indusface, date=LAST)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status": "ERROR", "result": {"error": "Backend is away", "data": []}}, VendorError),
        ({"status": "OK", "result": {"error": "Backend is away", "data": []}}, VendorError),
        ({"status": "FAILED", "result": {"data": []}}, VendorError),
        ({"status": "OK", "result": {"error": "Invalid access key or secret key.", "data": []}}, AuthenticationFailed),
        ({"status": "OK", "result": {"success": "fine"}}, BadResponse),
        ({"status": "OK", "result": {"success": "fine", "data": {}}}, BadResponse),
        ({"status": "OK", "result": {"success": "fine", "data": [7]}}, BadResponse),
        ({"status": "OK"}, BadResponse),
        ([], BadResponse),
        ("", BadResponse),
    ],
)
def test_a_failure_with_status_200_is_one(indusface: Sandbox, body: Any, kind: type[PerimeterError]) -> None:
    answers(indusface, body if body != "" else "empty")
    with pytest.raises(kind):
        info(indusface, date=LAST)


@pytest.mark.parametrize("text", ["No data logs found.", "NO DATA", "Sorry, no data for this day"])
@pytest.mark.parametrize("status", ["OK", "ok"])
def test_an_empty_result_is_one_in_any_words(indusface: Sandbox, text: str, status: str) -> None:
    answers(indusface, {"status": status, "result": {"error": text, "data": []}})
    result = info(indusface, date=LAST)
    assert (result.values["total"], result.values["messages"]) == (0, [text])


def test_hostile_words_of_the_vendor_are_cut_and_printable(indusface: Sandbox) -> None:
    answers(indusface, {"status": "\x1b[2J" * 99, "result": {"error": "\x1b]0;owned\x07" + "x" * 5000, "data": []}})
    with pytest.raises(VendorError) as caught:
        info(indusface, date=LAST)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 600


def test_no_message_repeats_a_key(indusface: Sandbox) -> None:
    chosen = indusface.indusface.settings
    answers(indusface, {"status": "ERROR", "result": {"error": f"{chosen.access_key} {chosen.secret_key} no account"}})
    with pytest.raises(VendorError) as caught:
        info(indusface, date=LAST)
    assert chosen.access_key not in str(caught.value.to_dict())
    assert chosen.secret_key not in str(caught.value.to_dict())


def test_the_agent_string_is_the_hint_for_406(indusface: Sandbox) -> None:
    indusface.switches["indusface_agent"] = "picky"
    with pytest.raises(VendorError, match="HTTP 406") as caught:
        info(indusface, date=LAST)
    assert "user_agent" in caught.value.hint
    with client_of(indusface, user_agent="Mozilla/5.0 (X11)") as client:
        assert len(client.scan_logs(DAY).rows) == 2


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "30"}])
def test_throttling_is_obeyed(indusface: Sandbox, headers: dict[str, str]) -> None:
    indusface.faults.add(kind="status", status=429, headers=headers)
    bent = BentTime(indusface)
    assert info(indusface, bent=bent, date=LAST).values["total"] == 2
    assert (sum(bent.waits) >= 30) == bool(headers)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_passing_faults_pass_and_lasting_ones_do_not(indusface: Sandbox, status: int) -> None:
    indusface.faults.add(kind="status", status=status, times=2)
    assert info(indusface, date=LAST).values["total"] == 2
    indusface.faults.add(kind="status", status=status, times=-1)
    with pytest.raises(ServerFault, match=f"HTTP {status}"):
        info(indusface, date=LAST)


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "reset_mid_body"}, {"kind": "trickle", "delay_ms": 1}])
def test_a_connection_that_breaks_is_tried_again(indusface: Sandbox, fault: dict[str, Any]) -> None:
    indusface.faults.add(fault)
    assert info(indusface, date=LAST).values["total"] == 2


def test_half_a_document_is_told_with_its_position(indusface: Sandbox) -> None:
    indusface.faults.add(kind="truncated_json")
    with pytest.raises(BadResponse, match=r"character \d+"):
        info(indusface, date=LAST)
