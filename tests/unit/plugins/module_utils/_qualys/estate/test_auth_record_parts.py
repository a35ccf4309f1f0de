# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not seen at a whole record: odd answers of Qualys, kinds of PEM, names of secrets, bodies of requests."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import AUTH_RECORD
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_desired import (
    Secrets,
    check_pem,
    desired_oauth2,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_fields import from_raw
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_parts import is_secret_name
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_write import write_data
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.plan import plan_present
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER

from ...auth_record_kit import HARD, PEM, pem, record_entry

ENCRYPTED = """-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,00FF

TUlJ
Q2Fu
-----END RSA PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    "contents",
    [
        PEM,
        PEM.replace("\n", "\r\n"),
        f"Bag Attributes\n  friendlyName: x\n{pem()}",
        ENCRYPTED,
        "-----BEGIN CERTIFICATE-----\nTUlJ-----END CERTIFICATE-----",
        None,
        MARKER,
    ],
)
def test_every_form_of_pem_is_taken(contents: str | None) -> None:
    check_pem(contents)


@pytest.mark.parametrize("name", ["password", "Passwd", "userPass", "pwd", "api_key", "PIN", "authToken", "secret_q"])
def test_names_that_look_like_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["username", "tenant", "opinion", "region", "email", "key"])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"formRecord": {}, "serverRecord": {}, "oauth2Record": {}},
        {
            "formRecord": {"type": "NONE"},
            "serverRecord": {"fields": {"count": 0}},
            "oauth2Record": {"grantType": "NONE"},
        },
        {"formRecord": None, "serverRecord": "x", "oauth2Record": []},
        {"serverRecord": {"sslOnly": "true", "certificate": {}, "fields": {"list": ["x"]}}},
    ],
)
def test_parts_that_are_none(raw: dict[str, Any]) -> None:
    record = from_raw(raw)
    assert [record[name] for name in ("form", "server", "oauth2")] == [None, None, None]


def test_answers_that_lack_members_are_read() -> None:
    record = from_raw(
        {
            "id": "7",
            "formRecord": {"type": "SELENIUM", "seleniumScript": {"name": "s"}, "fields": {"list": [{"name": "pin"}]}},
            "serverRecord": {
                "authVault": "true",
                "certificate": {"name": "c"},
                "fields": {"list": [{"WebAppAuthServerRecordField": {"type": "NTLM"}}]},
            },
            "oauth2Record": {"grantType": "PASSWORD"},
        }
    )
    assert record["id"] == 7
    assert record["form"]["selenium_script"] == {"name": "s", "data": MARKER, "regex": None}
    assert record["form"]["fields"] == [{"name": "pin", "value": MARKER, "secured": False}]
    assert record["server"]["certificate"] == {"name": "c", "contents": MARKER, "passphrase": None}
    assert record["server"]["fields"] == [{"type": "NTLM", "domain": None, "username": None, "password": None}]
    assert (record["oauth2"]["password"], record["oauth2"]["client_secret"]) == (MARKER, None)


def test_a_grant_that_is_not_known_here_is_left_to_the_vendor() -> None:
    present = from_raw({"oauth2Record": {"grantType": "DEVICE_CODE", "clientId": "c"}})["oauth2"]
    after = desired_oauth2({"scope": "x"}, present, Secrets(always=False))
    assert after is not None
    assert (after["grant_type"], after["client_id"], after["scope"]) == ("DEVICE_CODE", "c", "x")


def bodies(before: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The element that is sent for an update from one raw record."""
    present = from_raw({"id": 1, "name": "n", **before})
    written = record_entry(id=1, **options)
    given = {name: written[name] for name in options if name != "update_secret"}
    ready = AUTH_RECORD.prepare(written, given, present)
    plan = plan_present(AUTH_RECORD.fields, "x", ready.before, ready.options)
    sent: Any = write_data(plan, None)["WebAppAuthRecord"]
    return dict(sent)


FORM = {
    "type": "CUSTOM",
    "sslOnly": "true",
    "fields": {"list": [{"name": "user", "value": "bob"}, {"name": "otp", "secured": "true", "value": "*****"}]},
}
SERVER = {"fields": {"list": [{"type": "BASIC", "username": "u", "password": "*****", "domain": "d"}]}}


def test_a_field_whose_secret_is_not_known_is_never_set() -> None:
    item = "WebAppAuthFormRecordField"
    sent = bodies({"formRecord": FORM}, form={"fields": [{"name": "otp"}, {"name": "new", "value": "v"}]})
    assert sent["formRecord"]["fields"] == {
        "add": {item: [{"name": "new", "secured": False, "value": "v"}]},
        "remove": {item: [{"name": "user"}]},
    }
    sent = bodies({"formRecord": FORM}, form={"fields": [{"name": "user", "value": "eve"}, {"name": "otp"}]})
    assert sent["formRecord"]["fields"] == {"update": {item: [{"name": "user", "secured": False, "value": "eve"}]}}


def test_what_qualys_returns_for_a_secret_is_never_sent_back() -> None:
    raw = {"formRecord": FORM, "serverRecord": SERVER, "oauth2Record": {"grantType": "NONE"}}
    for options in ({"form": {"ssl_only": False}}, {"server": {"ssl_only": True}}, {"form": {"auth_vault": True}}):
        assert "*****" not in str(bodies(raw, **options))
    oauth2 = {"grantType": "CLIENT_CREDS", "accessTokenUrl": "u", "clientId": "c", "clientSecret": "*****"}
    sent = bodies({"oauth2Record": oauth2}, oauth2={"scope": "s"})
    assert sent == {
        "oauth2Record": {"grantType": "CLIENT_CREDS", "accessTokenUrl": "u", "clientId": "c", "scope": "s"},
    }


def test_a_part_is_cleared_with_the_word_of_the_vendor_or_by_its_members() -> None:
    assert bodies({"formRecord": FORM}, form={}) == {"formRecord": {"type": "NONE"}}
    assert bodies({"oauth2Record": {"grantType": "IMPLICIT"}}, oauth2={}) == {"oauth2Record": {"grantType": "NONE"}}
    gone = {"fields": {"remove": {"WebAppAuthServerRecordField": [{"type": "BASIC"}]}}}
    assert bodies({"serverRecord": SERVER}, server={}) == {"serverRecord": gone}
    assert bodies({"serverRecord": SERVER}, server={"fields": []}) == {"serverRecord": gone}
    certificate = {"serverRecord": {"certificate": {"name": "c"}}}
    assert bodies(certificate, server={}) == {"serverRecord": {"certificate": None}}


def test_a_domain_is_cleared_with_an_empty_element() -> None:
    sent = bodies({"serverRecord": SERVER}, server={"fields": [{"type": "BASIC", "domain": ""}]})
    (field,) = sent["serverRecord"]["fields"]["update"]["WebAppAuthServerRecordField"]
    assert field == {"type": "BASIC", "username": "u", "domain": None}


def test_a_passphrase_that_is_to_go_is_not_compared() -> None:
    raw = {"serverRecord": {"certificate": {"name": "c", "passphrase": "*****"}}}
    secrets = AUTH_RECORD.prepare(
        record_entry(id=1, server={"certificate": {"passphrase": ""}}),
        {"server": {"certificate": {"passphrase": ""}}},
        from_raw(raw),
    ).values
    assert secrets == {"secrets_not_compared": ["server.certificate.passphrase"]}
    contents = {"contents": PEM, "passphrase": ""}
    sent = bodies(raw, server={"certificate": contents}, update_secret="always")
    assert sent["serverRecord"]["certificate"] == {"name": "c", "contents": PEM}


def test_a_marker_that_would_be_written_is_refused() -> None:
    with pytest.raises(OptionError, match="is not a secret"):
        bodies({"formRecord": FORM}, form={"fields": [{"name": "user"}, {"name": "pin", "value": MARKER}]})
    assert HARD not in str(bodies({"formRecord": FORM}, form={"ssl_only": False}))
