# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write is true: what Qualys did not take is told, changed is what is different, and nothing is lost beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.targets import look_up
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record,
    webapp,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource import resources
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import scan as scan_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule_fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..auth_record_kit import HARD, LOGIN, RECORDS, Records, record_options, records_options, stored_secrets
from ..qualys_kit import client_of, entry, fed_back, info_options, routes, webapp_options, webapps_options
from ..scan_kit import APP, scan_options

DEAF = {"empty_element": "ignored", "partial_config_wipes": "false", "empty_set_clears": "false"}
"""A tenant that takes no notice of what is empty."""


def write(sandbox: Sandbox, **options: Any) -> Result:
    sandbox.reset_counters()
    with client_of(sandbox, retries=0) as client:
        return webapp.run(webapp_options(**options), client, False)


def write_many(sandbox: Sandbox, *wanted: dict[str, Any], check: bool = False, **options: Any) -> Result:
    sandbox.reset_counters()
    with client_of(sandbox, retries=0) as client:
        return webapp.run_many(webapps_options(*(entry(**app) for app in wanted), **options), client, check)


def plan_schedule(sandbox: Sandbox, **options: Any) -> Result:
    blank = {name: spec.get("default") for name, spec in option_spec(FIELDS).items()}
    with client_of(sandbox, retries=0) as client:
        return schedule.run({**blank, "state": "present", "id": None, **options}, client, False)


def record(sandbox: Sandbox, **options: Any) -> Result:
    with client_of(sandbox, retries=0) as client:
        return auth_record.run(record_options(**options), client, False)


FILLED = {
    "config": {"cancelScansAfterNHours": 6},
    "defaultScanner": {"type": "INTERNAL", "friendlyName": "scanner-1"},
    "subDomain": "x.test",
    "comments": [{"contents": "keep", "author": {"id": 710001}, "createdDate": "2026-01-01T00:00:00Z"}],
}
CLEARED: dict[str, Any] = {
    "cancel_after": 0,
    "default_scanner": {"type": None, "friendly_name": None},
    "sub_domain": "",
    "default_profile": "",
    "comments": [],
}


def fill(sandbox: Sandbox, key: int = APP) -> Any:
    record = sandbox.qualys.webapps[key]
    record.update(FILLED, defaultProfile={"id": sandbox.qualys.option_profiles.ids[0]})
    sandbox.qualys.webapps[key] = record
    return record


# What is not taken


@pytest.mark.parametrize("name", CLEARED)
def test_a_field_that_cannot_be_cleared_is_an_error_that_names_it(sandbox: Sandbox, name: str) -> None:
    fill(sandbox)
    sandbox.switches.update(DEAF)
    for _run in range(2):
        done = write(sandbox, id=APP, **{name: CLEARED[name]})
        assert isinstance(done.error, VendorError)
        assert f"ignored {name}." in done.error.message
        assert not done.changed
        assert done.values["webapp"][name]
        assert done.diff is not None
        assert name not in done.diff["after"]


@pytest.mark.parametrize("name", CLEARED)
def test_a_field_that_can_be_cleared_is_cleared_once(sandbox: Sandbox, name: str) -> None:
    fill(sandbox)
    assert write(sandbox, id=APP, **{name: CLEARED[name]}).changed
    again = write(sandbox, id=APP, **{name: CLEARED[name]})
    assert (again.changed, again.error, sandbox.counters.writes) == (False, None, 0)


def test_what_was_taken_beside_it_counts(sandbox: Sandbox) -> None:
    fill(sandbox)
    sandbox.switches.update(DEAF)
    done = write(sandbox, id=APP, comments=[], cancel_after=9)
    assert done.changed
    assert "ignored comments. The rest was written." in str(done.error)
    assert (done.values["webapp"]["cancel_after"], done.values["webapp"]["comments"]) == (9, ["keep"])
    assert done.diff is not None
    assert list(done.diff["after"]) == ["cancel_after"]


