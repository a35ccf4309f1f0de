# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication records: create, update, delete, secrets (docs/vendors/qualys_was.md 10)."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.qualys.seed import PEM
from tests.unit.sandbox.client import Client

ROUTE = "webappauthrecord"
ODD = "p\"'&<w>]]> True False é 日本\ttab\nline  "
SCRIPT = {"name": "login.html", "data": "<html>@@authusername@@ ]]></html>", "regex": "Log ?out"}
LOGIN = [
    {"name": "username", "value": "bob"},
    {"name": "password", "value": ODD, "secured": True},
]


def form(*fields: dict[str, Any], kind: str = "STANDARD", **more: Any) -> dict[str, Any]:
    chosen = list(fields or LOGIN)
    return {"type": kind, "fields": {"set": {"WebAppAuthFormRecordField": chosen}}, **more}


def server(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"fields": {"set": {"WebAppAuthServerRecordField": list(fields)}}, **more}


def field(kind: str, word: str = "w") -> dict[str, Any]:
    return {"type": kind, "username": "svc", "password": word}


def make(client: Client, **fields: Any) -> dict[str, Any]:
    reply = client.json("POST", f"/create/was/{ROUTE}", {"data": {"WebAppAuthRecord": {"name": "n", **fields}}})
    assert reply["responseCode"] == "SUCCESS", reply
    return dict(reply["data"][0]["WebAppAuthRecord"])


def change(client: Client, key: int, **fields: Any) -> dict[str, Any]:
    return client.json("POST", f"/update/was/{ROUTE}/{key}", {"data": {"WebAppAuthRecord": fields}})


def read(client: Client, key: int) -> dict[str, Any]:
    return client.get(key, ROUTE, "WebAppAuthRecord")


def test_form_create_keeps_secrets_byte_for_byte_in_both_formats(client: Client, sandbox: Sandbox) -> None:
    first = make(client, formRecord=form(sslOnly=True))
    xml = f"""<ServiceRequest><data><WebAppAuthRecord><name>x</name><formRecord><type>STANDARD</type><fields><set>
      <WebAppAuthFormRecordField><name>username</name><value>bob</value></WebAppAuthFormRecordField>
      <WebAppAuthFormRecordField><name>password</name><secured>true</secured><value>{escape(ODD)}</value>
      </WebAppAuthFormRecordField></set></fields></formRecord></WebAppAuthRecord></data></ServiceRequest>"""
    root = client.xml("POST", f"/create/was/{ROUTE}", xml)
    second = int(root.findtext("data/WebAppAuthRecord/id") or 0)
    for key in (first["id"], second):
        stored = sandbox.qualys.auth_records[key]["formRecord"]["fields"]
        assert [item["value"] for item in stored] == ["bob", ODD]
        assert [item["secured"] for item in stored] == [False, True]
    assert first["formRecord"]["sslOnly"] == "true"
    shown = [item["WebAppAuthFormRecordField"].get("value") for item in first["formRecord"]["fields"]["list"]]
    assert shown == ["bob", "********"]
    assert sandbox.counters.writes_applied == 2


