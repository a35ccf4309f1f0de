# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write of Qualys WAS x every error status x every body: a typed error, or a wait. Never a defect of ours."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousWrite,
    AuthenticationFailed,
    PerimeterError,
    ServerFault,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import (
    auth_record,
    purge,
    webapp,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import reports
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import scan, schedule
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.schedule_fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..auth_record_kit import LOGIN, record_options, records_options
from ..qualys_kit import client_of, entry, routes, webapp_options, webapps_options
from ..scan_kit import APP, Clock, scan_options
from .life import finding_options

STATUSES = (401, 403, 404, 409, 413, 429, 500, 502, 503)
SAID = "The storage of reports is full"
DETAILS = f'"responseErrorDetails": {{"errorMessage": "{SAID}"}}'
BODIES = {
    "envelope": f'{{"ServiceResponse": {{"responseCode": "OTHER_ERROR", {DETAILS}}}}}',
    "refusal": f'{{"ServiceResponse": {{"responseCode": "INVALID_REQUEST", {DETAILS}}}}}',
    "xml envelope": "<ServiceResponse><responseCode>OTHER_ERROR</responseCode><responseErrorDetails><errorMessage>"
    f"{SAID}</errorMessage></responseErrorDetails></ServiceResponse>",
    "xml": "<SIMPLE_RETURN><RESPONSE><CODE>1960</CODE><TEXT>limit</TEXT></RESPONSE></SIMPLE_RETURN>",
    "json": "json",
    "html": "html",
    "empty": "empty",
}

FORM = {"type": "STANDARD", "fields": LOGIN}
SCHEDULE = {"name": "new", "webapp": str(APP), "start": "2027-01-01T00:00:00Z", "recurrence": {"type": "ONCE"}}
Write = Callable[[QualysClient, Sandbox, Path], Result]


def _schedule(client: QualysClient, **options: Any) -> Result:
    blank = {name: spec.get("default") for name, spec in option_spec(FIELDS).items()}
    return schedule.run({**blank, "state": "present", "id": None, **options}, client, False)


def _finding(client: QualysClient, sandbox: Sandbox, **options: Any) -> Result:
    found = (item for item in sandbox.qualys.findings.in_order() if item["type"] == "VULNERABILITY")
    plain = next(item for item in found if not item.get("isIgnored") and "originalSeverity" not in item)
    return finding.run(finding_options(ids=[plain["id"]], **options), client, False)


def _unused_record(box: Sandbox) -> int:
    used = {key for app in box.qualys.webapps.values() for key in app["authRecords"]}
    return next(key for key in box.qualys.auth_records.ids if key not in used)


def _ignored_again(client: QualysClient, box: Sandbox, **options: Any) -> Result:
    found = next(item for item in box.qualys.findings.in_order() if item["type"] == "VULNERABILITY")
    found.update(isIgnored=True, ignoredReason="FALSE_POSITIVE")
    return finding.run(finding_options(ids=[found["id"]], **options), client, False)


def _edited(client: QualysClient, box: Sandbox, **options: Any) -> Result:
    found = next(item for item in box.qualys.findings.in_order() if item["type"] == "VULNERABILITY")
    found.update(severity=1, originalSeverity=4)
    return finding.run(finding_options(ids=[found["id"]], **options), client, False)


def _purge(client: QualysClient) -> Result:
    return purge.run({"ids": [APP], "filters": None, "filters_strict": True, "max_purges": None}, client, False)


def _scan(client: QualysClient, sandbox: Sandbox, **options: Any) -> Result:
    return scan.run(scan_options(**options), client, False, timing=Clock(sandbox).timing())


def _report(client: QualysClient, sandbox: Sandbox, folder: Path) -> Result:
    names = ("template", "file_password", "recipients", "id", "keep")
    options = {"name": "r", "type": "WAS_WEBAPP_REPORT", "targets": {"webapps": [str(APP)]}, "format": "PDF"}
    options |= {**dict.fromkeys(names), "dest": str(folder / "r"), "wait_timeout": "15m", "poll_interval": "10s"}
    return reports.run(options, client, False, timing=Clock(sandbox).timing())


WRITES: dict[str, tuple[str, Write]] = {
    "webapp create": (
        "create/was/webapp",
        lambda client, _box, _dir: webapp.run(webapp_options(name="n", url="https://n.test/"), client, False),
    ),
    "webapp update": (
        "update/was/webapp",
        lambda client, _box, _dir: webapp.run(webapp_options(id=APP, cancel_after=77), client, False),
    ),
    "webapp delete": (
        "delete/was/webapp",
        lambda client, _box, _dir: webapp.run(webapp_options(id=APP + 9, state="absent"), client, False),
    ),
    "webapps": (
        "update/was/webapp",
        lambda client, _box, _dir: webapp.run_many(webapps_options(entry(id=APP, cancel_after=77)), client, False),
    ),
    "webapps delete": (
        "delete/was/webapp",
        lambda client, _box, _dir: webapp.run_many(webapps_options(state="absent", ids=[APP + 9]), client, False),
    ),
    "purge": ("purge/was/webapp", lambda client, _box, _dir: _purge(client)),
    "auth record create": (
        "create/was/webappauthrecord",
        lambda client, _box, _dir: auth_record.run(record_options(name="n", form=FORM), client, False),
    ),
    "auth records": (
        "update/was/webappauthrecord",
        lambda client, box, _dir: auth_record.run_many(
            records_options({"id": box.qualys.auth_records.ids[0], "name": "other"}), client, False
        ),
    ),
    "finding": (
        "ignore/was/finding",
        lambda client, box, _dir: _finding(client, box, state="ignored", reason="FALSE_POSITIVE"),
    ),
    "finding severity": (
        "editSeverity/was/finding",
        lambda client, box, _dir: _finding(client, box, severity=1, severity_comment="x"),
    ),
    "scan": (
        "launch/was/wasscan",
        lambda client, box, _dir: _scan(client, box, state="launched", webapp=str(APP), name="ci"),
    ),
    "schedule create": ("create/was/wasscanschedule", lambda client, _box, _dir: _schedule(client, **SCHEDULE)),
    "schedule switch": (
        "ivate/was/wasscanschedule",
        lambda client, box, _dir: _schedule(
            client,
            id=box.qualys.schedules.ids[0],
            active=not box.qualys.schedules[box.qualys.schedules.ids[0]]["active"],
        ),
    ),
    "report": ("create/was/report", _report),
}
# The other operations of these modules: each status once, with one body after the other.
MORE: dict[str, tuple[str, Write]] = {
    "webapps create": (
        "create/was/webapp",
        lambda client, _box, _dir: webapp.run_many(
            webapps_options(entry(name="n", url="https://n.test/")), client, False
        ),
    ),
    "auth record update": (
        "update/was/webappauthrecord",
        lambda client, box, _dir: auth_record.run(
            record_options(id=box.qualys.auth_records.ids[0], name="other"), client, False
        ),
    ),
    "auth record delete": (
        "delete/was/webappauthrecord",
        lambda client, box, _dir: auth_record.run(record_options("absent", id=_unused_record(box)), client, False),
    ),
    "auth records delete": (
        "delete/was/webappauthrecord",
        lambda client, box, _dir: auth_record.run_many(
            records_options(state="absent", ids=[_unused_record(box)]), client, False
        ),
    ),
    "finding retest": ("retest/was/finding", lambda client, box, _dir: _finding(client, box, retest=True)),
    "finding active": ("activate/was/finding", lambda client, box, _dir: _ignored_again(client, box, state="active")),
    "finding restore": (
        "restoreSeverity/was/finding",
        lambda client, box, _dir: _edited(client, box, restore_severity=True),
    ),
    "scan cancel": (
        "cancel/was/wasscan",
        lambda client, box, _dir: _scan(client, box, id=_scan_that(box, "RUNNING"), state="canceled"),
    ),
    "scan delete": (
        "delete/was/wasscan",
        lambda client, box, _dir: _scan(client, box, id=_scan_that(box, "FINISHED"), state="absent"),
    ),
    "schedule update": (
        "update/was/wasscanschedule",
        lambda client, box, _dir: _schedule(client, id=box.qualys.schedules.ids[0], start="2027-05-01T00:00:00Z"),
    ),
    "schedule delete": (
        "delete/was/wasscanschedule",
        lambda client, box, _dir: _schedule(client, id=box.qualys.schedules.ids[0], state="absent"),
    ),
}


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Sandbox]:
    with Sandbox(webapps=12, findings=24) as running:
        yield running


