# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of authentication records: written when they have to be, never lost, never compared, never shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER

from ...auth_record_kit import HARD, NEW, PEM, RECORDS, SCRIPT, Records, all_modes, kinds, pem, secret_modes

ONE_FIELD: dict[str, tuple[dict[str, Any], ...]] = {
    "form": ({"form": {"ssl_only": True, "auth_vault": True}}, {"comments": ["x"]}, {"name": "renamed"}),
    "server": ({"server": {"ssl_only": True, "auth_vault": True}}, {"tags": ["uat"]}),
    "oauth2": (
        {"oauth2": {"redirect_url": "https://other.test/"}},
        {"oauth2": {"access_token_url": "https://o.test/"}},
    ),
}


def _one_field(kind: str) -> list[dict[str, Any]]:
    words = kind.split()
    found = [item for part in ONE_FIELD if part in words for item in ONE_FIELD[part]]
    lacking = {
        "oauth2 implicit": "access_token_url",
        "oauth2 password": "redirect_url",
        "oauth2 client": "redirect_url",
    }
    return [item for item in found if lacking.get(kind, "-") not in item.get("oauth2", {})]


@all_modes
@pytest.mark.parametrize("merging", ["merge", "replace"])
@kinds
def test_an_update_of_one_thing_keeps_every_secret_or_fails(
    records: Records, kind: str, merging: str, mode: str
) -> None:
    records.sandbox.switches.update({"secret_read_mode": mode, "object_update": merging})
    for options in _one_field(kind):
        key = records(name=NEW, **RECORDS[kind]).values["auth_record"]["id"]
        before = records.secrets(key)
        try:
            assert records(id=key, **options).changed or kind == "form vault"
            refused = False
        except VendorError as error:
            # Where Qualys forgets what is left out, what cannot be written along is refused by it, or missed by us.
            refused = "removed secrets" in error.message or error.code in ("CANNOT_BE_NULL", "INVALID_REQUEST")
        # Nobody could tell this one: Qualys neither keeps it nor ever says whether there is one.
        unseen = {"clientSecret"} if (merging, mode) == ("replace", "absent") else set()
        after = records.secrets(key)
        kept = {name for name, value in before.items() if after.get(name) == value}
        assert kept | unseen >= set(before) or (refused and merging == "replace")
        records(id=key, state="absent")


@all_modes
@kinds
def test_secrets_that_differ_are_named_and_not_compared(records: Records, kind: str, mode: str) -> None:
    records.sandbox.switches["secret_read_mode"] = mode
    key = records(name=NEW, **RECORDS[kind]).values["auth_record"]["id"]
    before = records.secrets(key)
    other = _with_other_secrets(RECORDS[kind])
    again = records(id=key, **other)
    assert (again.changed, records.writes) == (False, 0)
    assert records.secrets(key) == before
    assert again.values["secrets_not_compared"] == NAMED[kind]


@secret_modes
@kinds
def test_always_writes_the_secrets_each_time(records: Records, kind: str, mode: str) -> None:
    records.sandbox.switches["secret_read_mode"] = mode
    key = records(name=NEW, **RECORDS[kind]).values["auth_record"]["id"]
    before = records.secrets(key)
    other = _with_other_secrets(RECORDS[kind])
    for _time in range(2):
        assert records(check=True, id=key, update_secret="always", **other).changed == bool(NAMED[kind])
        done = records(id=key, update_secret="always", **other)
        assert (done.changed, records.writes) == (bool(NAMED[kind]), int(bool(NAMED[kind])))
        assert done.values["secrets_not_compared"] == []
    expected = {name: f"{value}!" if value == HARD or value == f"{HARD}2" else value for name, value in before.items()}
    expected |= {name: value + "<!-- x -->" for name, value in before.items() if name == "script"}
    expected |= {name: value + pem() for name, value in before.items() if name == "certificate.contents"}
    assert records.secrets(key) == expected


NAMED = {
    "form standard": ["form.fields[password].value"],
    "form custom": ["form.fields[answer].value", "form.fields[passwd].value"],
    "form selenium": ["form.selenium_script.data", "form.fields[password].value"],
    "form vault": [],
    "server basic": ["server.fields[BASIC].password"],
    "server mixed": ["server.fields[DIGEST].password", "server.fields[NTLM].password"],
    "server certificate": ["server.certificate.contents", "server.certificate.passphrase"],
    "form and server": [
        "form.fields[password].value",
        "server.certificate.contents",
        "server.fields[NTLM].password",
    ],
    "oauth2 code": ["oauth2.selenium_script.data", "oauth2.client_secret"],
    "oauth2 implicit": ["oauth2.selenium_script.data"],
    "oauth2 password": ["oauth2.password", "oauth2.client_secret"],
    "oauth2 client": ["oauth2.client_secret"],
}