def test_many_tell_it_for_each(sandbox: Sandbox) -> None:
    for key in (APP, APP + 1):
        fill(sandbox, key)
    sandbox.switches.update(DEAF)
    done = write_many(sandbox, {"id": APP, "comments": []}, {"id": APP + 1, "cancel_after": 9}, {"id": APP + 2})
    assert [(item["changed"], item["failed"]) for item in done.values["results"]] == [
        *((False, True), (True, False), (False, False))
    ]
    assert "ignored comments" in done.values["results"][0]["msg"]


def test_a_refused_clearing_names_the_field(sandbox: Sandbox) -> None:
    fill(sandbox)
    sandbox.switches["empty_object_clears"] = "false"
    with pytest.raises(VendorError) as caught:
        write(sandbox, id=APP, default_profile="")
    assert caught.value.code == "INVALID_REQUEST"
    assert "The task clears default_profile" in caught.value.hint


def test_what_is_stored_in_another_form_is_a_warning_and_shown(sandbox: Sandbox) -> None:
    both = [{"value": "^x", "regex": False}, {"value": "^x", "regex": True}]
    done = write(sandbox, id=APP, url_excludelist=both)
    assert done.changed
    (told,) = done.warnings
    assert told.startswith(f"Qualys stored url_excludelist of the web application {APP} in a different form")
    assert len(done.values["webapp"]["url_excludelist"]) == 1


@pytest.mark.parametrize("many", [False, True])
def test_a_write_after_which_nothing_can_be_read_is_a_change_that_failed(sandbox: Sandbox, many: bool) -> None:
    sandbox.faults.add(
        kind="response_code", code="UNAUTHORIZED", match={"route": f"/get/was/webapp/{APP}"}, skip=1, times=9
    )
    options = {"id": APP, "cancel_after": 9}
    done = write_many(sandbox, options) if many else write(sandbox, **options)
    assert done.changed
    assert "was done, but reading it again failed" in str(done.error)
    assert sandbox.qualys.webapps[APP]["config"]["cancelScansAfterNHours"] == 9


def test_five_hundred_writes_are_read_again_with_one_search_when_a_search_shows_them() -> None:
    with Sandbox(webapps=120, findings=0) as box:
        wanted = [{"id": key, "tags": ["prod", "uat", "pci"]} for key in box.qualys.webapps.ids]
        done = write_many(box, *wanted)
        assert (done.error, done.changed) == (None, True)
        assert routes(box, "/get/was/webapp") == []
        assert box.counters.writes == 120
        assert box.counters.requests < 120 + 12


