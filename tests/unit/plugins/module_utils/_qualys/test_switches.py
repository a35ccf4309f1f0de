# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write module in every position of the switches that the vendor leaves open: check, run, run again, check again.

And what a write has not taken is an error that names the field, with "changed" as it really is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record,
    webapp,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule_fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..auth_record_kit import RECORDS, record_options, records_options
from ..qualys_kit import client_of, entry, routes, webapp_options, webapps_options
from ..scan_kit import APP

Run = Callable[[QualysClient, bool], Result]
ANSWERS = ("full", "short", "id")
POSITIONS: list[dict[str, str]] = [
    {
        "secret_read_mode": secrets,
        "plain_read_mode": plain,
        "empty_set_clears": cleared,
        "missing_list_entry": missing,
        "http_status_mode": status,
        "auth_field_key": key,
        "create_answer": answer,
    }
    for ((secrets, plain), (cleared, missing), (status, key)), answer in zip(
        itertools.product(
            [("clear_unless_secured", "shown"), ("masked", "masked"), ("absent", "absent")],
            [("true", "ignored"), ("false", "reject"), ("reject", "reject")],
            [("always_200", "name"), ("mapped", "id")],
        ),
        itertools.cycle(ANSWERS),
        strict=False,
    )
]


def _schedule(**options: Any) -> Run:
    blank = {name: spec.get("default") for name, spec in option_spec(FIELDS).items()}
    whole = {**blank, "state": "present", "id": None, **options}
    return lambda client, check: schedule.run(whole, client, check)


def _webapp(**options: Any) -> Run:
    return lambda client, check: webapp.run(webapp_options(**options), client, check)


def _record(**options: Any) -> Run:
    return lambda client, check: auth_record.run(record_options(**options), client, check)


WRITES: dict[str, Run] = {
    "webapp create": _webapp(
        name="new",
        url="https://new.test/",
        tags=["prod"],
        attributes={"a": "1"},
        headers=["X-A: 1"],
        url_excludelist=["x", {"value": "^y", "regex": True}],
        default_scanner={"type": "EXTERNAL", "friendly_name": None},
        cancel_after=5,
        comments=["one"],
    ),
    "webapp update": _webapp(
        id=APP + 1,
        tags=[],
        attributes={"Cost Center": "changed"},
        headers=["X-B: 2"],
        uris_add=["https://a.test/x"],
        cancel_after=0,
        sub_domain="",
        default_scanner={"type": "EXTERNAL", "friendly_name": None},
        auth_records=[],
        url_allowlist=["z"],
    ),
    "webapps": lambda client, check: webapp.run_many(
        webapps_options(
            entry(name="bulk", url="https://bulk.test/", uris=["https://bulk.test/a"]),
            entry(id=APP + 2, tags=["uat"], headers_remove=["X-Scan"]),
            entry(id=APP + 3, use_sitemap=True, url_excludelist=[]),
        ),
        client,
        check,
    ),
    **{f"auth record create, {kind}": _record(name="new", **options) for kind, options in RECORDS.items()},
    "auth record flag": _record(name="form standard", form={"ssl_only": False}),
    "auth record field": _record(
        name="form custom",
        form={"fields": [{"name": "tenant"}, {"name": "answer"}, {"name": "passwd"}, {"name": "more", "value": "1"}]},
    ),
    "auth record domain": _record(
        name="server mixed", server={"fields": [{"type": "DIGEST"}, {"type": "NTLM", "domain": "OTHER"}]}
    ),
    "auth record login": _record(name="server mixed", server={"fields": [{"type": "DIGEST"}]}),
    "auth records": lambda client, check: auth_record.run_many(
        records_options(
            {"name": "oauth2 password", "oauth2": {"scope": "other"}},
            {"name": "form and server", "form": {"ssl_only": True}, "tags": ["prod"]},
        ),
        client,
        check,
    ),
    "schedule create": _schedule(
        name="new",
        webapp=str(APP),
        start="2027-01-01T00:00:00Z",
        recurrence={"type": "DAILY", "every": 2, "count": 0},
        notification={"recipients": ["a@x.test"], "delay": 1},
    ),
    "schedule update": _schedule(
        id=640001, start="2027-02-01T00:00:00Z", active=False, recurrence={"type": "ONCE"}, cancel_after=0
    ),
}


