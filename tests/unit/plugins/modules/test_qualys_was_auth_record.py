# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of authentication records, with Ansible's own handling of arguments, results and secrets."""

from __future__ import annotations

import html
from typing import Any

import pytest

from tests.sandbox import Sandbox

from ..module_utils.auth_record_kit import CANARY, HARD, PEM, PEM_CANARIES, RECORDS, SCRIPT, stored_secrets
from ..module_utils.qualys_kit import Ran, run_module

ONE, MANY, INFO = "qualys_was_auth_record", "qualys_was_auth_records", "qualys_was_auth_record_info"


def ran(module: str, sandbox: Sandbox, /, **options: Any) -> Ran:
    found = run_module(module, sandbox, **options)
    assert CANARY not in found.printed
    assert not [line for line in PEM_CANARIES if line in found.printed]
    assert "Did not set no_log" not in found.printed
    assert not found.result.get("warnings")
    return found


@pytest.mark.parametrize("kind", RECORDS)
def test_no_secret_is_printed_whatever_happens(empty: Sandbox, kind: str) -> None:
    for options in ({"check": True, "diff": True}, {"diff": True}, {}, {"update_secret": "always", "diff": True}):
        done = ran(ONE, empty, name="x", verbosity=3, **RECORDS[kind], **options)
        assert not done.failed, done.msg
        assert done.result["auth_record"]["name"] == "x"
        assert ("diff" in done.result) == ("diff" in options)
    assert done.result["changed"] == (kind != "form vault")
    assert not ran(INFO, empty, detail="full", verbosity=3).failed


@pytest.mark.parametrize("kind", [kind for kind in RECORDS if kind != "form vault"])
def test_no_secret_is_printed_when_the_vendor_quotes_it(empty: Sandbox, kind: str) -> None:
    held = [secret for secret in (HARD, PEM, SCRIPT["data"]) if repr(secret) in repr(RECORDS[kind])]
    for message in (*held, *("pad " * count + held[0] for count in range(68, 76)), html.escape(held[0])):
        refusal = {"kind": "response_code", "code": "INVALID_REQUEST", "message": f"Bad: {message}"}
        empty.faults.add({**refusal, "match": {"route": "/create/"}})
        done = ran(ONE, empty, name="y", verbosity=3, **RECORDS[kind])
        assert done.failed
        assert "INVALID_REQUEST: Bad: " in done.msg


def test_everything_of_a_record_goes_through_ansible_unharmed(empty: Sandbox) -> None:
    for kind, options in RECORDS.items():
        assert not ran(ONE, empty, name=kind, **options).failed
    stored = {record["name"]: stored_secrets(record) for record in empty.qualys.auth_records.values()}
    assert stored["form standard"]["form.password"] == HARD
    assert stored["form selenium"]["script"] == SCRIPT["data"]
    assert stored["server certificate"]["certificate.contents"] == PEM
    assert stored["oauth2 password"] == {"password": HARD, "clientSecret": HARD}


def test_an_empty_mapping_clears_and_an_option_that_is_not_given_does_not(empty: Sandbox) -> None:
    ran(ONE, empty, name="x", **RECORDS["form and server"])
    done = ran(ONE, empty, name="x", form={})
    assert (done.result["auth_record"]["form"], done.result["auth_record"]["server"] is None) == (None, False)
    assert not ran(ONE, empty, name="x", form={}).result["changed"]
    done = ran(ONE, empty, name="x", server={"certificate": {}})
    assert done.result["auth_record"]["server"]["certificate"] is None
    assert ran(ONE, empty, name="x", oauth2=RECORDS["oauth2 client"]["oauth2"]).result["changed"]


