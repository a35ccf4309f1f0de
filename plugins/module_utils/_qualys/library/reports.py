# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report at Qualys: create it once, wait, download it to a file, delete it (docs/vendors/qualys_was.md 15).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import typing as t

from ..._base.errors import BadResponse, FileError, NotFound, OptionError, PerimeterError, TransportError, VendorError
from ..._base.files import PRIVATE, check_target, reason, remove_leftovers, replace_file
from ..._http.response import Response
from ..._http.retry import OK, RETRY_AS, Verdict
from ..._reconcile.settle import settle
from ..._records.result import Result
from ..._records.times import canonical_time
from ..api.client import MAX_PAGE, QualysClient
from ..api.deletion import delete_record
from ..api.envelope import judge, refusal
from ..api.listing import Listing
from ..api.safe_xml import parse_xml, root_name
from ..api.shapes import Raw, number, text
from ..api.waiting import Budget, Looks, PollTiming, look_until, seconds_of
from ..api.xml import Node
from ..resource.references import References

RESOURCE = "report"
Written = t.Mapping[str, t.Any]

CONFIGS = {"WAS_SCAN_REPORT": "scanReport", "WAS_WEBAPP_REPORT": "webAppReport"}
"""The supported types, with the element of their configuration (docs/vendors/qualys_was.md 15)."""

FORMATS = ("HTML_ZIPPED", "HTML_BASE64", "PDF", "PDF_ENCRYPTED", "POWERPOINT", "CSV", "CSV_V2", "XML", "WORD")
_RUNNING = frozenset({"RUNNING", "SUBMITTED", "PENDING"})
_STORAGE = re.compile(r"storage.*(?:limit|full|exceed|quota)|(?:limit|quota).*storage", re.IGNORECASE)
_PAGE = (b"<!doctype html", b"<html")

FIELDS: tuple[tuple[str, str, t.Callable[[t.Any], t.Any]], ...] = (
    ("id", "id", number),
    ("name", "name", text),
    ("type", "type", text),
    ("format", "format", text),
    ("status", "status", text),
    ("size", "size", number),
    ("created", "creationDate", lambda value: canonical_time(text(value))),
)
"""Our name, the vendor's name, and the conversion of each field."""


class ReportFailed(PerimeterError):
    """Qualys could not create the report."""

    kind = "report_failed"


class ReportTimeout(PerimeterError):
    """The report was not complete when the time budget ended."""

    kind = "report_timeout"


def run(params: Written, client: QualysClient, check_mode: bool, *, timing: PollTiming | None = None) -> Result:
    """Run ``qualys_was_report``.

    Raises:
        PerimeterError: an error before the report exists. A later error is part of the result, together with the
            report.
    """
    dest = pathlib.Path(params["dest"]).expanduser()
    check_target(dest, "dest")
    if not check_mode:
        remove_leftovers(dest)
    budget = Budget(
        seconds_of("wait_timeout", params["wait_timeout"]),
        seconds_of("poll_interval", params["poll_interval"], positive=True),
        timing or PollTiming(),
    )
    own = params.get("id") is None
    if own:
        references = References(client, predicting=check_mode)
        data = _request(client, params, references)
        if check_mode:
            return references.tell(_result(_outline(params), dest, changed=True))
        report = {**_outline(params), "id": _create(client, data, params["name"], budget)}
    else:
        report = _existing(client, params["id"])
    keep = not own if params.get("keep") is None else params["keep"]
    if check_mode:
        return _result(report, dest, changed=True)
    return _fetch(client, report, dest, budget, created=own, keep=keep)


def _outline(params: Written) -> Raw:
    return {"id": None, "name": params["name"], "type": params["type"], "format": params["format"]}


def _existing(client: QualysClient, report_id: int) -> Raw:
    raw = client.get(RESOURCE, report_id)
    if raw is None:
        raise NotFound(f"id: there is no report {report_id}, or this account may not see it.", hint="Check the id.")
    return raw


def _result(report: Raw, dest: pathlib.Path, *, changed: bool) -> Result:
    record = {ours: read(report.get(theirs)) for ours, theirs, read in FIELDS}
    values = {"report": record, "dest": str(dest), "bytes": None, "sha256": None, "deleted": False}
    return Result(changed=changed, values=values)


# Create


