# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selenium scripts arrive byte for byte, whichever way Qualys answers, and show up only where they are wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    BadResponse,
    FileError,
    NotFound,
    PerimeterError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import script as room
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.script import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, routes
from ..life import living, shared_living

__all__ = ["living", "shared_living"]

SCRIPT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html><head profile="http://selenium-ide.openqa.org/profiles/test-case"><title>login ü</title></head>
<body><table><tr><td>type</td><td>name=pw</td><td>S3cret&amp;{{ x }}</td></tr></table></body></html>
"""
SCRIPTS = {
    "xhtml": SCRIPT,
    "html": "<html><body><table><tr><td>open</td></tr></table></body></html>",
    "side": json.dumps({"id": "1", "name": "login", "tests": [{"commands": []}]}),
    "xml": "<TestCase seleniumIDE='3'><selenese/></TestCase>",
    "text": "open /login\ntype pw S3cret",
}


def give(sandbox: Sandbox, data: str) -> tuple[int, int]:
    key = sandbox.qualys.webapps.ids[0]
    app = sandbox.qualys.webapps[key]
    app["crawlingScripts"] = [{"id": 55999, "name": "login.html", "data": data, "requiresAuthentication": False}]
    return key, 55999


def go(sandbox: Sandbox, webapp_id: int, script_id: int, *, check: bool = False, dest: Path | None = None) -> Result:
    params = {"webapp_id": webapp_id, "script_id": script_id, "dest": str(dest) if dest else None}
    with client_of(sandbox) as client:
        return run(params, client, check)


@pytest.mark.parametrize("reply", ["envelope", "raw"])
@pytest.mark.parametrize("data", SCRIPTS.values(), ids=SCRIPTS)
def test_both_replies_give_the_same_bytes(living: Sandbox, tmp_path: Path, reply: str, data: str) -> None:
    living.switches["selenium_reply"] = reply
    dest = tmp_path / "login.html"
    result = go(living, *give(living, data), dest=dest)
    assert result.changed
    assert dest.read_bytes() == data.encode()
    assert dest.stat().st_mode & 0o777 == 0o600
    assert result.values["script"]["bytes"] == len(data.encode())
    assert result.values["script"]["name"] == ("login.html" if reply == "envelope" else None)


def test_four_runs(living: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "login.html"
    ids = give(living, SCRIPT)
    predicted = go(living, *ids, dest=dest, check=True)
    assert predicted.changed
    assert not dest.exists()
    first = go(living, *ids, dest=dest)
    assert (first.values, first.diff) == (predicted.values, predicted.diff)
    stamp = dest.stat().st_mtime_ns
    for check in (False, True):
        again = go(living, *ids, dest=dest, check=check)
        assert (again.changed, again.diff, again.warnings) == (False, None, [])
    assert dest.stat().st_mtime_ns == stamp
    assert living.counters.writes == 0
    assert list(tmp_path.iterdir()) == [dest]


def test_the_script_is_returned_only_without_a_file(living: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "login.html"
    dest.write_text("old S3cret")
    ids = give(living, SCRIPT)
    assert go(living, *ids).values["script"]["data"] == SCRIPT
    result = go(living, *ids, dest=dest)
    assert "S3cret" not in json.dumps([result.values, result.diff])
    assert isinstance(result.diff, dict)
    assert result.diff["before"]["bytes"] == 10


def test_a_file_that_others_can_read_is_told(living: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "login.html"
    dest.write_text(SCRIPT)
    dest.chmod(0o644)
    result = go(living, *give(living, SCRIPT), dest=dest)
    assert not result.changed
    assert "Other users can read" in result.warnings[0]
    dest.write_text("other")
    assert go(living, *give(living, SCRIPT), dest=dest).changed
    assert dest.stat().st_mode & 0o777 == 0o600


def answered(sandbox: Sandbox, body: str, *, times: int = -1) -> Result:
    sandbox.faults.add(
        {"match": {"route": "downloadSeleniumScript"}, "kind": "status", "status": 200, "body": body, "times": times}
    )
    return go(sandbox, *give(sandbox, "unused"))


ENVELOPES = {
    "xml": f"<?xml version='1.0'?><ServiceResponse><responseCode>SUCCESS</responseCode><data><SeleniumScript>"
    f"<name>n</name><data>{escape(SCRIPT)}</data></SeleniumScript></data></ServiceResponse>",
    "xml-inside": f"<ServiceResponse><responseCode>SUCCESS</responseCode><data><WebApp><crawlingScripts><list>"
    f"<SeleniumScript><name>n</name><data>{escape(SCRIPT)}</data></SeleniumScript></list></crawlingScripts></WebApp>"
    f"</data></ServiceResponse>",
    "json-inside": json.dumps(
        {
            "ServiceResponse": {
                "responseCode": "SUCCESS",
                "data": [
                    "odd",
                    {"WebApp": {"crawlingScripts": {"list": [{"SeleniumScript": {"name": "n", "data": SCRIPT}}]}}},
                ],
            }
        }
    ),
}


@pytest.mark.parametrize("body", ENVELOPES.values(), ids=ENVELOPES)
def test_every_envelope_is_taken_apart(living: Sandbox, body: str) -> None:
    script = answered(living, body).values["script"]
    assert (script["name"], script["data"]) == ("n", SCRIPT)


DETAILS = "<responseErrorDetails><errorMessage>No</errorMessage></responseErrorDetails>"
ODD: dict[str, tuple[type[PerimeterError], str, str]] = {
    "page": (
        BadResponse,
        "HTML page that is not a Selenium script",
        "<!DOCTYPE html><html><h1>Please log in</h1></html>",
    ),
    "nothing": (BadResponse, "with an empty body", ""),
    "half": (BadResponse, "not XML", "<ServiceResponse><responseCode>SUCC"),
    "refusal": (
        VendorError,
        "UNAUTHORIZED: No.",
        f"<ServiceResponse><responseCode>UNAUTHORIZED</responseCode>{DETAILS}</ServiceResponse>",
    ),
    "bare": (VendorError, "OTHER_ERROR", "<ServiceResponse><responseCode>OTHER_ERROR</responseCode></ServiceResponse>"),
    "empty": (NotFound, "has no script", "<ServiceResponse><responseCode>SUCCESS</responseCode></ServiceResponse>"),
}


@pytest.mark.parametrize(("kind", "words", "body"), ODD.values(), ids=ODD)
def test_what_is_no_script_is_refused(living: Sandbox, kind: type[PerimeterError], words: str, body: str) -> None:
    with pytest.raises(kind, match=words):
        answered(living, body or "empty")


def test_a_document_with_entities_is_not_taken_apart(living: Sandbox) -> None:
    bomb = '<!DOCTYPE ServiceResponse [<!ENTITY a "boom">]><ServiceResponse>&a;</ServiceResponse>'
    assert answered(living, bomb).values["script"]["data"] == bomb


def test_a_fault_that_passes_is_repeated(living: Sandbox) -> None:
    script = answered(living, "<html>busy</html>", times=1).values["script"]
    assert script["data"] == "unused"
    living.faults.add({"match": {"route": "downloadSeleniumScript"}, "kind": "status", "status": 502})
    assert go(living, *give(living, SCRIPT)).values["script"]["data"] == SCRIPT


def test_a_missing_script_names_those_that_are_there(living: Sandbox, tmp_path: Path) -> None:
    key, _script = give(living, SCRIPT)
    with pytest.raises(NotFound, match=f"web application {key} has no script 1") as caught:
        go(living, key, 1, dest=tmp_path / "x")
    assert "55999 (login.html)" in caught.value.hint
    living.qualys.webapps[key]["crawlingScripts"] = []
    with pytest.raises(NotFound, match="has no script 1") as caught:
        go(living, key, 1)
    assert caught.value.hint == "It has no scripts."
    with pytest.raises(NotFound, match="no web application 7"):
        go(living, 7, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told_first(living: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        go(living, *give(living, SCRIPT), dest=tmp_path / "missing" / "login.html")
    assert routes(living) == []


def test_a_disk_that_fails_is_told(living: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any, **_options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "replace_file", full)
    with pytest.raises(FileError, match="no space left"):
        go(living, *give(living, SCRIPT), dest=tmp_path / "login.html")
