# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One authentication record: every option is written, read back and idempotent, and no secret is lost or shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousMatch,
    AmbiguousWrite,
    OptionError,
    PerimeterError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_fields import OPTIONS
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from tests.sandbox import Sandbox

from ...auth_record_kit import (
    CLIENT,
    HARD,
    LOGIN,
    NEW,
    PEM,
    RECORDS,
    SCRIPT,
    URLS,
    Records,
    all_modes,
    kinds,
    pem,
    stored_secrets,
    without,
)
from ...qualys_kit import client_of, routes


def four_runs(records: Records, options: dict[str, Any]) -> Any:
    """Check changed, first changed, again unchanged, check again unchanged; what was predicted came."""
    predicted = records(check=True, **options)
    first = records(**options)
    assert (predicted.changed, first.changed, records.writes) == (True, True, 1)
    after = without(first)
    before = without(predicted)
    if records.sandbox.switches["secret_read_mode"] == "absent":
        # Qualys does not say whether there is one.
        (after["oauth2"] or {}).pop("client_secret", None)
        (before["oauth2"] or {}).pop("client_secret", None)
        ((after["server"] or {}).get("certificate") or {}).pop("passphrase", None)
        ((before["server"] or {}).get("certificate") or {}).pop("passphrase", None)
    assert before == after
    assert predicted.diff == first.diff
    assert not records(**options).changed
    assert records.writes == 0
    assert not records(check=True, **options).changed
    return first


# Create


@all_modes
@kinds
def test_every_kind_is_created_once_in_every_mode_of_reading(records: Records, kind: str, mode: str) -> None:
    records.sandbox.switches["secret_read_mode"] = mode
    options = {"name": NEW, "tags": ["prod", "uat"], "comments": ["managed <by> & co"], **RECORDS[kind]}
    first = four_runs(records, options)
    assert first.values["secrets_not_compared"] == []
    shown = first.values["auth_record"]
    assert (shown["name"], sorted(shown["tags"]), shown["comments"]) == (NEW, ["prod", "uat"], ["managed <by> & co"])
    wanted = [value for value in stored_secrets(records.stored(NEW)).values() if value and "kanarien" in value]
    assert len(wanted) == str(RECORDS[kind]).count("kanarienvogel")


@all_modes
@kinds
def test_what_is_read_can_be_fed_back_without_a_change(records: Records, kind: str, mode: str) -> None:
    records.sandbox.switches["secret_read_mode"] = mode
    shown = records(name=NEW, **RECORDS[kind]).values["auth_record"]
    fed = {name: value for name, value in shown.items() if name in OPTIONS and value is not None}
    again = records(**fed)
    assert (again.changed, again.values["secrets_not_compared"]) == (False, [])
    assert without(again) == without(records(id=shown["id"]))


def test_the_seeded_records_of_every_kind_can_be_fed_back(records: Records) -> None:
    for key in list(records.sandbox.qualys.auth_records.ids):
        shown = records(id=key).values["auth_record"]
        assert not records(**{name: shown[name] for name in ("id", *OPTIONS) if shown.get(name) is not None}).changed


@kinds
def test_secrets_arrive_byte_for_byte(records: Records, kind: str) -> None:
    records(name=NEW, **RECORDS[kind])
    stored = records.stored(NEW)
    secrets = stored_secrets(stored)
    if "form" in kind and kind != "form vault":
        values = {field["name"]: field["value"] for field in RECORDS[kind]["form"]["fields"]}
        assert {name: secrets[f"form.{name}"] for name in values} == values
    if "script" in secrets:
        assert secrets["script"] == SCRIPT["data"]
    if "server" in kind:
        for field in RECORDS[kind]["server"].get("fields", ()):
            assert secrets[f"server.{field['type']}"] == field["password"]
        if "certificate" in RECORDS[kind]["server"]:
            assert secrets["certificate.contents"] == PEM
            assert secrets.get("certificate.passphrase") == RECORDS[kind]["server"]["certificate"].get("passphrase")
    for ours, theirs in (("client_secret", "clientSecret"), ("password", "password")):
        assert secrets.get(theirs) == RECORDS[kind].get("oauth2", {}).get(ours)