def _with_other_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_other_secrets(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_other_secrets(item) for item in value]
    if value in (HARD, f"{HARD}2"):
        return f"{value}!"
    return {SCRIPT["data"]: SCRIPT["data"] + "<!-- x -->", PEM: PEM + pem()}.get(value, value)


def test_only_the_members_that_are_given_are_written_with_always(records: Records) -> None:
    key = records(name=NEW, **RECORDS["oauth2 password"]).values["auth_record"]["id"]
    records(id=key, oauth2={"password": "kanarienvogel 2"}, update_secret="always")
    assert records.secrets(key) == {"password": "kanarienvogel 2", "clientSecret": HARD}


@pytest.mark.parametrize(
    ("kind", "options", "needed"),
    [
        ("form selenium", {"form": {"selenium_script": {"name": "other"}}}, "form.selenium_script.data is required"),
        (
            "form standard",
            {"form": {"type": "CUSTOM"}},
            r"form.fields\[password\].value is required: changing the type replaces",
        ),
        ("form standard", {"form": {"type": "SELENIUM"}}, "form.selenium_script is required"),
        (
            "form custom",
            {"form": {"fields": [{"name": "answer", "secured": False}]}},
            "value is required: the field was a secret",
        ),
        ("server certificate", {"server": {"certificate": {"name": "b"}}}, "certificate.contents is required"),
        (
            "server certificate",
            {"server": {"certificate": {"name": "b", "contents": PEM}}},
            "certificate.passphrase is required.*would be lost",
        ),
        (
            "server certificate",
            {"server": {"certificate": {"passphrase": "x"}}, "update_secret": "always"},
            "certificate.contents is required",
        ),
        (
            "oauth2 password",
            {"oauth2": {"grant_type": "CLIENT_CREDS"}},
            "oauth2.client_secret is required.*would be lost",
        ),
        ("oauth2 code", {"oauth2": {"grant_type": "IMPLICIT"}}, "oauth2.selenium_script is required.*would be lost"),
        (
            "oauth2 client",
            {"oauth2": {"grant_type": "PASSWORD", "client_secret": "x"}},
            "requires username and password",
        ),
        (
            "oauth2 client",
            {"oauth2": {"client_secret": MARKER}, "update_secret": "always"},
            "client_secret: VALUE_REDACTED is not a secret",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_would_lose_a_secret_is_refused(records: Records, kind: str, options: dict[str, Any], needed: str) -> None:
    key = records(name=NEW, **RECORDS[kind]).values["auth_record"]["id"]
    before = records.secrets(key)
    with pytest.raises(OptionError, match=needed):
        records(id=key, **options)
    assert (records.writes, records.secrets(key)) == (0, before)


def test_a_secret_that_is_gone_after_an_update_is_told(records: Records) -> None:
    key = records(name=NEW, **RECORDS["server certificate"]).values["auth_record"]["id"]
    records.sandbox.switches["object_update"] = "replace"
    with pytest.raises(VendorError, match=r"removed secrets .*server\.certificate\.contents") as caught:
        records(id=key, server={"ssl_only": True})
    assert "update_secret: always" in caught.value.hint


def test_a_field_that_becomes_secured_is_hidden_on_both_sides_of_the_diff(records: Records) -> None:
    fields = [{"name": "answer", "value": "forty-two", "secured": False}]
    key = records(name=NEW, form={"type": "CUSTOM", "fields": fields}).values["auth_record"]["id"]
    done = records(id=key, form={"fields": [{"name": "answer", "secured": True}]})
    assert "forty-two" not in str(done)
    assert records.secrets(key) == {"form.answer": "forty-two"}


@pytest.mark.parametrize("kind", ["form custom", "server basic", "oauth2 code", "oauth2 password", "oauth2 client"])
def test_a_refusal_that_quotes_what_qualys_gave_back_is_cleaned(records: Records, kind: str) -> None:
    """Qualys may give a secret back in clear; no option holds it, and a message of the vendor may repeat it."""
    key = records(name=NEW, **RECORDS[kind]).values["auth_record"]["id"]
    assert HARD in records.secrets(key).values()
    said = {"code": "INVALID_REQUEST", "message": f"Not {HARD}", "resolution": HARD}
    records.sandbox.faults.add(kind="response_code", match={"route": "/update/"}, **said)
    with pytest.raises(VendorError, match=f"INVALID_REQUEST.*{MARKER}"):
        records(id=key, comments=["x"])