def test_every_kind_is_created_and_found_by_contents(client: Client, sandbox: Sandbox) -> None:
    urls = {"redirectUrl": "https://a.test/cb", "accessTokenUrl": "https://a.test/token"}
    kinds: dict[str, dict[str, Any]] = {
        "FORM_CUSTOM": {"formRecord": form({"name": "pin", "value": "1"}, kind="CUSTOM")},
        "FORM_SELENIUM": {"formRecord": {"type": "SELENIUM", "seleniumScript": SCRIPT, "seleniumCreds": True}},
        "SERVER_NTLM": {"serverRecord": server({**field("NTLM"), "domain": "CORP"}, field("BASIC"))},
        "SERVER_DIGEST": {"serverRecord": server(field("DIGEST"))},
        "CERTIFICATE": {"serverRecord": {"certificate": {"name": "c", "contents": PEM, "passphrase": ODD}}},
        "OAUTH2_AUTH_CODE": {"oauth2Record": {"grantType": "AUTH_CODE", "seleniumScript": SCRIPT, **urls}},
        "OAUTH2_IMPLICIT": {
            "oauth2Record": {"grantType": "IMPLICIT", "seleniumScript": SCRIPT, "redirectUrl": "https://a.test/cb"}
        },
        "OAUTH2_PASSWORD": {
            "oauth2Record": {
                "grantType": "PASSWORD",
                "accessTokenUrl": "https://a.test/t",
                "username": "u",
                "password": ODD,
            }
        },
        "OAUTH2_CLIENT_CREDS": {
            "oauth2Record": {"grantType": "CLIENT_CREDS", "accessTokenUrl": "https://a.test/t", "clientSecret": ODD}
        },
    }
    for contents, fields in kinds.items():
        before = client.count(ROUTE, ("contents", "EQUALS", contents))
        made = make(client, **fields)
        assert client.count(ROUTE, ("contents", "EQUALS", contents)) == before + 1, contents
        assert client.count(ROUTE, ("id", "EQUALS", made["id"]), ("isUsed", "EQUALS", "false")) == 1
        assert client.count(ROUTE, ("id", "EQUALS", made["id"]), ("lastScan.authStatus", "EQUALS", "NONE")) == 1
    stored = sandbox.qualys.auth_records
    last = stored.ids[-1]
    assert stored[last]["oauth2Record"]["clientSecret"] == ODD
    assert stored[last - 4]["serverRecord"]["certificate"] == {"name": "c", "contents": PEM, "passphrase": ODD}
    assert read(client, stored.ids[-8])["formRecord"]["seleniumScript"] == SCRIPT


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "INVALID_REQUEST"),
        ({"name": "", "formRecord": form()}, "CANNOT_BE_NULL"),
        ({"formRecord": form(LOGIN[0])}, "CANNOT_BE_NULL"),
        ({"formRecord": form(*LOGIN, {"name": "pin", "value": "1"})}, "INVALID_REQUEST"),
        ({"formRecord": form({"name": "pin"}, kind="CUSTOM")}, "CANNOT_BE_NULL"),
        ({"formRecord": {"type": "CUSTOM"}}, "CANNOT_BE_NULL"),
        ({"formRecord": {"type": "SELENIUM"}}, "CANNOT_BE_NULL"),
        ({"formRecord": {"type": "SELENIUM", "seleniumScript": {"name": "a", "data": "b"}}}, "CANNOT_BE_NULL"),
        ({"formRecord": form(seleniumScript=SCRIPT)}, "INVALID_REQUEST"),
        ({"formRecord": form(kind="MAGIC")}, "INVALID_REQUEST"),
        ({"formRecord": {"type": "NONE", "sslOnly": True}}, "INVALID_REQUEST"),
        ({"formRecord": {"type": "NONE"}}, "INVALID_REQUEST"),
        ({"formRecord": form({"id": 5, **LOGIN[0]}, LOGIN[1])}, "INVALID_REQUEST"),
        ({"serverRecord": server({"username": "a", "password": "b"})}, "CANNOT_BE_NULL"),
        ({"serverRecord": server({"type": "BASIC", "username": "a"})}, "CANNOT_BE_NULL"),
        ({"serverRecord": server(field("KERBEROS"))}, "INVALID_REQUEST"),
        ({"serverRecord": {"type": "BASIC", "username": "a"}}, "INVALID_REQUEST"),
        ({"serverRecord": {"certificate": {"name": "c", "contents": "not PEM"}}}, "INVALID_REQUEST"),
        ({"serverRecord": {"certificate": {"name": "c", "contents": PEM[:-30]}}}, "INVALID_REQUEST"),
        ({"oauth2Record": {"grantType": "AUTH_CODE", "seleniumScript": SCRIPT}}, "CANNOT_BE_NULL"),
        ({"oauth2Record": {"grantType": "PASSWORD", "accessTokenUrl": "x", "username": "u"}}, "CANNOT_BE_NULL"),
        (
            {"oauth2Record": {"grantType": "CLIENT_CREDS", "accessTokenUrl": "x", "redirectUrl": "y"}},
            "INVALID_REQUEST",
        ),
        (
            {"formRecord": form(), "oauth2Record": {"grantType": "CLIENT_CREDS", "accessTokenUrl": "x"}},
            "INVALID_REQUEST",
        ),
        ({"formRecord": form(), "comments": "text"}, "INVALID_REQUEST"),
        ({"formRecord": form(), "comments": {"remove": {"Comment": {"contents": "x"}}}}, "INVALID_REQUEST"),
        ({"formRecord": form(), "tags": {"set": {"Tag": {"id": 1}}}}, "INVALID_REQUEST"),
        ({"formRecord": form(), "createdDate": "2026-01-01T00:00:00Z"}, "INVALID_REQUEST"),
    ],
)
def test_create_refuses(client: Client, sandbox: Sandbox, fields: dict[str, Any], expected: str) -> None:
    before = len(sandbox.qualys.auth_records)
    reply = client.json("POST", f"/create/was/{ROUTE}", {"data": {"WebAppAuthRecord": {"name": "n", **fields}}})
    assert reply["responseCode"] == expected, reply
    assert len(sandbox.qualys.auth_records) == before
    assert sandbox.counters.writes_applied == 0