def _request(client: QualysClient, params: Written, references: References) -> dict[str, Node]:
    """Return the data of the create, with names resolved to ids. Sends no write.

    Raises:
        OptionError: an option is missing or invalid, or a name does not exist.
        AmbiguousMatch: a name matches several records.
    """
    for name in ("name", "type", "format"):
        if not str(params.get(name) or "").strip():
            raise OptionError(f"{name} is required without id.", hint=f"Give {name}, or the id of an existing report.")
    _check_encryption(params)
    node: dict[str, Node] = {name: str(params[name]) for name in ("name", "format", "type")}
    node["config"] = {CONFIGS[params["type"]]: {"target": _target(client, params, references)}}
    template = str(params.get("template") or "").strip()
    if template:
        node["template"] = {"id": references.resolve("reporttemplate", "template", template, ()).id}
    if params["format"] == "PDF_ENCRYPTED":
        node["password"] = str(params["file_password"])
        node["distributionList"] = {"set": {"EmailAddress": list(params["recipients"])}}
    return {"Report": node}


def _check_encryption(params: Written) -> None:
    encrypted = params["format"] == "PDF_ENCRYPTED"
    for name in ("file_password", "recipients"):
        if bool(params.get(name)) != encrypted:
            raise OptionError(
                f"{name} is required with the format PDF_ENCRYPTED, and not allowed with any other.",
                hint="An encrypted report requires a password and recipients.",
            )


def _target(client: QualysClient, params: Written, references: References) -> dict[str, Node]:
    targets = {name: value for name, value in (params.get("targets") or {}).items() if value}
    if params["type"] == "WAS_SCAN_REPORT":
        if set(targets) != {"scans"}:
            raise OptionError("targets: a WAS_SCAN_REPORT takes only scans.", hint="Such as {scans: [9988]}.")
        references.expect("wasscan", targets["scans"])
        scans = [references.resolve("wasscan", "targets.scans", item, ()) for item in targets["scans"]]
        return {"scans": {"WasScan": [{"id": scan.id} for scan in scans]}}
    if not targets or "scans" in targets:
        raise OptionError("targets: a WAS_WEBAPP_REPORT takes webapps or tags.", hint="Such as {webapps: [shop]}.")
    ids = {references.resolve("webapp", "targets.webapps", item, ()).id: None for item in targets.get("webapps", ())}
    if "tags" in targets:
        ids |= dict.fromkeys(_tagged(client, targets["tags"], references))
    return {"webapps": {"WebApp": [{"id": webapp_id} for webapp_id in ids]}}


def _tagged(client: QualysClient, tags: t.Iterable[t.Any], references: References) -> list[int]:
    """Return the ids of the applications that have all the tags."""
    found = [references.resolve("tag", "targets.tags", item, ()) for item in tags]
    if any(tag.id is None for tag in found):
        # Check mode did not find a tag, so it is not known which applications will have it.
        return []
    criteria = [{"field": "tags.id", "operator": "EQUALS", "value": str(tag.id)} for tag in found]
    ids = [
        webapp_id for raw in Listing(client, "webapp", criteria, MAX_PAGE).stream() if (webapp_id := number(raw["id"]))
    ]
    if not ids:
        raise OptionError("targets: no web application has all of these tags.", hint="Check targets.tags.")
    return ids


def _named(client: QualysClient, name: str) -> list[int]:
    """Return the ids of the reports with this name, oldest first."""
    criteria = [{"field": "name", "operator": "EQUALS", "value": name}]
    listing = Listing(client, RESOURCE, criteria, MAX_PAGE)
    return [int(raw["id"]) for raw in listing.stream() if text(raw.get("name")) == name]


def _create(client: QualysClient, data: dict[str, Node], name: str, budget: Budget) -> int:
    # Names are not unique. After a lost answer, ours is the report of that name that did not exist before.
    before = set(_named(client, name))

    def look() -> int | None:
        return next((found for found in reversed(_named(client, name)) if found not in before), None)

    what = f"create of report {name!r}"
    try:
        records = client.write("create", RESOURCE, data)
    except TransportError as error:
        if not error.sent:
            raise
        return settle(what, look, error, sleep=budget.sleep)
    except VendorError as error:
        if _STORAGE.search(f"{error.message} {error.hint}"):
            raise VendorError(
                error.message,
                hint="The subscription's storage for reports is full. Delete reports that are not needed, and do not"
                " set keep to true.",
                code=error.code,
            ) from error
        raise
    created = number(records[0].get("id")) if records else None
    if created is None:
        return settle(
            what, look, TransportError(f"Qualys reported the {what} as done, but not its id."), sleep=budget.sleep
        )
    return created


# Wait and download