def test_a_search_that_lags_behind_a_write_is_no_sign_that_it_was_not_taken(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(sandbox) as client:
        stale = look_up(client, "webapp", [APP, APP + 1], verbose=True)
    monkeypatch.setattr(resources, "look_up", lambda *_arguments, **_options: stale)
    done = write_many(sandbox, *({"id": key, "url": f"https://{key}.test/"} for key in (APP, APP + 1)))
    assert (done.error, done.changed) == (None, True)
    assert [item["changed"] for item in done.values["results"]] == [True, True]
    assert len(routes(sandbox, "/get/was/webapp")) == 2


def absent(kind: str, client: QualysClient, box: Sandbox) -> Result:
    """Delete one record by a module of its kind."""
    state = box.qualys
    unused = set(state.auth_records.ids) - {key for app in state.webapps.values() for key in app["authRecords"]}
    login, scan = min(unused), state.scans.ids[0]
    blank = {name: spec.get("default") for name, spec in option_spec(FIELDS).items()}
    runs: dict[str, Callable[[], Result]] = {
        "webapp": lambda: webapp.run(webapp_options(id=APP, state="absent"), client, False),
        "webapps": lambda: webapp.run_many(webapps_options(state="absent", ids=[APP]), client, False),
        "auth_record": lambda: auth_record.run(record_options("absent", id=login), client, False),
        "auth_records": lambda: auth_record.run_many(records_options(state="absent", ids=[login]), client, False),
        "schedule": lambda: schedule.run({**blank, "state": "absent", "id": state.schedules.ids[0]}, client, False),
        "scan": lambda: scan_module.run(scan_options(id=scan, state="absent"), client, False),
        "scans": lambda: scan_module.run(
            scan_options(filters=[{"field": "id", "value": str(scan)}], state="absent", max_deletes=1), client, False
        ),
    }
    return runs[kind]()


@pytest.mark.parametrize("kind", ["webapp", "webapps", "auth_record", "auth_records", "schedule", "scan", "scans"])
def test_a_delete_that_takes_nothing_is_an_error_and_no_change(sandbox: Sandbox, kind: str) -> None:
    sandbox.switches["delete_takes"] = "nothing"
    sandbox.qualys.scans[sandbox.qualys.scans.ids[0]]["status"] = "FINISHED"
    with client_of(sandbox, retries=0) as client:
        try:
            done = absent(kind, client, sandbox)
        except VendorError as error:
            said, changed = str(error), False
        else:
            said, changed = str(done.error), done.changed
        assert "as deleted, but it still exists" in said
        assert not changed
        sandbox.switches["delete_takes"] = "all"
        assert absent(kind, client, sandbox).changed


# What stays beside a change


def test_an_external_scanner_has_no_name(sandbox: Sandbox) -> None:
    fill(sandbox)
    for switches in ({}, DEAF):
        sandbox.switches.update(switches)
        fill(sandbox)
        external = {"type": "EXTERNAL", "friendly_name": None}
        assert write(sandbox, id=APP, default_scanner=external).changed
        assert not write(sandbox, id=APP, default_scanner=external).changed
        if not switches:
            assert sandbox.qualys.webapps[APP]["defaultScanner"] == {"type": "EXTERNAL"}


@pytest.mark.parametrize(
    "options",
    [
        {"attributes": {"a": "1", "b": "new"}},
        {"attributes_add": {"a": "changed"}},
        {"attributes": {"a": "changed"}},
        {"attributes_remove": ["b"]},
    ],
)
def test_an_attribute_that_stays_keeps_its_category(sandbox: Sandbox, options: dict[str, Any]) -> None:
    sandbox.qualys.webapps[APP]["attributes"] = [
        {"name": "a", "value": "1", "category": "Business"},
        {"name": "b", "value": "2", "category": "Other"},
    ]
    assert write(sandbox, id=APP, **options).changed
    held = {item["name"]: item for item in sandbox.qualys.webapps[APP]["attributes"]}
    assert held["a"]["category"] == "Business"
    assert not write(sandbox, id=APP, **options).changed


@pytest.mark.parametrize("key", ["text", "name"])
def test_an_added_header_replaces_the_one_of_that_name(sandbox: Sandbox, key: str) -> None:
    sandbox.switches["header_key"] = key
    sandbox.qualys.webapps[APP]["headers"] = ["X-Token: old", "X-Other: 1"]
    assert write(sandbox, id=APP, headers_add=["x-token: new"]).changed
    assert sorted(sandbox.qualys.webapps[APP]["headers"]) == ["X-Other: 1", "x-token: new"]
    assert not write(sandbox, id=APP, headers_add=["x-token: new"]).changed


def test_several_headers_of_one_name_can_be_listed_on_purpose(sandbox: Sandbox) -> None:
    two = ["X-A: 1", "X-A: 2"]
    assert write(sandbox, id=APP, headers=two).changed
    assert sorted(sandbox.qualys.webapps[APP]["headers"]) == two
    assert not write(sandbox, id=APP, headers=two).changed


@pytest.mark.parametrize("kind", ["webapp", "schedule", "auth_record"])
def test_white_space_around_a_name_is_no_rename(sandbox: Sandbox, kind: str) -> None:
    table = getattr(sandbox.qualys, f"{kind}s")
    key = table.ids[0]
    table[key]["name"] = " held "
    done = {"webapp": write, "schedule": plan_schedule, "auth_record": record}[kind](sandbox, id=key, name="held ")
    assert (done.changed, table[key]["name"]) == (False, " held ")


def test_a_script_a_header_and_an_entry_go_by_their_key(sandbox: Sandbox) -> None:
    write(
        sandbox,
        id=APP,
        crawling_scripts=[{"name": "a", "data": "<a/>"}, {"name": "b", "data": "<b/>"}],
        headers=["X-A: 1", "X-B: 2"],
        url_excludelist=[{"value": "^x", "regex": True}, "y"],
    )
    gone: dict[str, Any] = {
        "crawling_scripts_remove": ["a", "none"],
        "headers_remove": ["x-a"],
        "url_excludelist_remove": ["^x"],
    }
    assert write(sandbox, id=APP, **gone).changed
    held = sandbox.qualys.webapps[APP]
    assert [script["name"] for script in held["crawlingScripts"]] == ["b"]
    assert (held["headers"], held["urlExcludelist"]) == (["X-B: 2"], [{"value": "y", "regex": False}])
    assert not write(sandbox, id=APP, **gone).changed


@pytest.mark.parametrize("check", [True, False])
def test_a_new_application_goes_without_the_secrets_that_a_placeholder_stands_for(
    sandbox: Sandbox, check: bool
) -> None:
    wanted = {
        "name": "new",
        "url": "https://new.test/",
        "headers": ["X-A: 1", f"X-Token: {MARKER}"],
        "crawling_scripts": [{"name": "login", "data": MARKER}],
    }
    done = write_many(sandbox, wanted, check=check)
    assert (done.error, done.changed) == (None, True)
    missing = "the header X-Token, the script 'login'"
    assert done.warnings == [f"The new web application 'new' is created without {missing}: {MARKER} is not a secret."]
    if not check:
        (made,) = [app for app in sandbox.qualys.webapps.values() if app["name"] == "new"]
        assert (made["headers"], made["crawlingScripts"]) == (["X-A: 1"], [])


# Authentication records


@pytest.mark.parametrize("key", ["name", "id"])
def test_a_login_is_changed_and_removed_where_it_is(records: Records, key: str) -> None:
    records.sandbox.switches["auth_field_key"] = key
    records(name="mixed", **RECORDS["server mixed"])
    before = stored_secrets(records.stored("mixed"))
    moved = {"fields": [{"type": "DIGEST"}, {"type": "NTLM", "domain": "D2"}]}
    assert records(name="mixed", server=moved).changed
    logins = records.stored("mixed")["serverRecord"]["fields"]
    assert [(login["type"], login["domain"]) for login in logins] == [("DIGEST", "realm"), ("NTLM", "D2")]
    assert stored_secrets(records.stored("mixed")) == before
    assert not records(name="mixed", server=moved).changed
    assert records(name="mixed", server={"fields": [{"type": "NTLM"}]}).changed
    assert [login["type"] for login in records.stored("mixed")["serverRecord"]["fields"]] == ["NTLM"]


def test_two_logins_of_one_type_that_qualys_holds_are_told_apart(records: Records) -> None:
    records.sandbox.switches["auth_field_key"] = "id"
    records(name="two", server={"fields": [{"type": "NTLM", "domain": "A", "username": "a", "password": HARD}]})
    stored = records.stored("two")
    (login,) = stored["serverRecord"]["fields"]
    stored["serverRecord"] = {**stored["serverRecord"], "fields": [login, {**login, "id": 999999, "domain": "B"}]}
    wanted = {"fields": [{"type": "NTLM", "domain": "A"}, {"type": "NTLM", "domain": "B", "username": "b"}]}
    assert records(name="two", server=wanted).changed
    held = [(login["domain"], login["username"]) for login in records.stored("two")["serverRecord"]["fields"]]
    assert held == [("A", "a"), ("B", "b")]
    assert not records(name="two", server=wanted).changed
    with pytest.raises(OptionError, match="NTLM is listed more than once"):
        records(name="two", server={"fields": [{"type": "NTLM"}, {"type": "NTLM"}]})


FORM_EDITS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "a flag": ({"ssl_only": True}, [("f", "a"), ("f", "b"), ("g", "c")]),
    "another field": (
        {"fields": [{"name": "f", "value": "a"}, {"name": "f", "value": "b"}, {"name": "g", "value": "new"}]},
        [("f", "a"), ("f", "b"), ("g", "new")],
    ),
    "one of the two": (
        {"fields": [{"name": "f", "value": "a"}, {"name": "f", "value": "new"}, {"name": "g"}]},
        [("f", "a"), ("f", "new"), ("g", "c")],
    ),
    "one of the two goes": (
        {"fields": [{"name": "f", "value": "b"}, {"name": "g"}]},
        [("f", "b"), ("g", "c")],
    ),
}