def test_update_of_one_thing_leaves_the_secret(client: Client, sandbox: Sandbox) -> None:
    key = make(client, formRecord=form(), tags={"set": {"Tag": {"id": sandbox.qualys.tags.ids[1]}}})["id"]
    record = sandbox.qualys.auth_records[key]
    field_ids = [item["id"] for item in record["formRecord"]["fields"]]
    update = {"update": {"WebAppAuthFormRecordField": {"name": "username", "value": "eve"}}}
    reply = change(client, key, name="renamed", formRecord={"type": "STANDARD", "fields": update})
    assert reply["data"] == [{"WebAppAuthRecord": {"id": key}}]
    assert [item["value"] for item in record["formRecord"]["fields"]] == ["eve", ODD]
    assert [item["id"] for item in record["formRecord"]["fields"]] == field_ids
    change(client, key, formRecord={"sslOnly": True})
    assert record["formRecord"]["fields"][1]["value"] == ODD
    assert record["tags"] == [sandbox.qualys.tags.ids[1]]
    assert change(client, key, formRecord=form(LOGIN[0], {"name": "password"}))["responseCode"] == "CANNOT_BE_NULL"


def test_field_operations_by_name_and_by_type(client: Client, sandbox: Sandbox) -> None:
    key = make(client, formRecord=form({"name": "a", "value": "1"}, {"name": "b", "value": "2"}, kind="CUSTOM"))["id"]
    record = sandbox.qualys.auth_records[key]
    operations = {
        "add": {"WebAppAuthFormRecordField": {"name": "c", "value": "3"}},
        "remove": {"WebAppAuthFormRecordField": {"name": "a"}},
    }
    assert change(client, key, formRecord={"type": "CUSTOM", "fields": operations})["responseCode"] == "SUCCESS"
    assert [item["name"] for item in record["formRecord"]["fields"]] == ["b", "c"]
    change(client, key, serverRecord=server(field("BASIC", "one"), {**field("NTLM", "two"), "domain": "D"}))
    update = {"update": {"WebAppAuthServerRecordField": {"type": "NTLM", "username": "other"}}}
    change(client, key, serverRecord={"fields": update})
    entries = record["serverRecord"]["fields"]
    assert [(item["type"], item["username"], item["password"]) for item in entries] == [
        ("BASIC", "svc", "one"),
        ("NTLM", "other", "two"),
    ]
    assert client.count(ROUTE, ("id", "EQUALS", key), ("contents", "IN", "FORM_CUSTOM,SERVER_BASIC")) == 1
    sandbox.switches["server_domain"] = "ntlm_only"
    bad = change(client, key, serverRecord=server({**field("BASIC"), "domain": "D"}))
    assert bad["responseCode"] == "INVALID_REQUEST"