def outcome(write: Write, box: Sandbox, folder: Path) -> tuple[Result | None, PerimeterError | None]:
    """What a module's logic came to. Anything but a typed error is a defect, and ends the test."""
    with client_of(box, retries=1, max_connections=2) as client:
        try:
            result = write(client, box, folder)
        except PerimeterError as error:
            return None, error
        return result, result.error


EACH = list(itertools.product(STATUSES, BODIES))


@pytest.mark.parametrize("name", [*WRITES, *MORE])
def test_no_answer_makes_a_module_fail_inside(name: str, shared_box: Sandbox, tmp_path: Path) -> None:
    route, write = (WRITES | MORE)[name]
    shift = list(MORE).index(name) if name in MORE else 0
    bodies = itertools.islice(itertools.cycle(BODIES), shift, None)
    shared_box.reset()
    for status, kind in EACH if name in WRITES else zip(STATUSES, bodies, strict=False):
        body = BODIES[kind]
        if shared_box.counters.snapshot()["writes_applied"]:
            shared_box.reset()
        shared_box.reset_counters()
        shared_box.faults.add(kind="status", status=status, body=body, match={"route": route}, times=1)
        result, error = outcome(write, shared_box, tmp_path)
        case = f"{name}, {status}, {kind}: {error}"
        assert shared_box.faults.pending() == 0, case
        shared_box.faults.clear()
        sent = len(routes(shared_box, route))
        if status == 429 or (status == 409 and kind != "refusal"):
            assert (error, sent) == (None, 2), case
            assert result is not None, case
            assert result.changed, case
            continue
        assert error is not None, case
        assert sent == 1, case
        assert error.__class__ is not PerimeterError, case
        assert "internal error" not in str(error), case
        if status == 401:
            assert AuthenticationFailed.kind in (error.kind, *_kinds(result)), case
        elif kind in ("envelope", "refusal", "xml envelope"):
            assert SAID in str(error), case
            assert VendorError.kind in (error.kind, *_kinds(result)), case