@pytest.mark.parametrize("edit", FORM_EDITS)
@pytest.mark.parametrize("key", ["name", "id"])
def test_a_form_with_two_fields_of_one_name_can_be_edited(records: Records, key: str, edit: str) -> None:
    fields = [{"name": name, "value": value} for name, value in (("f", "a"), ("g", "c"))]
    records(name="two", form={"type": "CUSTOM", "fields": fields})
    form = records.stored("two")["formRecord"]
    form["fields"].insert(1, {**form["fields"][0], "id": 999999, "value": "b"})
    records.sandbox.switches["auth_field_key"] = key
    wanted, held = FORM_EDITS[edit]
    done = records(name="two", form=wanted)
    assert done.changed
    stored = [(field["name"], field["value"]) for field in records.stored("two")["formRecord"]["fields"]]
    if key == "id" or "two" not in edit:
        assert (stored, done.error, done.warnings) == (held, None, [])
        assert not records(name="two", form=wanted).changed
    else:
        # A service that goes by the name cannot tell the two apart; then it is said.
        assert "Qualys stored form of the authentication record 'two' in a different form" in done.warnings[0]


@pytest.mark.parametrize("key", ["name", "id"])
def test_a_flag_of_a_server_with_two_logins_of_one_type_leaves_both(records: Records, key: str) -> None:
    records(name="two", server={"fields": [{"type": "NTLM", "domain": "A", "username": "a", "password": HARD}]})
    stored = records.stored("two")["serverRecord"]["fields"]
    stored.append({**stored[0], "id": 999999, "domain": "B", "username": "b"})
    records.sandbox.switches["auth_field_key"] = key
    assert records(name="two", server={"ssl_only": True}).changed
    held = [(login["domain"], login["username"]) for login in records.stored("two")["serverRecord"]["fields"]]
    assert held == [("A", "a"), ("B", "b")]