# Update: every option

Case = tuple[str, dict[str, Any], dict[str, Any]]
NTLM = {"type": "NTLM"}
UPDATES: list[Case] = [
    ("form standard", {"name": "another & name"}, {"name": "another & name"}),
    ("form standard", {"form": {"ssl_only": False}}, {"form.ssl_only": False}),
    ("form standard", {"form": {"auth_vault": True}}, {"form.auth_vault": True}),
    ("form selenium", {"form": {"selenium_creds": False}}, {"form.selenium_creds": False}),
    (
        "form selenium",
        {"form": {"selenium_script": {**SCRIPT, "regex": "Bye"}}},
        {"form.selenium_script": {"name": "login.html", "data": MARKER, "regex": "Bye"}},
    ),
    (
        "form standard",
        {"form": {"fields": [{"name": "username", "value": "eve"}, {"name": "password"}]}},
        {"form.fields": [("username", "eve", False), ("password", MARKER, True)]},
    ),
    (
        "form custom",
        {
            "form": {
                "fields": [
                    {"name": "tenant"},
                    {"name": "answer"},
                    {"name": "passwd"},
                    {"name": "pin", "value": HARD},
                    {"name": "region", "value": "x<y"},
                ]
            }
        },
        {
            "form.fields": [
                ("tenant", "eu & <us>", False),
                ("answer", MARKER, True),
                ("passwd", MARKER, False),
                ("pin", MARKER, True),
                ("region", "x<y", False),
            ]
        },
    ),
    ("form custom", {"form": {"fields": [{"name": "answer"}]}}, {"form.fields": [("answer", MARKER, True)]}),
    (
        "form custom",
        {"form": {"fields": [{"name": "tenant", "secured": True}, {"name": "answer"}, {"name": "passwd"}]}},
        {"form.fields": [("tenant", MARKER, True), ("answer", MARKER, True), ("passwd", MARKER, False)]},
    ),
    (
        "form custom",
        {"form": {"fields": [{"name": "answer", "value": "42", "secured": False}]}},
        {"form.fields": [("answer", "42", False)]},
    ),
    ("form standard", {"form": {"type": "CUSTOM", "fields": LOGIN}}, {"form.type": "CUSTOM"}),
    ("form selenium", {"form": {"type": "STANDARD", "fields": LOGIN}}, {"form.type": "STANDARD"}),
    (
        "form standard",
        {"form": {"type": "SELENIUM", "selenium_script": SCRIPT, "fields": []}},
        {"form.type": "SELENIUM", "form.fields": []},
    ),
    ("form and server", {"form": {}}, {"form": None}),
    ("form and server", {"server": {}}, {"server": None}),
    ("server basic", {"form": {"type": "STANDARD", "fields": LOGIN}}, {"form.type": "STANDARD"}),
    ("server basic", {"server": {"ssl_only": False}}, {"server.ssl_only": False}),
    ("server basic", {"server": {"auth_vault": True}}, {"server.auth_vault": True}),
    (
        "server mixed",
        {"server": {"fields": [NTLM, {"type": "DIGEST", "username": "eve"}]}},
        {"server.fields": [("DIGEST", "realm", "eve"), ("NTLM", "CORP & <co>", "n")]},
    ),
    ("server mixed", {"server": {"fields": [NTLM]}}, {"server.fields": [("NTLM", "CORP & <co>", "n")]}),
    (
        "server mixed",
        {"server": {"fields": [{"type": "NTLM", "domain": "D"}, {"type": "BASIC", "username": "u", "password": HARD}]}},
        {"server.fields": [("BASIC", None, "u"), ("NTLM", "D", "n")]},
    ),
    (
        "server certificate",
        {"server": {"certificate": {"name": "other.pem", "contents": pem(), "passphrase": ""}}},
        {"server.certificate": {"name": "other.pem", "contents": MARKER, "passphrase": None}},
    ),
    ("form and server", {"server": {"certificate": {}}}, {"server.certificate": None}),
    (
        "server basic",
        {"server": {"certificate": {"name": "c", "contents": PEM}}},
        {"server.certificate": {"name": "c", "contents": MARKER, "passphrase": None}},
    ),
    (
        "oauth2 code",
        {"oauth2": {"redirect_url": "https://b.test/?a&b"}},
        {"oauth2.redirect_url": "https://b.test/?a&b"},
    ),
    ("oauth2 code", {"oauth2": {"selenium_creds": False}}, {"oauth2.selenium_creds": False}),
    (
        "oauth2 implicit",
        {"oauth2": {"selenium_script": {"name": "b", "data": HARD, "regex": "x"}}},
        {"oauth2.selenium_script": {"name": "b", "data": MARKER, "regex": "x"}},
    ),
    (
        "oauth2 client",
        {"oauth2": {"access_token_url": "https://b.test/"}},
        {"oauth2.access_token_url": "https://b.test/"},
    ),
    ("oauth2 client", {"oauth2": {"client_id": "b"}}, {"oauth2.client_id": "b", "oauth2.client_secret": MARKER}),
    ("oauth2 client", {"oauth2": {"scope": ""}}, {"oauth2.scope": None}),
    ("oauth2 client", {"oauth2": {"client_secret": ""}}, {"oauth2.client_secret": None}),
    ("oauth2 password", {"oauth2": {"username": "eve"}}, {"oauth2.username": "eve", "oauth2.password": MARKER}),
    (
        "oauth2 password",
        {"oauth2": {"access_token_expired_msg_pattern": "gone"}},
        {"oauth2.access_token_expired_msg_pattern": "gone"},
    ),
    (
        "oauth2 password",
        {"oauth2": {"grant_type": "CLIENT_CREDS", "client_secret": HARD}},
        {"oauth2.grant_type": "CLIENT_CREDS", "oauth2.username": None, "oauth2.scope": URLS["scope"]},
    ),
    ("form and server", {"oauth2": {"grant_type": "CLIENT_CREDS", **URLS, **CLIENT}}, {"form": None}),
    ("oauth2 code", {"form": {"type": "STANDARD", "fields": LOGIN}}, {"oauth2": None, "form.type": "STANDARD"}),
    ("form standard", {"tags": ["uat"]}, {"tags": ["uat"]}),
    ("form standard", {"tags": []}, {"tags": []}),
    ("form standard", {"tags": ["uat"], "tags_mode": "add"}, {"tags": ["prod", "uat"]}),
    ("form standard", {"tags": ["prod"], "tags_mode": "remove"}, {"tags": []}),
    ("form standard", {"tags_add": ["uat"], "tags_remove": ["prod"]}, {"tags": ["uat"]}),
    ("form standard", {"comments": ["b"]}, {"comments": ["b"]}),
    ("form standard", {"comments": []}, {"comments": []}),
    ("form standard", {"comments_add": ["b"]}, {"comments": ["a <&> b", "b"]}),
    ("form standard", {"comments_remove": ["a <&> b"]}, {"comments": []}),
]


