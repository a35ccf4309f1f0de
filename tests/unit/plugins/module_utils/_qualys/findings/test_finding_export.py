# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The export: one whole file with a true manifest, or the file that was there before."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    FileError,
    OptionError,
    PerimeterError,
    ServerFault,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import listing
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_export, finding_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_export import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import snapshot
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Manifest
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, export_options, routes

SEARCH = {"route": "/search/"}
FEW = [{"field": "severity", "value": 5}]


def export(sandbox: Sandbox, dest: Path, *, check: bool = False, workers: int = 4, **options: Any) -> Result:
    with client_of(sandbox, max_connections=workers, retries=1) as client:
        return run(export_options(dest, **options), client, check)


def lines(dest: Path) -> list[dict[str, Any]]:
    data = dest.read_bytes()
    text = gzip.decompress(data) if dest.name.endswith(".gz") else data
    return [json.loads(line) for line in text.splitlines()]


def manifest(dest: Path) -> Any:
    return json.loads(dest.with_name(dest.name + ".manifest.json").read_text())


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


@pytest.mark.parametrize("name", ["findings.ndjson", "findings.ndjson.gz"])
@pytest.mark.parametrize("detail", ["summary", "verbose"])
def test_every_finding_is_a_line_and_the_manifest_is_true(
    estate: Sandbox, tmp_path: Path, name: str, detail: str
) -> None:
    dest = tmp_path / name
    done = export(estate, dest, detail=detail)
    found = lines(dest)
    assert [item["id"] for item in found] == [str(key) for key in estate.qualys.findings.ids]
    assert {(item["record"], item["schema"], item["source"]) for item in found} == {("finding", 1, "qualys")}
    data = dest.read_bytes()
    told = manifest(dest)
    assert set(told) == set(Manifest.__annotations__)
    # Whose findings they are, without the name of the user.
    assert told["account"].startswith(f"{estate.url} ")
    assert estate.username not in told["account"]
    assert told | {"started": "", "finished": "", "account": ""} == {
        "account": "",
        "record": "manifest",
        "schema": 1,
        "source": "qualys",
        "stream": "findings",
        "file": name,
        "compressed": name.endswith(".gz"),
        "filters": [],
        "detail": detail,
        "since": None,
        "started": "",
        "finished": "",
        "announced_before": 700,
        "announced_after": 700,
        "records": 700,
        "complete": True,
        "assets": sorted({item["asset"]["id"] for item in found}, key=int),
        "unknown_values": {"status=UNDER_REVIEW": sum(item["status"] == "unknown" for item in found)},
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert told["started"] <= told["finished"]
    assert done.changed
    assert done.values == {
        "dest": str(dest),
        "manifest": f"{dest}.manifest.json",
        "records": 700,
        "bytes": len(data),
        "sha256": told["sha256"],
        "complete": True,
        "total": 700,
        "duplicates": 0,
        "unknown_values": told["unknown_values"],
        "rule_ids": sorted({item["rule_id"] for item in found}, key=int),
    }
    assert names(tmp_path) == [name, f"{name}.manifest.json"]
    assert estate.counters.snapshot()["writes"] == 0


def test_applications_without_number_are_asked_for_in_parts(
    estate: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "IDS_PER_SEARCH", 30)
    monkeypatch.setattr(finding_export, "PAGE_SIZES", {"verbose": 40})
    apps = [app["id"] for app in estate.qualys.webapps.values()][:170]
    dest = tmp_path / "findings.ndjson"
    done = export(estate, dest, filters=[{"field": "webApp.id", "value": apps}])
    expected = [str(key) for key, item in estate.qualys.findings.items() if item["webApp"]["id"] in set(apps)]
    # Ascending by id and each once, as if it had been one search.
    assert [item["id"] for item in lines(dest)] == sorted(expected, key=int)
    assert (done.values["complete"], done.values["duplicates"]) == (True, 0)
    assert estate.counters.snapshot()["by_route"]["POST /qps/rest/3.0/count/was/finding"] == 12


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_findings_always_give_the_same_bytes(estate: Sandbox, tmp_path: Path, compress: bool) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    export(estate, one, compress=compress)
    export(estate, two, compress=compress)
    assert one.read_bytes() == two.read_bytes()
    again = export(estate, one, compress=compress)
    assert not again.changed
    assert export(estate, one, compress=compress, filters=FEW).changed


def test_full_detail_asks_for_each_finding_and_has_what_only_that_has(estate: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "full"
    done = export(estate, dest, detail="full", filters=FEW)
    assert len(routes(estate, "/get/was/finding/")) == done.values["records"] > 0
    export(estate, tmp_path / "verbose", filters=FEW)
    everything = zip(lines(dest), lines(tmp_path / "verbose"), strict=True)
    assert all(full | {"ssl": None} == verbose for full, verbose in everything)


def test_no_finding_is_an_empty_file_and_complete(estate: Sandbox, tmp_path: Path) -> None:
    for name in ("none", "none.gz"):
        done = export(estate, tmp_path / name, filters=[{"field": "id", "value": 1}])
        assert (done.values["records"], done.values["complete"], done.warnings) == (0, True, [])
        assert lines(tmp_path / name) == []
        assert manifest(tmp_path / name)["assets"] == []


def test_findings_that_all_vanish_before_they_are_read_in_full_leave_a_valid_file(
    estate: Sandbox, tmp_path: Path
) -> None:
    dest = tmp_path / "a.gz"
    estate.faults.add(kind="response_code", code="NOT_FOUND", match={"route": "/get/"}, times=-1)
    done = export(estate, dest, detail="full", filters=FEW)
    assert (done.values["records"], done.values["complete"]) == (0, False)
    assert lines(dest) == []


def test_a_feed_holds_what_was_tested_since_and_says_so(estate: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "feed"
    times = sorted(item["lastTestedDate"] for item in estate.qualys.findings.in_order())
    since = times[len(times) // 2]
    done = export(estate, dest, since=since)
    assert 0 < done.values["records"] < 700
    assert all(item["last_tested"] > since for item in lines(dest))
    assert manifest(dest)["since"] == since
    assert manifest(dest)["filters"] == [{"field": "lastTestedDate", "operator": "GREATER", "value": since}]


@pytest.mark.parametrize("since", ["yesterday", "2026-02-30", "9999-12-31T23:59:59-10:00", "7d"])
def test_a_since_that_is_no_time_is_refused_before_any_request(estate: Sandbox, tmp_path: Path, since: str) -> None:
    with pytest.raises(OptionError, match=r"^since: "):
        export(estate, tmp_path / "a", since=since)
    assert routes(estate) == []
    assert names(tmp_path) == []


def test_check_mode_reads_everything_and_writes_nothing(estate: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "a"
    done = export(estate, dest, check=True)
    assert (done.changed, done.values["records"], names(tmp_path)) == (True, 700, [])
    real = export(estate, dest)
    assert real.values == done.values
    before = (dest.stat().st_mtime_ns, dest.stat().st_ino, manifest(dest))
    assert not export(estate, dest, check=True).changed
    assert export(estate, dest, check=True, filters=FEW).changed
    assert (dest.stat().st_mtime_ns, dest.stat().st_ino, manifest(dest)) == before


def test_sensitive_data_is_removed_before_it_is_stored_unless_it_is_to_be_kept(estate: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "a"
    export(estate, dest)
    assert b"A7F3;" not in dest.read_bytes()
    export(estate, dest, sensitive="keep")
    assert b"A7F3;" in dest.read_bytes()


def test_the_raw_object_is_json_text_so_that_engines_agree_on_its_type(estate: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "a"
    export(estate, dest, include_raw=True, filters=FEW)
    for item in lines(dest):
        assert str(json.loads(item["raw"])["id"]) == item["id"]


# Incomplete


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = dict.fromkeys(finding_fields.PAGE_SIZES, 50)
    monkeypatch.setattr(finding_export, "PAGE_SIZES", sizes)


@pytest.mark.usefixtures("small_pages")
def test_half_a_page_is_read_again(estate: Sandbox, tmp_path: Path) -> None:
    estate.faults.add(kind="half_page", match=SEARCH, times=1, skip=30)
    done = export(estate, tmp_path / "a")
    assert (done.values["records"], done.values["complete"], done.warnings) == (700, True, [])
    assert [item["id"] for item in lines(tmp_path / "a")] == [str(key) for key in estate.qualys.findings.ids]


@pytest.mark.parametrize("check", [False, True])
def test_a_snapshot_that_stays_short_is_marked_and_warned_about(estate: Sandbox, tmp_path: Path, check: bool) -> None:
    estate.faults.add(kind="half_page", match=SEARCH, times=-1)
    done = export(estate, tmp_path / "a", check=check, workers=1)
    assert done.values["complete"] is False
    assert done.values["records"] < done.values["total"] == 700
    assert len(done.warnings) == 1
    assert "marked as incomplete" in done.warnings[0]
    if not check:
        assert manifest(tmp_path / "a")["complete"] is False
        assert manifest(tmp_path / "a")["records"] == len(lines(tmp_path / "a"))


@pytest.mark.usefixtures("small_pages")
def test_duplicates_are_left_out_and_counted(estate: Sandbox, tmp_path: Path) -> None:
    estate.faults.add(kind="duplicate_record", match=SEARCH, times=2, skip=3)
    done = export(estate, tmp_path / "a", workers=1)
    assert (done.values["records"], done.values["duplicates"], done.values["complete"]) == (700, 2, True)


@pytest.mark.usefixtures("small_pages")
def test_passing_faults_lose_nothing(estate: Sandbox, tmp_path: Path) -> None:
    estate.faults.add(kind="status", status=500, probability=0.05, times=-1)
    with client_of(estate) as client:
        done = run(export_options(tmp_path / "a"), client, False)
    assert (done.values["records"], done.values["complete"]) == (700, True)


# Failures


FAULTS: dict[str, tuple[dict[str, Any], type[PerimeterError]]] = {
    "credentials": ({"kind": "response_code", "code": "INVALID_CREDENTIALS"}, AuthenticationFailed),
    "html": ({"kind": "html_200"}, BadResponse),
    "truncated": ({"kind": "truncated_json"}, BadResponse),
    "fault": ({"kind": "status", "status": 500}, ServerFault),
    "reset": ({"kind": "reset_mid_body"}, TransportError),
    "not an envelope": ({"kind": "status", "status": 200, "body": '{"a": 1}'}, BadResponse),
    "no id": (
        {
            "kind": "status",
            "status": 200,
            "body": '{"ServiceResponse": {"responseCode": "SUCCESS", "data": [{"Finding": {}}]}}',
        },
        BadResponse,
    ),
}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("workers", [1, 4])
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(
    estate: Sandbox, tmp_path: Path, name: str, workers: int
) -> None:
    dest = tmp_path / "a"
    export(estate, dest, filters=FEW)
    before = {item: (tmp_path / item).read_bytes() for item in names(tmp_path)}
    fault, kind = FAULTS[name]
    estate.faults.add({**fault, "match": SEARCH, "times": -1, "skip": 8})
    with pytest.raises(kind):
        export(estate, dest, workers=workers)
    assert {item: (tmp_path / item).read_bytes() for item in names(tmp_path)} == before


@pytest.mark.parametrize(
    ("dest", "words"),
    [
        ("missing/a", "does not exist"),
        ("folder", "is a directory"),
        ("b", "is a directory"),
        ("n" * 300, "cannot be used"),
        ("~no-such-user/a", "does not exist"),
    ],
)
def test_a_dest_that_cannot_be_written_is_one_sentence_before_any_request(
    estate: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dest: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.manifest.json").mkdir()
    with pytest.raises(FileError, match=words) as caught:
        export(estate, Path(dest))
    assert caught.value.message.startswith("dest: ")
    assert routes(estate) == []
    assert names(tmp_path) == ["b.manifest.json", "folder"]


@pytest.mark.parametrize("compress", [False, True])
def test_a_disk_that_is_full_leaves_the_old_file(
    estate: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: bool
) -> None:
    class FullDisk(snapshot.StagedFile):
        def __init__(self, target: Path, **options: Any) -> None:
            super().__init__(target, **options)
            self.file.close()
            self.file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115

    dest = tmp_path / "a"
    export(estate, dest, filters=FEW)
    before = dest.read_bytes()
    monkeypatch.setattr(snapshot, "StagedFile", FullDisk)
    with pytest.raises(FileError, match="no space left on device"):
        export(estate, dest, compress=compress)
    assert dest.read_bytes() == before
    assert names(tmp_path) == ["a", "a.manifest.json"]


def test_a_wrong_filter_is_refused_before_any_request(estate: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="nonsense"):
        export(estate, tmp_path / "a", filters=[{"field": "nonsense", "value": 1}])
    assert (routes(estate), names(tmp_path)) == ([], [])