@pytest.mark.parametrize("update", ["merge", "replace"])
@pytest.mark.parametrize("plain", ["shown", "masked", "absent"])
@pytest.mark.parametrize("kind", ["form standard", "form custom", "form selenium"])
def test_a_partial_update_keeps_every_value(records: Records, kind: str, plain: str, update: str) -> None:
    records.sandbox.switches.update({"plain_read_mode": plain, "secret_read_mode": "masked", "object_update": update})
    records(name="x", **RECORDS[kind])
    before = {item["name"]: item["value"] for item in records.stored("x")["formRecord"]["fields"]}
    try:
        records(name="x", form={"ssl_only": not RECORDS[kind]["form"].get("ssl_only", False)})
    except VendorError as error:
        # The tenant drops the script that nobody may read, and refuses a form without one.
        assert (kind, update, error.code) == ("form selenium", "replace", "CANNOT_BE_NULL")  # noqa: PT017
    assert {item["name"]: item["value"] for item in records.stored("x")["formRecord"]["fields"]} == before


def everything(record: Any) -> dict[str, Any]:
    """Secrets, user names and other values of a record that a tenant may not show."""
    server, oauth2 = (record.get(name) or {} for name in ("serverRecord", "oauth2Record"))
    logins = {
        f"login {login['id']}": (login.get("domain"), login.get("username")) for login in server.get("fields", ())
    }
    return (
        stored_secrets(record) | logins | {name: oauth2.get(name) for name in ("username", "clientId", "redirectUrl")}
    )


@pytest.mark.parametrize("update", ["merge", "replace"])
@pytest.mark.parametrize("reading", ["masked", "absent"])
@pytest.mark.parametrize("kind", RECORDS)
def test_a_change_of_one_member_loses_nothing_that_cannot_be_read_or_says_so(
    records: Records, kind: str, reading: str, update: str
) -> None:
    records.sandbox.switches.update({"plain_read_mode": reading, "secret_read_mode": reading, "object_update": update})
    records(name="x", **RECORDS[kind])
    before = everything(records.stored("x"))
    part = next(iter(RECORDS[kind]))
    change: dict[str, Any] = {"scope": "other"} if part == "oauth2" else {"ssl_only": True}
    if RECORDS[kind][part].get("ssl_only"):
        change = {"ssl_only": False}
    said = ""
    try:
        records(name="x", **{part: change})
    except (VendorError, OptionError) as error:
        said = str(error)
    assert MARKER not in str(records.stored("x"))
    assert "***" not in str(records.stored("x"))
    if everything(records.stored("x")) != before:
        # A tenant that drops what is left out of a part; and where it shows no secret, nobody sees this one go.
        assert update == "replace"
        assert "removed secrets" in said or (kind, reading) == ("oauth2 client", "absent")