def test_replace_drops_what_is_left_out(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["object_update"] = "replace"
    key = make(client, formRecord=form(sslOnly=True))["id"]
    assert change(client, key, formRecord={"sslOnly": True})["responseCode"] == "CANNOT_BE_NULL"
    assert change(client, key, formRecord={"type": "STANDARD"})["responseCode"] == "CANNOT_BE_NULL"
    assert change(client, key, formRecord=form())["responseCode"] == "SUCCESS"
    assert sandbox.qualys.auth_records[key]["formRecord"]["sslOnly"] is False


def test_form_and_oauth2_exclude_each_other(client: Client, sandbox: Sandbox) -> None:
    grant = {"grantType": "CLIENT_CREDS", "accessTokenUrl": "https://a.test/t", "clientSecret": "s"}
    key = make(client, formRecord=form())["id"]
    record = sandbox.qualys.auth_records[key]
    assert change(client, key, oauth2Record=grant)["responseCode"] == "INVALID_REQUEST"
    assert change(client, key, formRecord={"type": "NONE"}, oauth2Record=grant)["responseCode"] == "SUCCESS"
    assert "formRecord" not in record
    assert change(client, key, formRecord=form())["responseCode"] == "INVALID_REQUEST"
    assert change(client, key, formRecord=form(), oauth2Record={"grantType": "NONE"})["responseCode"] == "SUCCESS"
    assert "oauth2Record" not in record
    sandbox.switches["form_oauth2_swap"] = "replaces"
    assert change(client, key, oauth2Record=grant)["responseCode"] == "SUCCESS"
    assert "formRecord" not in record
    change(client, key, oauth2Record={"scope": "openid"})
    assert record["oauth2Record"]["clientSecret"] == "s"
    sandbox.switches["secret_read_mode"] = "masked"
    assert read(client, key)["oauth2Record"]["clientSecret"] == "********"
    sandbox.switches["secret_read_mode"] = "absent"
    assert "clientSecret" not in read(client, key)["oauth2Record"]


def test_selenium_to_standard_drops_the_script(client: Client, sandbox: Sandbox) -> None:
    key = make(client, formRecord={"type": "SELENIUM", "seleniumScript": SCRIPT, "seleniumCreds": True})["id"]
    assert change(client, key, formRecord=form())["responseCode"] == "SUCCESS"
    assert "seleniumScript" not in sandbox.qualys.auth_records[key]["formRecord"]


def test_vault_needs_no_credentials(client: Client) -> None:
    made = make(client, formRecord={"type": "STANDARD", "authVault": True})
    assert made["formRecord"]["authVault"] == "true"
    assert made["formRecord"]["fields"] == {"count": 0}


def test_comments_are_signed_and_tags_changed(client: Client, sandbox: Sandbox) -> None:
    tags = sandbox.qualys.tags.ids
    made = make(client, formRecord=form(), comments={"set": {"Comment": {"contents": "first & <b>"}}})
    comment = made["comments"]["list"][0]["Comment"]
    assert (comment["contents"], comment["author"]["id"]) == ("first & <b>", sandbox.qualys.users.ids[0])
    change(client, made["id"], tags={"add": {"Tag": [{"id": tags[0]}, {"id": tags[2]}]}})
    change(
        client, made["id"], tags={"remove": {"Tag": {"id": tags[0]}}}, comments={"add": {"Comment": {"contents": "2"}}}
    )
    record = sandbox.qualys.auth_records[made["id"]]
    assert record["tags"] == [tags[2]]
    assert [item["contents"] for item in record["comments"]] == ["first & <b>", "2"]


def test_delete_one_many_and_attached(client: Client, sandbox: Sandbox) -> None:
    state = sandbox.qualys
    keys = [make(client, name=f"gone {number}", formRecord=form())["id"] for number in range(3)]
    assert client.json("POST", f"/delete/was/{ROUTE}/{keys[0]}")["data"] == [{"WebAppAuthRecord": {"id": keys[0]}}]
    listed = {"Criteria": {"field": "name", "operator": "CONTAINS", "value": "gone "}}
    reply = client.json("POST", f"/delete/was/{ROUTE}", {"filters": listed})
    assert [item["WebAppAuthRecord"]["id"] for item in reply["data"]] == keys[1:]
    assert client.json("POST", f"/delete/was/{ROUTE}")["responseCode"] == "INVALID_REQUEST"
    assert client.json("POST", f"/delete/was/{ROUTE}/{keys[0]}")["responseCode"] == "INVALID_REQUEST"
    app = next(app for app in state.webapps.in_order() if app["authRecords"])
    used = app["authRecords"][0]
    assert client.json("POST", f"/delete/was/{ROUTE}/{used}")["responseCode"] == "INVALID_REQUEST"
    assert used in state.auth_records
    sandbox.switches["delete_attached_auth_record"] = "detach"
    assert client.json("POST", f"/delete/was/{ROUTE}/{used}")["responseCode"] == "SUCCESS"
    assert used not in app["authRecords"]


def test_unique_name(client: Client, sandbox: Sandbox) -> None:
    make(client, name="twin", formRecord=form())
    make(client, name="twin", formRecord=form())
    assert client.count(ROUTE, ("name", "EQUALS", "twin")) == 2
    sandbox.switches["unique_auth_record"] = "name"
    body = {"data": {"WebAppAuthRecord": {"name": "twin", "formRecord": form()}}}
    assert client.json("POST", f"/create/was/{ROUTE}", body)["responseCode"] == "INVALID_REQUEST"