def _kinds(result: Result | None) -> list[str]:
    values = {} if result is None else result.values
    items = [*(values.get("results") or ()), *(values.get("findings") or ())]
    return [item["error"]["kind"] for item in items if item.get("error")]


def test_one_throttled_write_of_many_loses_no_result(shared_box: Sandbox) -> None:
    shared_box.reset()
    body = BODIES["xml"]
    shared_box.faults.add(kind="status", status=409, body=body, match={"route": "/update/"}, times=3, skip=4)
    wanted = [entry(id=APP + number, cancel_after=77) for number in range(8)]
    with client_of(shared_box, max_connections=4) as client:
        done = webapp.run_many(webapps_options(*wanted), client, False)
    assert done.error is None
    assert [result["changed"] for result in done.values["results"]] == [True] * 8
    held = [shared_box.qualys.webapps[APP + number]["config"]["cancelScansAfterNHours"] for number in range(8)]
    assert held == [77] * 8


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("status", [200, 409, 429, 500])
def test_a_create_that_is_answered_as_a_success_is_sent_once(shared_box: Sandbox, status: int, form: str) -> None:
    shared_box.reset()
    new = max(shared_box.qualys.webapps.ids) + 1
    answer = {"responseCode": "SUCCESS", "count": 1, "data": [{"WebApp": {"id": new}}]}
    body = json.dumps({"ServiceResponse": answer})
    if form == "xml":
        body = f"<ServiceResponse><responseCode>SUCCESS</responseCode><data><WebApp><id>{new}</id></WebApp></data>"
        body += "</ServiceResponse>"
    headers = {"X-RateLimit-ToWait-Sec": "0"}
    shared_box.faults.add(
        kind="apply_then_status", status=status, body=body, headers=headers, match={"route": "/create/"}
    )
    with client_of(shared_box) as client:
        done = webapp.run(webapp_options(name="two", url="https://two.test/"), client, False)
    assert [record["id"] for record in shared_box.qualys.webapps.in_order() if record["name"] == "two"] == [new]
    assert (done.changed, done.error, done.values["webapp"]["id"]) == (True, None, new)


