# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many authentication records in one task, their listing, and web applications that use them by name."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    IncompleteRead,
    OptionError,
    PartialFailure,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import run_info as info
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import run_many as run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_fields import OPTIONS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run as run_webapp
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...auth_record_kit import CANARY, LOGIN, RECORDS, Records, nothing_secret_in, records_options
from ...qualys_kit import client_of, info_options, routes, webapp_options

MODES = ["clear_unless_secured", "masked", "absent"]
SEEDED = 12


class Many:
    """Runs the room's logic against a sandbox and counts what it sees."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.counters: dict[str, Any] = {}

    def __call__(self, *records: dict[str, Any], check: bool = False, **options: Any) -> Result:
        self.sandbox.reset_counters()
        with client_of(self.sandbox, retries=1) as client:
            result = run(records_options(*records, **options), client, check)
        self.counters = self.sandbox.counters.snapshot()
        assert not check or self.counters["writes"] == 0
        nothing_secret_in(result.values, result.diff, result.error and str(result.error))
        return result

    def names(self) -> list[str]:
        return [record["name"] for record in self.sandbox.qualys.auth_records.values()]


@pytest.fixture
def many(empty: Sandbox) -> Many:
    return Many(empty)


LOGIN_OF_SERVER = {"type": "NTLM", "domain": "D", "username": "u", "password": "canary"}


def wanted() -> list[dict[str, Any]]:
    return [{"name": kind, "tags": ["uat"], **options} for kind, options in RECORDS.items()]


@pytest.mark.parametrize("mode", MODES)
def test_first_again_check_and_check_again(many: Many, mode: str) -> None:
    many.sandbox.switches["secret_read_mode"] = mode
    predicted = many(*wanted(), check=True)
    first = many(*wanted())
    assert (predicted.changed, first.changed, many.counters["writes"]) == (True, True, len(RECORDS))
    assert predicted.values["plan"] == first.values["plan"]
    assert first.values["plan"]["create"] == [f"authentication record {kind!r}" for kind in RECORDS]
    assert [result["id"] for result in predicted.values["results"]] == [None] * len(RECORDS)
    again = many(*wanted())
    assert (again.changed, many.counters["writes"], again.values["plan"]["unchanged"]) == (False, 0, len(RECORDS))
    assert not many(*wanted(), check=True).changed
    named = {result["name"]: result["secrets_not_compared"] for result in again.values["results"]}
    assert named["server basic"] == ["server.fields[BASIC].password"]
    assert first.values["results"][0]["secrets_not_compared"] == []


def test_one_that_fails_does_not_stop_the_others(many: Many) -> None:
    many.sandbox.switches["unique_auth_record"] = "name"
    many.sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", message="No.", match={"route": "/create/"})
    done = many(*wanted())
    failed = [result for result in done.values["results"] if result["failed"]]
    assert isinstance(done.error, PartialFailure)
    assert "1 of the authentication records failed" in done.error.message
    assert (len(failed), len(many.names())) == (1, SEEDED + len(RECORDS) - 1)


def test_a_secret_that_is_gone_after_an_update_fails_that_record(many: Many) -> None:
    many.sandbox.switches["object_update"] = "replace"
    done = many({"id": 31006, "server": {"ssl_only": False}}, {"id": 31004, "server": {"ssl_only": False}})
    assert [result["failed"] for result in done.values["results"]] == [True, False]
    assert "removed secrets" in done.values["results"][0]["msg"]


def test_an_entry_that_contradicts_itself_does_not_stop_the_others(many: Many) -> None:
    both = {"name": "both", **RECORDS["form standard"], **RECORDS["oauth2 client"]}
    twice = {"name": "twice", "server": {"fields": [dict(LOGIN_OF_SERVER), dict(LOGIN_OF_SERVER)]}}
    edits = {"name": "edits", **RECORDS["form standard"], "tags": ["prod"], "tags_add": ["uat"]}
    done = many(both, *wanted(), twice, edits)
    failed = [result for result in done.values["results"] if result["failed"]]
    assert [result["name"] for result in failed] == ["both", "twice", "edits"]
    assert failed[0]["msg"].startswith("auth_records, authentication record 'both': form and oauth2 cannot be combined")
    assert "listed more than once" in failed[1]["msg"]
    assert "set cannot be combined" in failed[2]["msg"]
    assert len(many.names()) == SEEDED + len(RECORDS)


def test_who_is_meant_has_to_be_clear_before_anything_is_sent(many: Many) -> None:
    with pytest.raises(OptionError, match=r"auth_records\[0\]: id or name is required"):
        many({"name": " "})
    with pytest.raises(OptionError, match="listed more than once") as caught:
        many({"name": "x"}, {"name": " x "})
    assert caught.value.hint == "List each record once."
    assert routes(many.sandbox) == []


def test_prune_deletes_what_the_task_owns_and_does_not_list(many: Many) -> None:
    owned = [{"field": "tags.name", "value": "uat"}]
    many(*wanted())
    kept = wanted()[:10]
    prune = {"prune": True, "prune_filters": owned}
    with pytest.raises(OptionError, match="prune requires prune_filters and max_deletes") as caught:
        many(*kept, **prune)
    assert "selects the records that this task owns" in caught.value.hint
    with pytest.raises(OptionError, match="auth_records is empty"):
        many(**prune, max_deletes=50)
    with pytest.raises(OptionError, match=r"authentication records to delete, more than max_deletes \(1\)"):
        many(*kept, **prune, max_deletes=1)
    doomed = many(*kept, **prune, max_deletes=50, check=True).values["deleted"]
    done = many(*kept, **prune, max_deletes=50)
    assert done.values["deleted"] == doomed
    assert {"id", "name"} == set(doomed[0])
    assert {record["name"] for record in doomed} >= {"oauth2 password", "oauth2 client"}
    assert all("/delete/was/webappauthrecord/" in item for item in routes(many.sandbox, "/delete/"))
    assert not many(*kept, **prune, max_deletes=50).changed


def test_records_are_deleted_by_ids_and_by_filters_that_are_resolved_first(many: Many) -> None:
    with pytest.raises(OptionError, match="either ids or filters") as caught:
        many(state="absent")
    assert caught.value.hint == "To delete an authentication record by name, use qualys_was_auth_record."
    with pytest.raises(OptionError, match="requires max_deletes"):
        many(state="absent", filters=[{"field": "isUsed", "value": False}])
    done = many(state="absent", ids=[31001, 31002, 99])
    assert [record["id"] for record in done.values["deleted"]] == [31001, 31002]
    oauth2 = [{"field": "contents", "value": ["OAUTH2_PASSWORD", "OAUTH2_CLIENT_CREDS"]}]
    with pytest.raises(OptionError, match="filters matches 2 authentication records"):
        many(state="absent", filters=oauth2, max_deletes=1)
    assert many(state="absent", filters=oauth2, max_deletes=2, check=True).changed
    done = many(state="absent", filters=oauth2, max_deletes=2)
    assert [record["name"] for record in done.values["deleted"]] == ["OAuth2 password", "OAuth2 client credentials"]
    assert not many(state="absent", filters=oauth2, max_deletes=2).changed


def test_an_incomplete_listing_deletes_nothing(many: Many) -> None:
    many.sandbox.faults.add(kind="wrong_count", n=3, match={"route": "count/was/webappauthrecord"}, times=-1)
    with pytest.raises(IncompleteRead, match="authentication records and sent"):
        many(state="absent", filters=[{"field": "isUsed", "value": False}], max_deletes=50)
    assert len(many.names()) == SEEDED


# Listing


def listed(sandbox: Sandbox, **options: Any) -> Result:
    sandbox.reset_counters()
    with client_of(sandbox) as client:
        return info(info_options(**options), client, False)


def test_a_summary_needs_one_listing_and_full_detail_one_request_each(empty: Sandbox) -> None:
    summary = listed(empty)
    assert (summary.values["total"], summary.values["truncated"]) == (SEEDED, False)
    assert set(summary.values["auth_records"][0]) == {"id", "name", "owner", "created", "updated"}
    assert not routes(empty, "/get/")
    full = listed(empty, detail="full").values["auth_records"]
    assert len(routes(empty, "/get/")) == SEEDED
    assert {*OPTIONS} - {"update_secret"} - {name for name in OPTIONS if "s_" in name} <= set(full[0])


@pytest.mark.parametrize("mode", MODES)
def test_no_mode_of_reading_shows_a_secret(empty: Sandbox, mode: str) -> None:
    empty.switches["secret_read_mode"] = mode
    Many(empty)(*wanted())
    nothing_secret_in(listed(empty, detail="full").values)
    shown = str(listed(empty, detail="full").values)
    assert "example-" not in shown
    assert "p&<w" not in shown
    assert MARKER in shown


def test_filters_count_limit_id_and_query(empty: Sandbox) -> None:
    forms = [{"field": "contents", "operator": "IN", "value": "FORM_STANDARD,FORM_CUSTOM"}]
    assert listed(empty, filters=forms, count_only=True).values == {"auth_records": [], "total": 4, "truncated": False}
    assert listed(empty, limit=2, query="[].name").values == {
        "auth_records": ["Storefront login", "Custom login & more"],
        "total": SEEDED,
        "truncated": True,
    }
    (one,) = listed(empty, id=31004).values["auth_records"]
    assert one["server"]["fields"] == [
        {"type": "BASIC", "domain": "CORP", "username": "svc-basic", "password": MARKER},
    ]
    assert listed(empty, id=99).values["auth_records"] == []
    with pytest.raises(OptionError, match="authStatus"):
        listed(empty, filters=[{"field": "lastScan.authStatus", "value": "MAYBE"}])
    none = listed(empty, filters=[{"field": "tags", "operator": "NONE"}])
    assert none.values["total"] == 4


# Web applications


def test_a_record_created_by_name_is_attached_by_name(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        records = Records(sandbox, client)
        key = records(name="checkout login", **RECORDS["form standard"]).values["auth_record"]["id"]
        attach = webapp_options(name="checkout", url="https://checkout.test/", auth_records=["checkout login"])
        done = run_webapp(attach, client, False)
        assert done.values["webapp"]["auth_records"] == ["checkout login"]
        assert sandbox.qualys.webapps[done.values["webapp"]["id"]]["authRecords"] == [key]
        assert not run_webapp(attach, client, False).changed
        other = run_webapp(webapp_options(id=410005, auth_records_add=["checkout login"]), client, False)
        assert "checkout login" in other.values["webapp"]["auth_records"]
        # A change of the record leaves it attached, and the application does not see it.
        assert records(name="checkout login", form={"ssl_only": False}).changed
    assert key in sandbox.qualys.webapps[410005]["authRecords"]


def test_sdk_defect_06_records_are_added_and_removed_in_one_update(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        records = Records(sandbox, client)
        old = records(name="old", **RECORDS["form standard"]).values["auth_record"]["id"]
        new = records(name="new", form={"type": "STANDARD", "fields": LOGIN}).values["auth_record"]["id"]
        app = run_webapp(webapp_options(name="x", url="https://x.test/", auth_records=["old"]), client, False)
        key = app.values["webapp"]["id"]
        assert sandbox.qualys.webapps[key]["authRecords"] == [old]
        sandbox.reset_counters()
        both = webapp_options(id=key, auth_records_add=["new"], auth_records_remove=["old"])
        assert run_webapp(both, client, False).changed
        assert len(routes(sandbox, "/update/")) == 1
        assert sandbox.qualys.webapps[key]["authRecords"] == [new]
        assert not run_webapp(both, client, False).changed


def test_the_canary_is_in_the_state_so_that_looking_for_it_means_something(empty: Sandbox) -> None:
    Many(empty)(*wanted())
    assert sum(str(record).count(CANARY) for record in empty.qualys.auth_records.values()) >= 12