def test_a_masked_value_that_is_no_secret_and_goes_is_told(records: Records) -> None:
    records.sandbox.switches["object_update"] = "replace"
    # What the sandbox holds is what it shows of this value.
    part = {"grant_type": "CLIENT_CREDS", "access_token_url": "https://x.test/", "client_id": "********"}
    records(name="x", oauth2=part)
    with pytest.raises(VendorError, match=r"did not give: oauth2\.client_id\."):
        records(name="x", oauth2={"scope": "other"})


@pytest.mark.parametrize("plain", ["masked", "absent"])
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("form standard", "form.fields[username].value"),
        ("server basic", "server.fields[BASIC].username"),
        ("oauth2 password", "oauth2.username"),
    ],
)
def test_a_user_name_that_is_not_readable_is_idempotent_and_told(
    records: Records, kind: str, path: str, plain: str
) -> None:
    records.sandbox.switches["plain_read_mode"] = plain
    records(name="x", **RECORDS[kind])
    again = records(name="x", **RECORDS[kind])
    assert (again.changed, records.writes) == (False, 0)
    assert path in again.values["secrets_not_compared"]
    # It is written when the user says so, and never what was read in its place.
    assert records(name="x", update_secret="always", **RECORDS[kind]).changed
    records.sandbox.switches["plain_read_mode"] = "shown"
    assert path not in records(name="x", **RECORDS[kind]).values["secrets_not_compared"]
    assert "***" not in str(records.stored("x"))


@pytest.mark.parametrize("plain", ["masked", "absent"])
def test_a_value_that_has_to_be_sent_along_and_is_not_known_is_asked_for(records: Records, plain: str) -> None:
    records.sandbox.switches["plain_read_mode"] = plain
    records(name="x", **RECORDS["form standard"])
    with pytest.raises(OptionError, match=r"form\.fields\[username\]\.value is required"):
        records(name="x", form={"type": "CUSTOM", "fields": [{"name": "username"}, LOGIN[1]]})
    assert records.writes == 0


def test_an_implicit_grant_with_a_scope_can_be_read_and_written(records: Records) -> None:
    records(name="x", **RECORDS["oauth2 implicit"])
    records.stored("x")["oauth2Record"] = {**records.stored("x")["oauth2Record"], "scope": "openid", "clientId": "kept"}
    part = {**RECORDS["oauth2 implicit"]["oauth2"], "scope": "openid", "client_id": "kept"}
    assert not records(name="x", oauth2=part).changed
    with pytest.raises(OptionError, match="password is not allowed with grant_type IMPLICIT"):
        records(name="x", oauth2={"password": "new"})
    records.stored("x")["oauth2Record"] = {
        k: v for k, v in records.stored("x")["oauth2Record"].items() if k != "clientId"
    }
    assert records(name="x", oauth2={"scope": "other"}).changed
    assert records.stored("x")["oauth2Record"]["scope"] == "other"


# Names


def test_a_reference_to_one_of_two_records_of_one_name_is_shown_by_its_id(sandbox: Sandbox) -> None:
    tags, auth = sandbox.qualys.tags, sandbox.qualys.auth_records
    one, two = list(tags.ids)[:2]
    tags[two]["name"] = tags[one]["name"]
    sandbox.qualys.webapps[APP].update(tags=[one], authRecords=[auth.ids[0]])
    auth[auth.ids[1]]["name"] = auth[auth.ids[0]]["name"]
    twins = [APP, APP + 1]
    sandbox.qualys.webapps[APP + 1]["name"] = sandbox.qualys.webapps[APP]["name"]
    with client_of(sandbox) as client:
        listed = webapp.run_info(info_options(detail="full"), client, False).values["webapps"]
        planned = schedule.run_info(info_options(detail="full"), client, False).values["schedules"]
    shown = next(app for app in listed if app["id"] == APP)
    assert (shown["tags"], shown["auth_records"]) == ([str(one)], [str(auth.ids[0])])
    stored = {key: item["target"].get("webApp", {}).get("id") for key, item in sandbox.qualys.schedules.items()}
    for found in planned:
        if stored[found["id"]] in twins:
            assert found["webapp"] == str(stored[found["id"]])
    sandbox.qualys.webapps[APP]["tags"] = [two]
    done = write(sandbox, **{**fed_back(shown), "headers": None, "crawling_scripts": None})
    assert (done.changed, sandbox.qualys.webapps[APP]["tags"]) == (True, [one])