def test_a_limit_and_a_success_at_once_leave_a_write_in_doubt(shared_box: Sandbox) -> None:
    shared_box.reset()
    shared_box.reset_counters()
    body = '{"ServiceResponse": {"responseCode": "SUCCESS"}}'
    shared_box.faults.add(kind="status", status=409, body=body, match={"route": "/delete/"})
    with client_of(shared_box) as client, pytest.raises(AmbiguousWrite, match="HTTP 409 and SUCCESS"):
        webapp.run(webapp_options(id=APP, state="absent"), client, False)
    assert len(routes(shared_box, "/delete/")) == 1


@pytest.mark.parametrize("status", [200, 409, 500])
def test_a_success_in_xml_is_a_success_of_a_write(shared_box: Sandbox, status: int) -> None:
    shared_box.reset()
    body = f"<ServiceResponse><responseCode>SUCCESS</responseCode><data><WebApp><id>{APP}</id></WebApp></data>"
    shared_box.faults.add(
        kind="apply_then_status",
        status=status,
        body=body + "</ServiceResponse>",
        match={"route": "/update/"},
    )
    with client_of(shared_box) as client:
        done = webapp.run(webapp_options(id=APP, cancel_after=77), client, False)
    assert (done.changed, done.values["webapp"]["cancel_after"]) == (True, 77)


REFUSED: dict[str, Write] = {
    "update": lambda client, _box, _folder: webapp.run(webapp_options(id=APP, cancel_after=77), client, False),
    "delete": lambda client, _box, _folder: webapp.run(webapp_options(id=APP, state="absent"), client, False),
    "purge": lambda client, _box, _folder: _purge(client),
    "delete of a scan": lambda client, box, _folder: _scan(client, box, id=_scan_that(box, "FINISHED"), state="absent"),
    "cancel": lambda client, box, _folder: _scan(client, box, id=_scan_that(box, "RUNNING"), state="canceled"),
    "retest": lambda client, box, _folder: _finding(client, box, retest=True),
}


def _scan_that(box: Sandbox, status: str) -> int:
    key = int(box.qualys.scans.ids[0])
    box.qualys.scans[key]["status"] = status
    return key


@pytest.mark.parametrize("name", REFUSED)
def test_the_vendors_words_outlive_a_look_that_fails(
    name: str, shared_box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_box.reset()
    sent: list[str] = []

    def broken(*_args: Any, **_options: Any) -> Any:
        raise ServerFault("The look failed.", status=503, body=b"")

    def refuse(_client: QualysClient, operation: str, *_args: Any) -> Any:
        sent.append(operation)
        for read in ("get", "ask"):
            monkeypatch.setattr(QualysClient, read, broken)
        raise VendorError(SAID, code="INVALID_PARAM")

    monkeypatch.setattr(QualysClient, "write", refuse)
    _result, error = outcome(REFUSED[name], shared_box, tmp_path)
    assert len(sent) == 1
    assert SAID in str(error)