def _at(record: dict[str, Any], path: str) -> Any:
    part, _dot, member = path.partition(".")
    value = record[part] if not member else record[part][member]
    if member == "fields":
        keys = ("name", "value", "secured") if part == "form" else ("type", "domain", "username")
        return [tuple(item[key] for key in keys) for item in sorted(value, key=lambda item: item.get("type", ""))]
    return sorted(value) if part in ("tags", "comments") else value


@pytest.mark.parametrize(("kind", "options", "expected"), UPDATES, ids=lambda value: str(value)[:60])
def test_every_option_is_updated_once(
    records: Records, kind: str, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    base = {"tags": ["prod"], "comments": ["a <&> b"], **RECORDS[kind]}
    key = records(name=NEW, **base).values["auth_record"]["id"]
    first = four_runs(records, {"id": key, **options})
    assert {path: _at(first.values["auth_record"], path) for path in expected} == expected
    given = {name.removesuffix("_add").removesuffix("_remove") for name in options} - {"tags_mode"}
    assert set(first.diff["after"]) - {"form", "oauth2"} <= given  # type: ignore[index, call-overload]
    assert "VALUE_REDACTED" not in str(records.stored(key))


def test_the_cases_name_every_member_of_every_part() -> None:
    paths = {path for _kind, _options, expected in UPDATES for path in expected}
    members = {f"{part}.{name}" for part in ("form", "server", "oauth2") for name in OPTIONS[part]["options"]} - {
        "oauth2.password"
    }
    assert members - paths - {"oauth2.password"} == set()


# Defects of the SDK, by the numbers of docs/vendors/qualys_was.md 17.2


def test_sdk_defect_03_values_are_escaped(records: Records) -> None:
    hostile = "</value></WebAppAuthFormRecordField><name>x</name> & <b/> ]]> &amp;"
    fields = [{"name": "username", "value": hostile}, {"name": "password", "value": hostile}]
    records(name=hostile, form={"type": "STANDARD", "fields": fields}, comments=[hostile])
    assert records.secrets(hostile) == {"form.username": hostile, "form.password": hostile}
    assert records.stored(hostile)["comments"][0]["contents"] == hostile


@pytest.mark.parametrize("word", ["TrueFalse", "True", "False", "true", "xFalse&True"])
def test_sdk_defect_04_true_and_false_in_a_password_stay(records: Records, word: str) -> None:
    records(name="True", form={"type": "STANDARD", "fields": [LOGIN[0], {"name": "password", "value": word}]})
    assert records.secrets("True")["form.password"] == word


def test_sdk_defect_15_a_selenium_form_is_sent_with_its_script(records: Records) -> None:
    records(name=NEW, form={"type": "SELENIUM", "selenium_creds": True, "selenium_script": SCRIPT})
    form = records.stored(NEW)["formRecord"]
    assert (form["seleniumScript"], form["seleniumCreds"], form["fields"]) == (SCRIPT, True, [])


def test_sdk_defect_16_the_type_stands_on_each_server_field(records: Records) -> None:
    records(name=NEW, **RECORDS["server mixed"])
    server = records.stored(NEW)["serverRecord"]
    assert "type" not in server
    assert [field["type"] for field in server["fields"]] == ["DIGEST", "NTLM"]


def test_sdk_defect_21_there_is_an_update(records: Records) -> None:
    records(name=NEW, **RECORDS["form standard"])
    assert records(name=NEW, form={"ssl_only": False}).changed
    assert [item for item in routes(records.sandbox) if "/update/" in item]


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "form, server or oauth2 is required"),
        ({"form": {}}, "form, server or oauth2 is required"),
        ({"form": {"ssl_only": True}}, "form.type is required"),
        ({"form": {"type": "STANDARD"}}, "username and password is required"),
        ({"form": {"type": "STANDARD", "fields": [{"name": "username", "value": "x"}]}}, "password is required"),
        ({"form": {"type": "STANDARD", "fields": [*LOGIN, {"name": "x", "value": "y"}]}}, "'x' is not allowed with"),
        ({"form": {"type": "CUSTOM"}}, "form.fields is required"),
        ({"form": {"type": "CUSTOM", "fields": [{"name": "x"}]}}, r"form.fields\[x\].value is required"),
        (
            {"form": {"type": "CUSTOM", "fields": [{"name": "pin", "value": ""}]}},
            r"form.fields\[pin\].value is required",
        ),
        ({"form": {"type": "CUSTOM", "fields": [{"name": "pin", "value": MARKER}]}}, "is not a secret"),
        ({"form": {"type": "CUSTOM", "fields": [LOGIN[0], LOGIN[0]]}}, "username is listed more than once"),
        ({"form": {"type": "STANDARD", "selenium_script": SCRIPT, "fields": LOGIN}}, "selenium_script is not allowed"),
        ({"form": {"type": "SELENIUM"}}, "form.selenium_script is required"),
        ({"form": {"type": "SELENIUM", "selenium_script": {}}}, "form.selenium_script is required"),
        ({"form": {"type": "SELENIUM", "selenium_script": {"name": "x"}}}, "selenium_script.data is required"),
        ({"form": {"type": "SELENIUM", "selenium_script": {"data": "x"}}}, "selenium_script.name is required"),
        ({"server": {"ssl_only": True}}, "server requires fields or certificate"),
        ({"server": {"fields": [{"type": "BASIC", "password": "x"}]}}, r"fields\[BASIC\].username is required"),
        ({"server": {"fields": [{"type": "BASIC", "username": "x"}]}}, r"fields\[BASIC\].password is required"),
        ({"server": {"fields": [{"type": "BASIC"}, {"type": "BASIC"}]}}, "BASIC is listed more than once"),
        ({"server": {"certificate": {"contents": PEM}}}, "certificate.name is required"),
        ({"server": {"certificate": {"name": "x"}}}, "certificate.contents is required"),
        ({"oauth2": {"scope": "x"}}, "oauth2.grant_type is required"),
        (
            {"oauth2": {"grant_type": "AUTH_CODE"}},
            "AUTH_CODE requires selenium_script and redirect_url and access_token",
        ),
        ({"oauth2": {"grant_type": "AUTH_CODE", "selenium_script": {}}}, "requires selenium_script"),
        ({"oauth2": {"grant_type": "IMPLICIT", "selenium_script": SCRIPT}}, "IMPLICIT requires redirect_url"),
        ({"oauth2": {"grant_type": "PASSWORD", "username": "x"}}, "PASSWORD requires access_token_url and password"),
        ({"oauth2": {"grant_type": "CLIENT_CREDS"}}, "CLIENT_CREDS requires access_token_url"),
        ({"oauth2": {"grant_type": "IMPLICIT", "client_id": "x"}}, "client_id is not allowed with grant_type IMPLICIT"),
        ({**RECORDS["form standard"], **RECORDS["oauth2 client"]}, "form and oauth2 cannot be combined"),
        ({**RECORDS["form standard"], "tags": ["no such tag"]}, "there is no tag named 'no such tag'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_mistake_is_told_before_anything_is_written(records: Records, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        records(name=NEW, **options)
    assert records.writes == 0


@pytest.mark.parametrize(
    "contents",
    [
        "kanarienvogel",
        "-----BEGIN CERTIFICATE-----\nkanarienvogel",
        PEM.replace("-----END PRIVATE KEY-----", ""),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nkanarien!vogel\n-----END CERTIFICATE-----",
        PEM.replace("\n", " ").replace("-----BEGIN CERTIFICATE----- ", "-----BEGIN CERTIFICATE-----")[1:],
        "MIIkanarienvogel=",
        "/etc/ssl/kanarienvogel.pem",
    ],
)
def test_a_certificate_that_is_not_pem_is_told_before_anything_is_written(records: Records, contents: str) -> None:
    with pytest.raises(OptionError, match="contents is not PEM") as caught:
        records(name=NEW, server={"certificate": {"name": "c", "contents": contents}})
    assert "-----BEGIN" in caught.value.hint
    assert records.writes == 0


def test_what_contradicts_itself_is_told_before_anything_is_written(records: Records) -> None:
    for options in (
        {**RECORDS["form standard"], **RECORDS["oauth2 client"]},
        {"server": {"fields": [NTLM, NTLM]}},
    ):
        with pytest.raises(OptionError):
            records(name=NEW, **options)
        assert records.writes == 0
    # Qualys might hold such a member, so that this one takes a look at the record.
    with pytest.raises(OptionError, match="password is not allowed with grant_type IMPLICIT"):
        records(name=NEW, oauth2={"grant_type": "IMPLICIT", "password": "x"})
    assert records.writes == 0


def test_names_say_which_record_is_meant(records: Records) -> None:
    with pytest.raises(OptionError, match="id or name is required") as caught:
        records(name=" ")
    assert "authentication record" in caught.value.hint
    with pytest.raises(OptionError, match="there is no authentication record 4") as caught:
        records(id=4, **RECORDS["form standard"])
    assert caught.value.hint == "To create one, give name without id; Qualys chooses the id."
    with pytest.raises(OptionError, match="name: an authentication record must have one"):
        records(id=31001, name=" ")
    records.stored(31001)["name"] = "twice"
    records.stored(31002)["name"] = "twice"
    with pytest.raises(AmbiguousMatch, match="'twice' matches several authentication records: 31001, 31002"):
        records(name="twice", form={"ssl_only": True})


# Writes in doubt

LOST = ["apply_then_reset", "apply_then_status", "reset_mid_body", "truncated_json"]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("kind", ["form custom", "server certificate", "oauth2 code"])
def test_a_create_that_was_carried_out_is_adopted(records: Records, kind: str, fault: str) -> None:
    records.sandbox.faults.add(kind=fault, match={"route": "/create/"})
    assert records(name=NEW, **RECORDS[kind]).changed
    assert [item["name"] for item in records.sandbox.qualys.auth_records.values()].count(NEW) == 1


@pytest.mark.parametrize("mode", ["masked", "absent"])
@pytest.mark.parametrize("fault", LOST[1::2])
@pytest.mark.parametrize(
    "options",
    [
        {"form": {"ssl_only": False}},
        {"form": {"fields": [{"name": "username"}, {"name": "password", "value": "x"}]}, "update_secret": "always"},
        {"oauth2": {"grant_type": "CLIENT_CREDS", **URLS, **CLIENT}},
        {"server": {"fields": [{"type": "BASIC", "username": "u", "password": HARD}]}, "tags": ["uat"]},
        {"comments": []},
    ],
    ids=repr,
)
def test_an_update_that_was_carried_out_is_adopted(
    records: Records, options: dict[str, Any], fault: str, mode: str
) -> None:
    records.sandbox.switches["secret_read_mode"] = mode
    records(name=NEW, comments=["x"], **RECORDS["form standard"])
    records.sandbox.faults.add(kind=fault, match={"route": "/update/"})
    assert records(name=NEW, **options).changed
    assert records.writes == 1


@pytest.mark.parametrize("kind", ["reset", "html_200"])
@pytest.mark.parametrize(
    "options",
    [
        {"form": {"ssl_only": False}},
        {"form": {"fields": [{"name": "username"}, {"name": "password", "value": "x"}]}, "update_secret": "always"},
        {"comments": ["y"]},
        {"state": "absent"},
    ],
    ids=repr,
)
def test_a_write_that_was_not_carried_out_is_ambiguous(records: Records, options: dict[str, Any], kind: str) -> None:
    records(name=NEW, **RECORDS["form standard"])
    route = "/delete/" if "state" in options else "/update/"
    records.sandbox.faults.add(kind=kind, match={"route": route})
    with pytest.raises(AmbiguousWrite, match="may or may not have happened"):
        records(name=NEW, **options)
    assert records.writes == 1
    assert records(name=NEW, **options).changed


def test_a_record_that_vanishes_while_it_is_looked_at_is_an_error(records: Records) -> None:
    records(name=NEW, **RECORDS["form standard"])
    records.sandbox.faults.add(kind="response_code", code="NOT_FOUND", match={"route": "/get/"}, skip=1)
    done = records(name=NEW, form={"ssl_only": False})
    assert (done.changed, done.values["auth_record"]) == (False, None)
    assert "does not list it any more" in str(done.error)


# Delete


def test_a_record_is_deleted_by_name_and_by_id_once(records: Records) -> None:
    records(name=NEW, **RECORDS["form standard"])
    for options in ({"name": NEW}, {"id": 31012}):
        assert records(check=True, state="absent", **options).changed
        done = records(state="absent", **options)
        assert (done.changed, records.writes) == (True, 1)
        assert done.values["auth_record"]["name"] in (NEW, "Unused login")
        assert not records(state="absent", **options).changed
    assert 31012 not in records.sandbox.qualys.auth_records


def test_a_record_in_use_is_deleted_only_if_the_vendor_does_so(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        records = Records(sandbox, client)
        with pytest.raises(PerimeterError, match="is used by web application"):
            records(state="absent", id=31001)
        sandbox.switches["delete_attached_auth_record"] = "detach"
        assert records(state="absent", id=31001).changed