APPS = {"tags": ["prod"], "use_sitemap": True, "cancel_after": 5, "scope": "LIMIT", "headers": ["X-A: 1"]}
NIGHTLY = {"name": "new", "webapp": str(APP), "start": "2027-01-01T00:00:00Z", "recurrence": {"type": "ONCE"}}
# Of each kind a create, by the module for one and that for many, and the fields that a record can be without.
CREATES: dict[str, tuple[Run, set[str]]] = {
    "webapp": (_webapp(name="new", url="https://new.test/", **APPS), set(APPS)),
    "webapps": (
        lambda client, check: webapp.run_many(
            webapps_options(entry(name="new", url="https://new.test/", **APPS)), client, check
        ),
        set(APPS),
    ),
    "auth_record": (_record(name="new", tags=["prod"], comments=["c"], **RECORDS["form custom"]), {"tags", "comments"}),
    "auth_records": (
        lambda client, check: auth_record.run_many(
            records_options({"name": "new", "tags": ["prod"], "comments": ["c"], **RECORDS["server mixed"]}),
            client,
            check,
        ),
        {"tags", "comments"},
    ),
    "schedule": (
        _schedule(**NIGHTLY, send_mail=True, notification={"recipients": ["a@x.test"], "delay": 1}),
        {"send_mail", "notification"},
    ),
}


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    with Sandbox(webapps=6, findings=0) as running:
        yield running


@pytest.fixture
def box(shared_box: Sandbox) -> Iterator[Sandbox]:
    """An estate with an authentication record of each kind."""
    before = dict(shared_box.switches)
    shared_box.reset()
    with client_of(shared_box) as client:
        wanted = [{"name": kind, **options} for kind, options in RECORDS.items()]
        assert auth_record.run_many(records_options(*wanted), client, False).error is None
    yield shared_box
    shared_box.switches.update(before)
    shared_box.faults.clear()


def four_runs(box: Sandbox, run: Run) -> list[tuple[bool, int]]:
    """What each run said about a change, and how many writes the sandbox saw of it."""
    seen = []
    for check in (True, False, False, True):
        box.reset_counters()
        with client_of(box, retries=0) as client:
            result = run(client, check)
        counters = box.counters.snapshot()
        assert counters["internal_errors"] == 0
        assert result.error is None, str(result.error)
        assert result.warnings == []
        assert not check or counters["writes"] == 0
        seen.append((result.changed, counters["writes"]))
    return seen


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: "-".join(position.values()))
def test_four_runs_of_every_write_module(box: Sandbox, position: dict[str, str]) -> None:
    box.switches.update(position)
    for name, run in WRITES.items():
        first_check, first, again, check_again = four_runs(box, run)
        assert (first_check, first[0], first[1] > 0) == ((True, 0), True, True), name
        assert (again, check_again) == ((False, 0), (False, 0)), name
        if "create" in name:
            _forget(box)


def _forget(box: Sandbox) -> None:
    """Records called "new" get another name, so that the next create makes one."""
    for table in (box.qualys.auth_records, box.qualys.webapps, box.qualys.schedules):
        for record in table.values():
            if record["name"] == "new":
                record["name"] = f"made {record['id']}"


def created(box: Sandbox, kind: str) -> Result:
    with client_of(box, retries=0) as client:
        return CREATES[kind][0](client, False)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("kind", CREATES)
def test_a_create_is_taken_as_a_whole_whatever_its_answer_shows(box: Sandbox, kind: str, answer: str) -> None:
    box.switches["create_answer"] = answer
    done = created(box, kind)
    assert (done.changed, done.error, done.warnings) == (True, None, [])
    assert done.diff is not None
    (diff,) = done.diff if isinstance(done.diff, list) else [done.diff]
    assert CREATES[kind][1] <= set(diff["after"])


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("kind", CREATES)
def test_what_a_create_passes_over_is_told_whatever_its_answer_shows(box: Sandbox, kind: str, answer: str) -> None:
    box.switches.update({"create_answer": answer, "create_takes": "needed"})
    done = created(box, kind)
    assert done.changed
    names = str(done.error).partition(" ignored ")[2].partition(".")[0].split(", ")
    assert set(names) == CREATES[kind][1]
    assert done.diff is not None
    (diff,) = done.diff if isinstance(done.diff, list) else [done.diff]
    assert not set(names) & set(diff["after"])
    for (item,) in [done.values["results"]] if "results" in done.values else []:
        assert (item["changed"], item["failed"], set(item["fields"]) & set(names)) == (True, True, set())


def test_creates_that_are_answered_in_full_are_not_read_again(box: Sandbox) -> None:
    for answer, gets in (("full", 0), ("short", 3), ("id", 3)):
        box.switches["create_answer"] = answer
        box.reset_counters()
        wanted = [entry(name=f"{answer} {number}", url=f"https://{number}.test/", **APPS) for number in range(3)]
        with client_of(box, retries=0) as client:
            assert webapp.run_many(webapps_options(*wanted), client, False).error is None
        assert len(routes(box, "/get/was/webapp")) == gets