def test_many_new_tags_are_read_once(sandbox: Sandbox) -> None:
    template = dict(sandbox.qualys.tags[sandbox.qualys.tags.ids[0]])
    names = [f"tag {number}" for number in range(60)]
    for number, name in enumerate(names):
        sandbox.qualys.tags[880000 + number] = type(sandbox.qualys.tags[sandbox.qualys.tags.ids[0]])(
            {**template, "id": 880000 + number, "name": name}
        )
    wanted = [{"id": key, "tags": names[3 * place : 3 * place + 3]} for place, key in enumerate(sandbox.qualys.webapps)]
    done = write_many(sandbox, *wanted, check=True)
    assert (done.error, done.changed) == (None, True)
    assert len(routes(sandbox, "/am/tag")) <= 4
    assert "there is no tag named 'Tag 1'" in str(write_many(sandbox, {"id": APP, "tags": ["Tag 1", *names]}).error)


@pytest.mark.parametrize("operator", ["EQUALS", "CONTAINS"])
@pytest.mark.parametrize("case", ["true", "false"])
def test_what_qualys_folds_is_not_deleted(sandbox: Sandbox, operator: str, case: str) -> None:
    sandbox.switches["text_case_sensitive"] = case
    for key, name in ((APP, "shop"), (APP + 1, "Shop"), (APP + 2, "SHOP")):
        sandbox.qualys.webapps[key]["name"] = name
    filters = [{"field": "name", "operator": operator, "value": "shop"}]
    done = write_many(sandbox, state="absent", filters=filters, max_deletes=1)
    assert [record["id"] for record in done.values["deleted"]] == [APP]
    assert {APP + 1, APP + 2} <= set(sandbox.qualys.webapps.ids)
    if case == "false":
        assert f"{APP + 1} (Shop), {APP + 2} (SHOP)" in done.warnings[0]
        assert "left alone" in done.warnings[0]
    else:
        assert done.warnings == []


def test_what_qualys_folds_is_not_pruned(sandbox: Sandbox) -> None:
    sandbox.switches["text_case_sensitive"] = "false"
    owned = sandbox.qualys.tags.ids[0]
    sandbox.qualys.tags[owned]["name"] = "owned"
    other = sandbox.qualys.tags.ids[1]
    sandbox.qualys.tags[other]["name"] = "Owned"
    for key in sandbox.qualys.webapps.ids:
        sandbox.qualys.webapps[key]["tags"] = []
    sandbox.qualys.webapps[APP]["tags"], sandbox.qualys.webapps[APP + 1]["tags"] = [owned], [other]
    filters = [{"field": "tags.name", "value": "owned"}]
    done = write_many(sandbox, {"id": APP + 2}, prune=True, prune_filters=filters, max_deletes=5)
    assert [record["id"] for record in done.values["deleted"]] == [APP]
    assert "left alone" in done.warnings[0]


def test_the_records_of_an_estate_can_be_fed_back_in_every_read_mode(empty: Sandbox) -> None:
    for secrets, plain in (("clear_unless_secured", "shown"), ("masked", "masked"), ("absent", "absent")):
        empty.switches.update({"secret_read_mode": secrets, "plain_read_mode": plain})
        with client_of(empty) as client:
            shown = auth_record.run_info(info_options(detail="full"), client, False).values["auth_records"]
            known = set(record_options()) - {"state", "update_secret"}
            wanted = [{name: value for name, value in record.items() if name in known} for record in shown]
            done = auth_record.run_many(records_options(*wanted), client, False)
        assert (done.error, done.changed) == (None, False)
        assert MARKER in str(shown)