def _fetch(
    client: QualysClient, report: Raw, dest: pathlib.Path, budget: Budget, *, created: bool, keep: bool
) -> Result:
    """Wait, download, write, delete. An error is part of the result, so that the report's id is not lost."""
    report = dict(report)
    report_id = int(report["id"])
    unknown: set[str] = set()
    result = _result(report, dest, changed=created)
    try:
        looks = look_until(budget, lambda: _look(client, report, unknown))
        if looks.done is None:
            raise _timeout(report_id, budget, looks)
        _write(dest, looks.done, result)
        if not keep:
            _delete(client, report_id, result)
    except PerimeterError as error:
        result.error = error
    if unknown:
        words = ", ".join(sorted(unknown))
        result.warnings.append(f"Qualys returned unknown values for the report: {words}.")
    result.values["report"] = {ours: read(report.get(theirs)) for ours, theirs, read in FIELDS}
    return result


def _look(client: QualysClient, report: Raw, unknown: set[str]) -> bytes | None:
    """Return the file, or None if it is not complete yet."""
    report_id = int(report["id"])
    records = client.ask("GET", "status", RESOURCE, report_id)
    if not records:
        raise BadResponse(f"Qualys answered the status of report {report_id} without the report.")
    report["status"] = records[0].get("status")
    word = (text(report["status"]) or "").upper()
    if word == "ERROR":
        raise ReportFailed(
            f"Qualys could not create report {report_id}.", hint="Check targets and template, and try again.", code=word
        )
    if word != "COMPLETE":
        unknown.update({f"status={word[:40]}"} if word and word not in _RUNNING else ())
        return None
    body = download(client, report_id, text(report.get("format")) or "")
    report["size"] = len(body)
    return body


def download(client: QualysClient, report_id: int, file_format: str) -> bytes:
    """Download the file of a report.

    Raises:
        VendorError: Qualys refused, for example with STILL_PROCESSING, which is temporary.
        BadResponse: the answer is an error page or empty.
    """
    path = f"download/was/{RESOURCE}/{report_id}"
    response = client.request(
        "GET", f"/qps/rest/3.0/{path}", lambda answer: _judge(answer, path, file_format), accept="*/*"
    )
    return response.body


def _judge(response: Response, path: str, file_format: str) -> Verdict:
    """Return the verdict on the answer. A refusal has status 200 too, and is JSON or XML instead of the file."""
    start = response.body[:300].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if response.status != 200 or (start.startswith(b"{") and b"serviceresponse" in start):
        return judge(response, path, idempotent=True)
    if not start:
        return RETRY_AS(BadResponse(f"Qualys' {path} was answered with an empty body."))
    if start.startswith(_PAGE) and not file_format.startswith("HTML"):
        return RETRY_AS(
            BadResponse(
                f"Qualys' {path} was answered with an HTML page instead of a {file_format} file.",
                hint="Check any proxy in between, or try again later.",
            )
        )
    if start.startswith(b"<") and root_name(response.body) == "ServiceResponse":
        raise _refused(response.body, path)
    return OK


def _refused(body: bytes, path: str) -> PerimeterError:
    try:
        root = parse_xml(body)
    except ValueError:
        return BadResponse(f"Qualys' {path} was answered with an incomplete error.", hint="Run again.")
    details = root.find("responseErrorDetails")
    told = {} if details is None else {item.tag: item.text for item in details}
    return refusal(root.findtext("responseCode"), {"responseErrorDetails": told}, path)


def _timeout(report_id: int, budget: Budget, looks: Looks[bytes]) -> ReportTimeout:
    message = f"Report {report_id} was not complete after {budget.seconds:.0f} seconds."
    if looks.last_error is not None:
        message += f" The last status request failed: {looks.last_error.message}"
    hint = f"It continues at Qualys. Run with id: {report_id} to continue waiting, or raise wait_timeout."
    return ReportTimeout(message, hint=hint)


def _write(dest: pathlib.Path, body: bytes, result: Result) -> None:
    digest = hashlib.sha256(body).hexdigest()
    result.values |= {"bytes": len(body), "sha256": digest}
    try:
        if dest.exists() and dest.read_bytes() == body and not result.changed:
            return
        with replace_file(dest, mode=PRIVATE) as file:
            file.write(body)
    except OSError as error:
        raise FileError(f"dest: {dest} cannot be written: {reason(error)}.", hint="Choose another path.") from error
    result.changed = True


def _delete(client: QualysClient, report_id: int, result: Result) -> None:
    """Delete a report that was downloaded. The file is complete, so a failure only causes a warning."""
    try:
        delete_record(client, RESOURCE, report_id, f"report {report_id}")
    except PerimeterError as error:
        result.warnings.append(f"Report {report_id} was downloaded, but could not be deleted: {error.message}")
    else:
        result.changed = True
        result.values["deleted"] = True