def test_many_at_once(empty: Sandbox) -> None:
    wanted = [{"name": kind, **options} for kind, options in RECORDS.items()]
    assert ran(MANY, empty, auth_records=wanted, check=True, diff=True).result["changed"]
    done = ran(MANY, empty, auth_records=wanted, diff=True, verbosity=3)
    assert (done.failed, len(done.result["results"])) == (False, len(RECORDS))
    assert not ran(MANY, empty, auth_records=wanted).result["changed"]
    gone = ran(MANY, empty, state="absent", filters=[{"field": "contents", "value": "CERTIFICATE"}], max_deletes=9)
    assert {record["name"] for record in gone.result["deleted"]} == {
        *("Client certificate", "server certificate", "form and server"),
    }


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (ONE, {}, "one of the following is required: id, name"),
        (ONE, {"name": "x", "form": {"type": "OTHER"}}, "form.type: 'OTHER' is not one of STANDARD, CUSTOM, SELENIUM."),
        (ONE, {"name": "x", "form": {"fields": [{"value": HARD}]}}, "missing required arguments: name"),
        (ONE, {"name": "x", "oauth2": {"client": HARD}}, "Unsupported parameters"),
        (ONE, {"name": "x", "update_secret": "never"}, "value of update_secret must be one of: on_create, always"),
        (ONE, {"name": "x", "server": {"certificate": {"name": "c", "contents": HARD}}}, "is not PEM"),
        (MANY, {"ids": [1], "filters": []}, "mutually exclusive"),
        (MANY, {"auth_records": [], "prune": True}, "missing: prune_filters, max_deletes"),
        (INFO, {"id": 1, "limit": 2}, "mutually exclusive"),
        (INFO, {"detail": "verbose"}, "value of detail must be one of: summary, full"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_wrong_arguments_are_told(empty: Sandbox, name: str, options: dict[str, Any], message: str) -> None:
    done = run_module(name, empty, **options)
    assert done.failed
    assert message in done.msg
    assert empty.counters.writes == 0


def login(*, secured: bool | None = None, name: str = "account", value: str = "shop") -> dict[str, Any]:
    """A form whose password is the canary."""
    field = {"name": name, "value": value} | ({} if secured is None else {"secured": secured})
    return {"form": {"type": "CUSTOM", "fields": [field, {"name": "password", "value": CANARY, "secured": True}]}}


@pytest.mark.parametrize("secured", [None, False])
def test_a_form_value_that_is_not_secured_is_readable_and_masks_nothing_else(
    empty: Sandbox, secured: bool | None
) -> None:
    single = ran(ONE, empty, name="shop login", verbosity=3, diff=True, **login(secured=secured))
    assert single.result["auth_record"]["name"] == "shop login"
    assert single.result["auth_record"]["form"]["fields"][0]["value"] == "shop"
    assert single.result["invocation"]["module_args"]["form"]["fields"][0]["value"] == "shop"
    wanted = [{"name": "shop login 2", **login(secured=secured)}]
    many = ran(MANY, empty, auth_records=wanted, verbosity=3, diff=True)
    assert many.result["results"][0]["name"] == "shop login 2"
    assert "shop" in many.result["plan"]["create"][0]


@pytest.mark.parametrize(
    "form",
    [
        login(secured=True, value="kiosk"),
        login(name="pin", value="kiosk"),
        login(name="api_key", value="kiosk"),
        # A secret in one place is one in every place.
        {"form": {"type": "CUSTOM", "fields": [{"name": "a", "value": "kiosk"}, {"name": "pwd", "value": "kiosk"}]}},
        login(value="kiosk") | {"server": {"fields": [{"type": "BASIC", "username": "u", "password": "kiosk"}]}},
    ],
)
def test_a_value_that_is_a_secret_anywhere_is_masked_everywhere(empty: Sandbox, form: dict[str, Any]) -> None:
    for done in (
        run_module(ONE, empty, name="the kiosk", verbosity=3, diff=True, **form),
        run_module(MANY, empty, auth_records=[{"name": "the kiosk 2", **form}], verbosity=3, diff=True),
    ):
        assert "kiosk" not in done.printed


def test_the_password_of_the_connection_stays_masked_when_a_form_value_is_the_same(empty: Sandbox) -> None:
    done = run_module(ONE, empty, name="x", verbosity=3, **login(value=empty.password))
    assert empty.password not in done.printed
