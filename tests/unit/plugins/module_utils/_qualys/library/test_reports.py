# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report is created once, waited for, written as one private file, and deleted again."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousWrite,
    AuthenticationFailed,
    BadResponse,
    FileError,
    NotFound,
    OptionError,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http.response import Headers, Response
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import reports
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.reports import FORMATS, run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, run_module
from ...scan_kit import APP, Clock, report_options

SECRET = "canary-p&<w>"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(webapps=12, findings=60) as running:
        yield running


class Reports:
    """Runs the logic of ``qualys_was_report`` against a sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.dest = folder / "report.bin"
        self.clock = Clock(sandbox)

    def __call__(self, *, check: bool = False, **options: Any) -> Result:
        if options.get("id") is None:
            options = {"name": "r & <1>", "targets": {"webapps": [str(APP)]}, **options}
        self.sandbox.reset_counters()
        self.clock.slept.clear()
        with client_of(self.sandbox) as client:
            result = run(report_options(self.dest, **options), client, check, timing=self.clock.timing())
        assert self.sandbox.counters.snapshot()["internal_errors"] == 0
        assert "canary" not in repr(result)
        if check:
            assert self.sandbox.counters.writes == 0
            assert not self.dest.exists()
        return result

    def fault(self, route: str, kind: str, **details: Any) -> None:
        self.sandbox.faults.add({"match": {"route": route}, "kind": kind, **details})

    @property
    def held(self) -> list[int]:
        return list(self.sandbox.qualys.reports.ids)

    def seen(self, word: str) -> int:
        return sum(word in item["path"] for item in self.sandbox.counters.snapshot()["recent"])


@pytest.fixture
def make(sandbox: Sandbox, tmp_path: Path) -> Reports:
    return Reports(sandbox, tmp_path)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_report_is_created_downloaded_and_deleted_in_each_format(make: Reports, file_format: str) -> None:
    before = make.held
    secrets = {"file_password": SECRET, "recipients": ["a@example.com"]} if file_format == "PDF_ENCRYPTED" else {}
    result = make(format=file_format, **secrets)
    assert (result.error, result.warnings, result.changed) == (None, [], True)
    body = make.dest.read_bytes()
    assert stat.S_IMODE(make.dest.stat().st_mode) == 0o600
    assert result.values["sha256"] == hashlib.sha256(body).hexdigest()
    assert (result.values["bytes"], result.values["deleted"]) == (len(body), True)
    assert result.values["report"]["status"] == "COMPLETE"
    assert make.held == before
    assert [path.name for path in make.dest.parent.iterdir()] == ["report.bin"]


def test_check_mode_resolves_and_creates_nothing(make: Reports) -> None:
    for _again in range(2):
        result = make(check=True)
        assert result.changed
        assert (result.values["report"]["id"], result.values["report"]["name"]) == (None, "r & <1>")
    with pytest.raises(OptionError, match="no web application 99999999"):
        make(check=True, targets={"webapps": ["99999999"]})


def test_each_run_creates_a_new_report(make: Reports) -> None:
    first, second = make(keep=True), make(keep=True)
    assert first.changed
    assert second.changed
    assert first.values["report"]["id"] != second.values["report"]["id"]
    assert not second.values["deleted"]


def test_what_is_sent(make: Reports) -> None:
    templates = make.sandbox.qualys.report_templates
    template = templates[templates.ids[0]]
    stored = make.sandbox.qualys.reports
    result = make(keep=True, template=template["name"], targets={"webapps": ["Storefront (prod)", str(APP + 1)]})
    record = stored[result.values["report"]["id"]]
    assert record["name"] == "r & <1>"
    assert record["config"]["webAppReport"]["target"]["webapps"] == [APP, APP + 1]
    assert record["template"] == {"id": template["id"]}
    scan_id = make.sandbox.qualys.scans.ids[0]
    result = make(keep=True, type="WAS_SCAN_REPORT", targets={"scans": [scan_id], "webapps": None, "tags": []})
    assert stored[result.values["report"]["id"]]["config"]["scanReport"]["target"]["scans"] == [scan_id]


def test_tags_mean_the_applications_that_have_all_of_them(make: Reports) -> None:
    apps = make.sandbox.qualys.webapps
    tags = apps[APP]["tags"]
    expected = {app["id"] for app in apps.in_order() if set(tags) <= set(app["tags"])} | {APP + 1}
    result = make(keep=True, targets={"tags": [str(tag) for tag in tags], "webapps": [str(APP + 1)]})
    stored = make.sandbox.qualys.reports[result.values["report"]["id"]]
    assert set(stored["config"]["webAppReport"]["target"]["webapps"]) == expected
    with pytest.raises(OptionError, match="no web application has all"):
        make(targets={"tags": ["prod", "dev", "uat", "staging"]})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "name is required"),
        ({"targets": None}, "takes webapps or tags"),
        ({"targets": {"scans": [1]}}, "takes webapps or tags"),
        ({"type": "WAS_SCAN_REPORT"}, "takes only scans"),
        ({"type": "WAS_SCAN_REPORT", "targets": {"scans": [1], "tags": ["prod"]}}, "takes only scans"),
        ({"format": "PDF_ENCRYPTED"}, "file_password is required with"),
        ({"format": "PDF_ENCRYPTED", "file_password": SECRET}, "recipients is required with"),
        ({"file_password": SECRET}, "file_password is required with"),
        ({"recipients": ["a@example.com"]}, "recipients is required with"),
        ({"template": "nope"}, "template: there is no report template"),
        ({"wait_timeout": "1"}, "wait_timeout"),
        ({"poll_interval": "0s"}, "poll_interval"),
    ],
)
def test_bad_options_are_told_before_anything_is_created(make: Reports, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make(**options)
    assert make.sandbox.counters.writes == 0


def test_a_file_that_cannot_be_written_is_told_first(make: Reports, tmp_path: Path) -> None:
    make.dest = tmp_path / "missing" / "report.pdf"
    with pytest.raises(FileError, match="does not exist"):
        make()
    assert make.sandbox.counters.snapshot()["requests"] == 0


def test_a_file_that_cannot_be_written_later_does_not_lose_the_report(
    make: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reports, "replace_file", full)
    result = make()
    assert isinstance(result.error, FileError)
    assert result.values["report"]["id"] in make.held


def test_storage_that_is_full_has_a_way_out(make: Reports) -> None:
    make.sandbox.switches["report_storage"] = "full"
    with pytest.raises(VendorError, match="OTHER_ERROR") as caught:
        make()
    assert "Delete reports" in caught.value.hint
    make.sandbox.switches["report_storage"] = "free"
    make.fault("create/was/report", "response_code", code="OTHER_ERROR", message="something else")
    with pytest.raises(VendorError) as caught:
        make()
    assert "storage" not in caught.value.hint


def test_a_create_in_doubt_is_adopted_and_never_repeated(make: Reports) -> None:
    old = make(keep=True).values["report"]["id"]
    make.fault("create/was/report", "apply_then_reset")
    result = make(keep=True)
    assert (result.error, make.seen("create/was/report")) == (None, 1)
    assert result.values["report"]["id"] == make.held[-1] != old
    held = make.held
    make.fault("create/was/report", "reset")
    with pytest.raises(AmbiguousWrite, match="create of report"):
        make()
    assert (make.held, make.seen("create/was/report")) == (held, 1)


def test_a_create_that_cannot_be_sent_or_answers_nothing(make: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    write = QualysClient.write

    def mute(self: Any, *arguments: Any) -> Any:
        write(self, *arguments)
        return []

    monkeypatch.setattr(QualysClient, "write", mute)
    assert make(keep=True).values["report"]["id"] == make.held[-1]

    def unsent(_self: Any, *_arguments: Any) -> Any:
        raise TransportError("nothing was sent", sent=False)

    monkeypatch.setattr(QualysClient, "write", unsent)
    with pytest.raises(TransportError, match="nothing was sent"):
        make()


# Waiting


def test_create_waiting_and_download_share_one_budget(make: Reports) -> None:
    make.sandbox.switches.update({"progress": "clock", "report_seconds": "100000"})
    result = make(wait_timeout="1m")
    assert sum(make.clock.slept) == pytest.approx(60)
    assert result.error is not None
    assert result.error.kind == "report_timeout"
    report_id = result.values["report"]["id"]
    assert f"id: {report_id}" in result.error.hint
    assert report_id in make.held
    assert not make.dest.exists()
    make.sandbox.clock.advance(100000)
    waited = make(id=report_id)
    assert (waited.error, waited.changed, waited.values["deleted"]) == (None, True, False)
    assert report_id in make.held
    again = make(id=report_id)
    assert (again.error, again.changed) == (None, False)
    assert make(id=report_id, keep=False).values["deleted"]


def test_a_report_by_id_in_check_mode_and_one_that_is_not_there(make: Reports) -> None:
    report_id = make(keep=True).values["report"]["id"]
    make.dest = make.dest.with_name("other.pdf")
    assert make(check=True, id=report_id).values["report"]["id"] == report_id
    with pytest.raises(NotFound, match="there is no report 1"):
        make(id=1)


def test_a_report_that_qualys_cannot_make(make: Reports) -> None:
    make.sandbox.switches["report_outcome"] = "error"
    result = make()
    assert result.error is not None
    assert (result.error.kind, result.values["report"]["status"]) == ("report_failed", "ERROR")
    assert not make.dest.exists()


def test_looks_and_downloads_that_fail_are_repeated(make: Reports) -> None:
    make.fault("status/was/report", "response_code", code="JMS_SERVER_DOWN", times=2)
    make.fault("download/was/report", "response_code", code="STILL_PROCESSING")
    make.fault("download/was/report", "html_200")
    result = make()
    assert (result.error, make.dest.read_bytes()[:5]) == (None, b"%PDF-")


def test_looks_that_all_fail_tell_the_last_error(make: Reports) -> None:
    make.fault("status/was/report", "response_code", code="OTHER_ERROR", times=-1)
    result = make(wait_timeout="30s")
    assert result.error is not None
    assert "OTHER_ERROR" in result.error.message


def test_refused_credentials_while_waiting_return_the_report(make: Reports) -> None:
    make.fault("status/was/report", "response_code", code="INVALID_CREDENTIALS")
    result = make()
    assert isinstance(result.error, AuthenticationFailed)
    assert result.values["report"]["id"] == make.held[-1]


def test_unknown_words_are_waited_through_and_told(make: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, words = QualysClient.ask, ["QUEUED", None, "COMPLETE"]

    def told(self: Any, *arguments: Any) -> Any:
        ask(self, *arguments)
        word = words.pop(0)
        return [{"status": word}] if word else []

    monkeypatch.setattr(QualysClient, "ask", told)
    make.sandbox.switches["report_polls"] = "0"
    result = make()
    assert result.error is None
    assert "status=QUEUED" in result.warnings[0]


def test_a_report_that_cannot_be_deleted_is_a_warning(make: Reports) -> None:
    make.fault("delete/was/report", "response_code", code="OTHER_ERROR")
    result = make()
    assert (result.error, result.values["deleted"]) == (None, False)
    assert "could not be deleted" in result.warnings[0]
    assert make.dest.exists()


# Answers


def answer(body: bytes, status: int = 200) -> Response:
    return Response(status, Headers(), body, "https://x/y", {})


@pytest.mark.parametrize("body", [b"", b"  \n", b"<!DOCTYPE html><html>down</html>", b'{"ServiceResponse": {'])
def test_what_is_no_file_is_tried_again(body: bytes) -> None:
    verdict = reports._judge(answer(body), "download", "PDF")
    assert verdict.kind == "retry"
    assert isinstance(verdict.error, BadResponse)


def test_a_refusal_in_xml_is_no_file() -> None:
    said = b"<responseErrorDetails><errorMessage>wait</errorMessage></responseErrorDetails>"
    body = b"<ServiceResponse><responseCode>STILL_PROCESSING</responseCode>" + said + b"</ServiceResponse>"
    with pytest.raises(VendorError, match=r"STILL_PROCESSING: wait\."):
        reports._judge(answer(body), "download", "XML")
    with pytest.raises(VendorError, match="no responseCode"):
        reports._judge(answer(b"<ServiceResponse/>"), "download", "XML")
    with pytest.raises(BadResponse, match="an incomplete error"):
        reports._judge(answer(b"<ServiceResponse><responseCode>"), "download", "XML")


@pytest.mark.parametrize(
    ("body", "file_format"),
    [
        (b"<!DOCTYPE html><html></html>", "HTML_BASE64"),
        (b"<WAS_SCAN_REPORT/>", "XML"),
        (b"%PDF-1.4", "PDF"),
        (b"id,name\n", "CSV"),
        (b'{"a": 1}', "CSV"),
    ],
)
def test_files_are_taken_as_they_are(body: bytes, file_format: str) -> None:
    assert reports._judge(answer(body), "download", file_format).kind == "ok"


def test_the_module_writes_the_file(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.switches["report_polls"] = "0"
    dest = tmp_path / "r.csv"
    targets = {"webapps": [str(APP)]}
    ran = run_module("qualys_was_report", sandbox, name="r", targets=targets, format="CSV", dest=str(dest))
    assert not ran.failed, ran.result
    assert (ran.result["changed"], dest.exists()) == (True, True)
    assert run_module("qualys_was_report", sandbox, dest=str(dest)).failed
