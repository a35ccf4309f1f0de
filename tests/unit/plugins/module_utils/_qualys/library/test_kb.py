# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The knowledge base is asked in batches, kept, limited, and never trusted further than its text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    FileError,
    IncompleteRead,
    OptionError,
    PerimeterError,
    RateLimited,
    ServerFault,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.safe_xml import parse_xml
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import kb
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.kb import entry_of, run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.kb_cache import FOLDER
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox
from tests.sandbox.qualys.catalog import CATALOG
from tests.sandbox.qualys.kb import hostile_text

from ...qualys_kit import client_of, routes
from ..life import living, shared_living

__all__ = ["living", "shared_living"]

ROUTE = "/api/2.0/fo/knowledge_base"
QIDS = sorted({template.qid for template in CATALOG})
DOCTYPE = (
    '<!DOCTYPE KNOWLEDGE_BASE_VULN_LIST_OUTPUT SYSTEM "https://qualys.example/knowledge_base_vuln_list_output.dtd">'
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def go(sandbox: Sandbox, state: Path, *qids: int, check: bool = False, **options: Any) -> Result:
    connection = options.pop("connection", {})
    params = {"qids": list(qids), "max_age": "7d", "dest": None, "state_dir": str(state), **options}
    with client_of(sandbox, **connection) as client:
        return run(params, client, check)


def files(state: Path) -> list[Path]:
    return sorted(path for path in state.rglob("*") if path.is_file())


def output(*vulns: str, more: str = "", doctype: str = DOCTYPE) -> str:
    listed = f"<VULN_LIST>{''.join(vulns)}</VULN_LIST>"
    head = f'<?xml version="1.0" encoding="UTF-8" ?>\n{doctype}\n<KNOWLEDGE_BASE_VULN_LIST_OUTPUT><RESPONSE>'
    return f"{head}{listed}{more}</RESPONSE></KNOWLEDGE_BASE_VULN_LIST_OUTPUT>"


def answer(sandbox: Sandbox, body: str, *, status: int = 200, times: int = 1, **fault: Any) -> None:
    sandbox.faults.add(
        {"match": {"route": ROUTE}, "kind": "status", "status": status, "body": body, "times": times, **fault}
    )


def simple(code: int, text: str) -> str:
    return f"<SIMPLE_RETURN><RESPONSE><CODE>{code}</CODE><TEXT>{text}</TEXT></RESPONSE></SIMPLE_RETURN>"


# Entries


def test_entries_have_text_dates_and_cves(living: Sandbox, state: Path) -> None:
    severe = next(template for template in CATALOG if template.severity == 5)
    result = go(living, state, severe.qid)
    [entry] = result.values["entries"]
    assert entry["qid"] == severe.qid
    assert entry["title"] == severe.name
    assert (entry["severity"], entry["severity_native"]) == ("critical", "5")
    assert entry["cves"]
    assert all(word.startswith("CVE-") for word in entry["cves"])
    for name in ("diagnosis", "consequence", "solution"):
        assert entry[name]
        assert entry[f"{name}_text"]
    assert entry["published"] <= entry["modified"]
    assert (result.changed, result.values["missing"], result.values["total"]) == (False, [], 1)


REAL = """<VULN><QID>150001</QID><VULN_TYPE>Vulnerability</VULN_TYPE><SEVERITY_LEVEL>5</SEVERITY_LEVEL>
<TITLE><![CDATA[Reflected XSS & <friends>]]></TITLE><CATEGORY>Web Application</CATEGORY>
<LAST_SERVICE_MODIFICATION_DATETIME>2026-09-14T08:00:00Z</LAST_SERVICE_MODIFICATION_DATETIME>
<PUBLISHED_DATETIME>2010-03-05T10:00:00Z</PUBLISHED_DATETIME><PATCHABLE>0</PATCHABLE>
<VENDOR_REFERENCE_LIST><VENDOR_REFERENCE><ID><![CDATA[CWE-79]]></ID><URL><![CDATA[https://cwe.example/79]]></URL>
</VENDOR_REFERENCE></VENDOR_REFERENCE_LIST>
<CVE_LIST><CVE><ID><![CDATA[CVE-2024-1]]></ID></CVE><CVE><ID>CVE-2024-2</ID></CVE><CVE><ID/></CVE></CVE_LIST>
<DIAGNOSIS><![CDATA[Seen.<P>Twice<script>alert(1)</script>]]></DIAGNOSIS>
<CVSS><BASE source="service">4.3</BASE><TEMPORAL>4.1</TEMPORAL></CVSS>
<CVSS_V3><BASE>6.1</BASE><TEMPORAL>5.8</TEMPORAL><VECTOR_STRING>CVSS:3.1/AV:N</VECTOR_STRING>
<CVSS3_VERSION>3.1</CVSS3_VERSION></CVSS_V3><PCI_FLAG>1</PCI_FLAG></VULN>"""


def test_an_entry_as_the_vendor_sends_it(living: Sandbox, state: Path) -> None:
    answer(living, output(REAL))
    [entry] = go(living, state, 150001).values["entries"]
    assert entry["title"] == "Reflected XSS & <friends>"
    assert entry["diagnosis"] == "Seen.<P>Twice<script>alert(1)</script>"
    assert entry["diagnosis_text"] == "Seen.\n\nTwice"
    assert entry["solution"] is None
    assert entry["solution_text"] is None
    assert entry["cves"] == ["CVE-2024-1", "CVE-2024-2"]
    assert entry["references"] == [{"id": "CWE-79", "url": "https://cwe.example/79"}]
    assert entry["cvss"] == {"version": "3.1", "base": 6.1, "temporal": 5.8, "vector": "CVSS:3.1/AV:N"}
    assert (entry["patchable"], entry["pci"]) == (False, True)


def test_odd_entries_do_no_harm() -> None:
    assert entry_of(parse_xml(b"<VULN><QID>x</QID></VULN>")) is None
    bare = entry_of(parse_xml(b"<VULN><QID>7</QID><CVSS_V3><BASE>?</BASE></CVSS_V3><CVSS><BASE>4</BASE></CVSS></VULN>"))
    assert bare is not None
    assert (bare["severity"], bare["title"], bare["cves"], bare["pci"]) == ("unknown", None, [], None)
    assert bare["cvss"] == {"version": "2", "base": 4.0, "temporal": None, "vector": None}
    empty = entry_of(parse_xml(b"<VULN><QID>7</QID></VULN>"))
    assert empty is not None
    assert empty["cvss"] is None


def test_unknown_numbers_are_listed(living: Sandbox, state: Path) -> None:
    result = go(living, state, 0, 999999, QIDS[0], QIDS[0])
    assert [entry["qid"] for entry in result.values["entries"]] == [QIDS[0]]
    assert result.values["missing"] == [0, 999999]
    assert (result.values["fetched"], result.values["cached"]) == (2, 0)


def test_nothing_asked_is_nothing_sent(living: Sandbox, state: Path) -> None:
    for qids in ((), (0,)):
        assert go(living, state, *qids).values["entries"] == []
    assert living.counters.requests == 0


def test_numbers_are_asked_for_in_batches(living: Sandbox, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kb, "BATCH", 10)
    result = go(living, state, *QIDS)
    assert [entry["qid"] for entry in result.values["entries"]] == QIDS
    assert len(routes(living, ROUTE)) == -(-len(QIDS) // 10)


# Cache


def test_answers_are_kept(living: Sandbox, state: Path) -> None:
    first = go(living, state, *QIDS, 999999)
    living.reset_counters()
    again = go(living, state, *QIDS, 999999)
    assert living.counters.requests == 0
    assert again.values["entries"] == first.values["entries"]
    assert again.values["missing"] == [999999]
    assert (again.values["fetched"], again.values["cached"]) == (0, len(QIDS) + 1)
    assert {path.stat().st_mode & 0o777 for path in files(state)} == {0o600}
    assert all(not path.name.startswith(".") for path in files(state))


def test_only_what_is_not_kept_is_asked_for(living: Sandbox, state: Path) -> None:
    go(living, state, *QIDS[:3])
    result = go(living, state, *QIDS[:5])
    assert (result.values["fetched"], result.values["cached"]) == (2, 3)
    assert go(living, state, *QIDS[:5]).values["fetched"] == 0


def test_an_age_of_nothing_asks_again(living: Sandbox, state: Path) -> None:
    go(living, state, QIDS[0])
    assert go(living, state, QIDS[0], max_age="0s").values["fetched"] == 1


def age(state: Path, when: Any) -> None:
    for path in files(state):
        document = json.loads(path.read_bytes())
        for item in document["entries"].values():
            item["fetched"] = when
        path.write_text(json.dumps(document))


def test_old_answers_are_not_believed(living: Sandbox, state: Path) -> None:
    go(living, state, QIDS[0], 999999)
    age(state, "2020-01-01T00:00:00Z")
    assert go(living, state, QIDS[0], max_age="7d").values["fetched"] == 1
    assert go(living, state, QIDS[0], 999999, max_age="5200w").values["fetched"] == 1
    age(state, "2999-01-01T00:00:00Z")
    assert go(living, state, QIDS[0]).values["fetched"] == 1


DAMAGE: dict[str, Any] = {
    "empty": b"",
    "half": b'{"schema": 1, "entries": {"150001": {"fet',
    "binary": b"\xff\x00\xfe",
    "list": b"[]",
    "other schema": b'{"schema": 99, "entries": {}}',
    "no entries": b'{"schema": 1, "entries": []}',
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_written_anew(living: Sandbox, state: Path, content: bytes) -> None:
    first = go(living, state, QIDS[0])
    [path] = files(state)
    path.write_bytes(content)
    again = go(living, state, QIDS[0])
    assert (again.values["entries"], again.values["fetched"]) == (first.values["entries"], 1)
    assert go(living, state, QIDS[0]).values["fetched"] == 0


@pytest.mark.parametrize(
    "item", [7, {}, {"entry": None}, {"fetched": 7, "entry": None}, {"fetched": "x", "entry": None}]
)
def test_a_damaged_entry_counts_as_none(living: Sandbox, state: Path, item: Any) -> None:
    go(living, state, QIDS[0])
    [path] = files(state)
    path.write_text(json.dumps({"schema": 1, "entries": {str(QIDS[0]): item}}))
    assert go(living, state, QIDS[0]).values["fetched"] == 1


def test_an_entry_of_another_number_counts_as_none(living: Sandbox, state: Path) -> None:
    go(living, state, QIDS[0])
    [path] = files(state)
    path.write_text(path.read_text().replace(f'"qid":{QIDS[0]}', '"qid":1'))
    assert go(living, state, QIDS[0]).values["fetched"] == 1


def test_check_mode_reads_what_is_kept_and_keeps_nothing(living: Sandbox, state: Path, tmp_path: Path) -> None:
    dest = tmp_path / "knowledge.json"
    result = go(living, state, QIDS[0], check=True, dest=str(dest))
    assert result.changed
    assert files(state) == []
    assert not dest.exists()
    go(living, state, QIDS[0])
    living.reset_counters()
    assert go(living, state, QIDS[0], check=True).values["cached"] == 1
    assert living.counters.requests == 0


def test_what_a_killed_run_left_among_what_is_kept_is_removed(living: Sandbox, state: Path) -> None:
    go(living, state, QIDS[0])
    [shard] = files(state)
    left = shard.with_name(f".{shard.name}.k1ll3d_0.tmp")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    go(living, state, QIDS[1])
    assert files(state) == [shard]


def test_accounts_do_not_share(living: Sandbox, state: Path) -> None:
    go(living, state, QIDS[0])
    with pytest.raises(AuthenticationFailed):
        go(living, state, QIDS[0], connection={"username": "other", "password": "wrong"})
    assert len(list((state / FOLDER).iterdir())) == 1


def test_a_cache_that_cannot_be_used_is_done_without(living: Sandbox, state: Path) -> None:
    state.write_text("a file")
    result = go(living, state, QIDS[0])
    assert len(result.values["entries"]) == 1
    assert "not cached" in result.warnings[0]


def test_a_cache_that_cannot_be_written_is_told(living: Sandbox, state: Path) -> None:
    state.mkdir()
    (state / FOLDER).write_text("a file")
    result = go(living, state, QIDS[0])
    assert len(result.values["entries"]) == 1
    assert "cannot be written" in result.warnings[0]


# File


def test_the_entries_are_written_as_one_document(living: Sandbox, state: Path, tmp_path: Path) -> None:
    dest = tmp_path / "knowledge.json"
    result = go(living, state, *QIDS[:3], dest=str(dest))
    document = json.loads(dest.read_bytes())
    assert (result.changed, result.values["dest"]) == (True, str(dest))
    # The texts are in the file only: a play has no use for megabytes of them.
    assert "entries" not in result.values
    entries = go(living, state, *QIDS[:3]).values["entries"]
    assert document == {"record": "knowledge", "schema": 1, "source": "qualys", "entries": entries}
    assert dest.stat().st_mode & 0o777 == 0o600
    stamp = dest.stat().st_mtime_ns
    for check in (False, True):
        assert not go(living, state, *reversed(QIDS[:3]), check=check, dest=str(dest)).changed
    assert dest.stat().st_mtime_ns == stamp
    assert go(living, state, *QIDS[:2], dest=str(dest)).changed


def test_a_file_that_cannot_be_written_is_told(
    living: Sandbox, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileError, match="does not exist"):
        go(living, state, QIDS[0], dest=str(tmp_path / "missing" / "knowledge.json"))
    assert living.counters.requests == 0

    def full(*_args: Any, **_options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kb, "replace_file", full)
    with pytest.raises(FileError, match="no space left"):
        go(living, state, QIDS[0], dest=str(tmp_path / "knowledge.json"))


# Trouble


@pytest.mark.parametrize("code", [1960, 1965])
@pytest.mark.parametrize("status", [409, 200])
def test_limits_are_obeyed(living: Sandbox, state: Path, code: int, status: int) -> None:
    answer(living, simple(code, "Slow down."), status=status, times=2, headers={"X-RateLimit-ToWait-Sec": "0"})
    assert len(go(living, state, QIDS[0]).values["entries"]) == 1
    assert len(routes(living, ROUTE)) == 3


def test_a_limit_that_stays_ends_in_its_own_error(living: Sandbox, state: Path) -> None:
    answer(living, simple(1965, "Later."), status=409, times=-1, headers={"X-RateLimit-ToWait-Sec": "3000"})
    with pytest.raises(RateLimited):
        go(living, state, QIDS[0])
    assert files(state) == []


def test_wrong_credentials_are_tried_once(living: Sandbox, state: Path) -> None:
    with pytest.raises(AuthenticationFailed, match="2000: Bad Login"):
        go(living, state, QIDS[0], connection={"password": "wrong"})
    assert len(routes(living, ROUTE)) == 1


TROUBLE: dict[str, tuple[type[PerimeterError], str, int, str]] = {
    "refusal": (VendorError, "2012: No access", 400, simple(2012, "No access")),
    "other document": (VendorError, "HTTP 200", 200, "<HTML/>"),
    "error page": (BadResponse, "HTTP 404 and not XML", 404, "<html><p>Not found</html>"),
    "half": (BadResponse, "not XML", 200, output(REAL)[:400]),
    "fault": (ServerFault, "HTTP 503", 503, "<html><p>Down</html>"),
    "fault in XML": (ServerFault, "HTTP 500", 500, simple(999, "Internal error")),
    "html": (BadResponse, "not XML", 200, "<html><p>Log in</html>"),
    "entities": (BadResponse, "declarations", 200, output(doctype='<!DOCTYPE x [<!ENTITY a "aaaa">]>')),
    "external": (
        BadResponse,
        "declarations",
        200,
        output(doctype='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'),
    ),
    "bare 401": (AuthenticationFailed, "401", 401, "<html><p>No</html>"),
}


@pytest.mark.parametrize(("kind", "words", "status", "body"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_has_a_name(
    living: Sandbox, state: Path, kind: type[PerimeterError], words: str, status: int, body: str
) -> None:
    answer(living, body, status=status, times=-1)
    with pytest.raises(kind, match=words) as caught:
        go(living, state, QIDS[0], connection={"retries": 1})
    assert caught.value.hint
    assert files(state) == []


def test_a_shortened_answer_is_not_taken_for_all(living: Sandbox, state: Path) -> None:
    warning = "<WARNING><CODE>1980</CODE><TEXT>More.</TEXT></WARNING>"
    answer(living, output(REAL, more=warning))
    with pytest.raises(IncompleteRead, match="sent 1 of 2"):
        go(living, state, 150001, 150002)
    assert files(state) == []
    answer(living, output(REAL, more=warning))
    assert len(go(living, state, 150001).values["entries"]) == 1


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("qids: -1", {"qids": [-1]}),
        ("max_age", {"max_age": "soon"}),
        ("max_age", {"max_age": "9e99w"}),
        ("max_age", {"max_age": "99999999999999w"}),
    ],
)
def test_bad_options_are_refused(living: Sandbox, state: Path, words: str, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=words):
        go(living, state, **options)


def test_a_client_with_a_token_reads_it_too(living: Sandbox, state: Path) -> None:
    connection = {"username": None, "password": None, "client_id": living.client_id, "gateway_url": living.url}
    connection["client_secret"] = living.client_secret
    assert len(go(living, state, QIDS[0], connection=connection).values["entries"]) == 1
    assert "POST /auth/oidc" in routes(living)
    living.switches["kb_bearer"] = "reject"
    with pytest.raises(AuthenticationFailed):
        go(living, state, QIDS[1], connection=connection)


def test_an_account_without_the_right_is_told(living: Sandbox, state: Path) -> None:
    living.switches["kb_permission"] = "denied"
    with pytest.raises(VendorError, match="2012: User does not have permission") as caught:
        go(living, state, QIDS[0])
    assert "knowledge base" in caught.value.hint


def test_the_hourly_limit_is_not_fought(living: Sandbox, state: Path) -> None:
    living.switches["kb_rate_limit"] = 1
    go(living, state, QIDS[0])
    with pytest.raises(RateLimited):
        go(living, state, QIDS[1])
    assert go(living, state, QIDS[0]).values["cached"] == 1


def test_the_limit_of_calls_at_once_is_kept(living: Sandbox, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kb, "BATCH", 2)
    living.switches["kb_concurrency_limit"] = 1
    assert [entry["qid"] for entry in go(living, state, *QIDS).values["entries"]] == QIDS


def test_the_vendor_names_its_document_type(living: Sandbox, state: Path) -> None:
    living.switches["kb_doctype"] = "on"
    assert [entry["qid"] for entry in go(living, state, *QIDS).values["entries"]] == QIDS
    assert {path.split("?")[0] for path in routes(living)} == {"GET /api/2.0/fo/knowledge_base/vuln/"}


def test_hostile_texts_stay_data(living: Sandbox, state: Path) -> None:
    poisoned = [qid for qid in QIDS if hostile_text(qid) is not None]
    for entry in go(living, state, *poisoned).values["entries"]:
        assert (hostile_text(entry["qid"]) or "").strip()[:5] in entry["diagnosis"]
        assert entry["diagnosis_text"]
