# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads a Selenium script of a web application (docs/vendors/qualys_was.md 9.1).

This module is private to the collection and may change at any time.

The form of the answer is not documented. It may be an envelope with the script, in JSON or XML, or the script itself,
which may be XML, HTML or JSON. All of these are accepted; only an envelope is parsed.
A script may contain credentials, so it is only returned if it is not written to a file, and never shown in a diff.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t
import xml.etree.ElementTree as ET

from ..._base.errors import BadResponse, FileError, NotFound, VendorError
from ..._base.files import PRIVATE, check_target, reason, remove_leftovers, replace_file
from ..._http.response import Response
from ..._http.retry import OK, RETRY_AS, Verdict
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.envelope import judge, refusal
from ..api.safe_xml import parse_xml, root_name
from ..api.shapes import Raw, items, number, text
from ..estate.webapp import RESOURCE

_PATH = "downloadSeleniumScript/was/webapp"
_PAGE = (b"<!doctype html", b"<html")
_SIGNS = (b"selenium", b"<table")
"""Text in a script that is HTML, which an error page of a proxy is unlikely to contain."""


def run(params: t.Mapping[str, t.Any], client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_selenium_script``.

    Raises:
        PerimeterError: the script cannot be downloaded, or the file cannot be written.
    """
    dest = pathlib.Path(params["dest"]).expanduser() if params.get("dest") else None
    if dest is not None:
        check_target(dest, "dest")
        if not check_mode:
            remove_leftovers(dest)
    name, content = download(client, params["webapp_id"], params["script_id"])
    script: dict[str, t.Any] = {
        "id": params["script_id"],
        "webapp_id": params["webapp_id"],
        "name": name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if dest is None:
        script["data"] = content.decode("utf-8", "replace")
        return Result(values={"script": script, "dest": None})
    return _to_file(dest, content, script, check_mode=check_mode)


def _to_file(dest: pathlib.Path, content: bytes, script: dict[str, t.Any], *, check_mode: bool) -> Result:
    result = Result(values={"script": script, "dest": str(dest)})
    try:
        there = dest.read_bytes() if dest.exists() else None
        result.changed = there != content
        if result.changed and not check_mode:
            with replace_file(dest, mode=PRIVATE) as file:
                file.write(content)
        elif there is not None and not result.changed and dest.stat().st_mode & 0o077:
            result.warnings.append(f"Other users can read {dest}, and a script may contain credentials.")
    except OSError as error:
        raise FileError(f"dest: {dest} cannot be written: {reason(error)}.", hint="Choose another path.") from error
    if result.changed:
        result.diff = {
            "before": {} if there is None else {"sha256": hashlib.sha256(there).hexdigest(), "bytes": len(there)},
            "after": {"sha256": script["sha256"], "bytes": script["bytes"]},
            "before_header": str(dest),
            "after_header": str(dest),
        }
    return result


def download(client: QualysClient, webapp_id: int, script_id: int) -> tuple[str | None, bytes]:
    """Return the name (None if Qualys does not send it) and the content of a script.

    Raises:
        NotFound: the application or the script does not exist; the hint lists the scripts of the application.
        BadResponse: the answer is neither a script nor an envelope with one.
    """
    criteria = [
        {"field": "id", "operator": "EQUALS", "value": str(webapp_id)},
        {"field": "crawlingScripts.id", "operator": "EQUALS", "value": str(script_id)},
    ]
    body = json.dumps({"ServiceRequest": {"filters": {"Criteria": criteria}}}).encode()
    try:
        response = client.request("POST", f"/qps/rest/3.0/{_PATH}", _judge, body=body)
    except VendorError as error:
        if error.code not in ("INVALID_REQUEST", "NOT_FOUND", "UNKNOWN_OBJECT"):
            raise
        raise _missing(client, webapp_id, script_id, error.code) from error
    if "envelope" not in response.memo:
        return None, response.body
    script = _script_in(response.memo["envelope"])
    if script is None:
        raise _missing(client, webapp_id, script_id, None)
    return text(script.get("name")), (text(script.get("data")) or "").encode("utf-8", "replace")


def _judge(response: Response) -> Verdict:
    """Return the verdict on the answer. An envelope is stored in ``response.memo["envelope"]``."""
    start = response.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if response.status != 200 or (start.startswith(b"{") and b"serviceresponse" in start):
        return judge(response, _PATH, idempotent=True)
    if not start:
        return RETRY_AS(BadResponse(f"Qualys' {_PATH} was answered with an empty body."))
    if root_name(response.body) == "ServiceResponse":
        return _judge_xml(response)
    if start.startswith(_PAGE) and not any(sign in response.body.lower() for sign in _SIGNS):
        return RETRY_AS(
            BadResponse(
                f"Qualys' {_PATH} was answered with an HTML page that is not a Selenium script.",
                hint="Check api_url (or platform), and any proxy in between; or try again later.",
            )
        )
    return OK


def _judge_xml(response: Response) -> Verdict:
    try:
        root = parse_xml(response.body)
    except ValueError as error:
        return RETRY_AS(BadResponse(f"Qualys' {_PATH} was answered with {error}."))
    code = root.findtext("responseCode")
    if code != "SUCCESS":
        details = root.find("responseErrorDetails")
        told = {} if details is None else {item.tag: item.text for item in details}
        raise refusal(code, {"responseErrorDetails": told}, _PATH)
    found = root.find("data/SeleniumScript")
    if found is None:
        found = root.find("data//SeleniumScript")
    response.memo["envelope"] = {"data": [] if found is None else [{"SeleniumScript": _members(found)}]}
    return OK


def _members(element: ET.Element) -> Raw:
    return {item.tag: item.text or "" for item in element}


def _script_in(envelope: Raw) -> Raw | None:
    """Return the script in an envelope: on its own, or inside its application."""
    data = envelope.get("data")
    for entry in data if isinstance(data, list) else []:
        record = next(iter(entry.values()), None) if isinstance(entry, dict) else None
        if not isinstance(record, dict):
            continue
        if "data" in record:
            return record
        for script in items(record.get("crawlingScripts")):
            if isinstance(script, dict) and "data" in script:
                return t.cast(Raw, script)
    return None


def _missing(client: QualysClient, webapp_id: int, script_id: int, code: str | None) -> NotFound:
    webapp = client.get(RESOURCE, webapp_id)
    if webapp is None:
        return NotFound(
            f"webapp_id: there is no web application {webapp_id}.",
            hint="Check the id, and whether this account may see the application.",
            code=code,
        )
    scripts = [script for script in items(webapp.get("crawlingScripts")) if isinstance(script, dict)]
    known = ", ".join(f"{number(script.get('id'))} ({text(script.get('name'))})" for script in scripts[:10])
    return NotFound(
        f"script_id: web application {webapp_id} has no script {script_id}.",
        hint=f"It has {known}." if known else "It has no scripts.",
        code=code,
    )
