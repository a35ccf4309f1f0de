# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: its versions, its lock, and everything that can be wrong with it or with what it is fed with."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    MissingLibrary,
    OptionError,
    PerimeterError,
    StateError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._database import engine
from ansible_collections.appsec.perimeter.plugins.module_utils._history import schema
from ansible_collections.appsec.perimeter.plugins.module_utils._history.run import run, secrets_of, shown_of
from tests.unit.plugins.module_utils.history_kit import Desk, counts, finding, on_day, scan

HOSTILE = "a\x00b\ud800c\u202e'; drop table perimeter_runs; --{{ x }}\n##vso[x]" + "é" * 5000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def tables_of(desk: Desk) -> list[str]:
    """What is in the database."""
    engine = sqlalchemy.create_engine(desk.url)
    try:
        return sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def changed_by_hand(desk: Desk, *statements: str) -> None:
    connection = sqlite3.connect(desk.file)
    with contextlib.closing(connection), connection:
        for statement in statements:
            connection.execute(statement)


def test_an_older_store_is_brought_up_to_date(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of version 1 with a finding in it: the first run of this release adds what it lacks, and keeps it all."""
    assert len(schema.STEPS) == schema.VERSION > 1
    desk.run([finding(1)], day=1, run_id="1")
    indexes = "perimeter_findings_open"
    changed_by_hand(
        desk,
        *(f"drop table perimeter_{name}" for name in ("scans", "webapps", "auth_records")),
        f"drop index {indexes}",
        "update perimeter_history set value = '1' where name = 'version'",
    )
    before = desk.rows("findings"), desk.rows("observations")
    desk.run([finding(1)], day=2, check=True)
    assert dict(desk.rows("history", "name", "value"))["version"] == "1"
    result = desk.run([finding(1)], day=2, run_id="2", scans=[scan()])
    assert (counts(result), result.values["recorded"]["scans"]) == ({}, 1)
    assert dict(desk.rows("history", "name", "value"))["version"] == str(schema.VERSION)
    assert (desk.rows("findings"), desk.rows("observations")) == before
    assert [entry["run_id"] for entry in result.values["trend"]] == ["1", "2"]


def test_a_step_that_fails_leaves_the_store_as_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run([finding(1)], day=1)

    def broken(connection: Any) -> None:
        connection.exec_driver_sql("create table perimeter_half(name text)")
        connection.exec_driver_sql("this is no SQL")

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, broken))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(TransportError):
        desk.run([finding(2)], day=2)
    monkeypatch.undo()
    assert desk.rows("runs", "number") == [1]
    assert "perimeter_half" not in tables_of(desk)


@pytest.mark.parametrize(
    ("ready", "kind", "words"),
    [
        (lambda desk: desk.file.write_bytes(b"no database at all, but long enough" * 99), TransportError, "NOTADB"),
        (lambda desk: desk.file.mkdir(), TransportError, "SQLITE_CANTOPEN: the file cannot be opened"),
        (lambda desk: desk.file.symlink_to(desk.path / "real"), FileError, "history.db is a symbolic link"),
        (
            lambda desk: changed_by_hand(desk, "create table perimeter_history(id integer)"),
            StateError, "belongs to another application; nothing was changed",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_no_store_is_refused_as_it_is(
    desk: Desk, ready: Callable[[Desk], Any], kind: type[PerimeterError], words: str
) -> None:
    ready(desk)
    with pytest.raises(kind, match=words):
        desk.run([finding(1)], day=1)


@pytest.mark.parametrize(
    ("value", "words"),
    [("99", f"has version 99, and this release knows {schema.VERSION}; nothing"), ("x", "has no valid version")],
)
def test_a_store_of_another_version_is_refused_in_one_sentence(desk: Desk, value: str, words: str) -> None:
    desk.run([finding(1)], day=1)
    changed_by_hand(desk, f"update perimeter_history set value = '{value}' where name = 'version'")
    before = desk.file.read_bytes()
    with pytest.raises(StateError, match=words) as caught:
        desk.run([finding(2)], day=2)
    assert "\n" not in str(caught.value)
    assert desk.file.read_bytes() == before


def test_a_damaged_store_is_an_error_and_stays_as_it_is(desk: Desk) -> None:
    desk.run([finding(number) for number in range(300)], day=1)
    data = bytearray(desk.file.read_bytes())
    data[4096 : len(data) - 4096] = b"\xa5" * (len(data) - 8192)
    desk.file.write_bytes(data)
    with pytest.raises(TransportError, match="SQLITE_CORRUPT: the file is damaged"):
        desk.run([finding(1)], day=2)
    assert desk.file.read_bytes() == bytes(data)


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("nonsense", OptionError, "database_url is not a database URL"),
        ("mysql://user:canary-pw@host/db", OptionError, "database_url: mysql is not supported"),
        ("postgresql+psycopg2://waf:canary-pw@db/waf", OptionError, r"postgresql\+psycopg2 is not supported"),
        ("postgresql://waf:canary-pw@127.0.0.1:1/waf", TransportError, "127.0.0.1:1/waf failed .*nothing listens"),
        ("sqlite:////nowhere/at/all/history.db", TransportError, "SQLITE_CANTOPEN"),
    ],
)
def test_a_url_that_leads_nowhere(desk: Desk, url: str, kind: type[PerimeterError], words: str) -> None:
    desk.url = url
    with pytest.raises(kind, match=words) as caught:
        desk.run([finding(1)], day=1)
    assert "canary" not in str(caught.value)


def test_the_url_comes_from_the_task_or_the_environment_and_its_password_is_secret() -> None:
    url = "postgresql://waf:canary-pw@db.example.com/waf"
    for params, environ in (({"database_url": url}, {}), ({"database_url": ""}, {"PERIMETER_DATABASE_URL": url})):
        assert secrets_of(params, environ) == ("canary-pw",)
        assert shown_of(params, environ) == (url,)
    assert secrets_of({}, {"PERIMETER_DATABASE_URL": ""}) == ()
    assert secrets_of({"database_url": "odd://a:b@c@d"}, {}) == ("odd://a:b@c@d",)


def test_the_default_is_a_private_file_in_the_state_directory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERIMETER_DATABASE_URL", "")
    state = desk.path / "state"
    params = {"findings": [desk.snapshot([finding(1)])], "state_dir": str(state)}
    run(params, True, clock=lambda: on_day(1))
    assert not state.exists()
    result = run(params, False, clock=lambda: on_day(1))
    assert result.values["database"] == f"sqlite:///{state}/history.db"
    assert (state / "history.db").stat().st_mode & 0o777 == 0o600


def test_without_sqlalchemy_the_missing_package_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HAS_SQLALCHEMY", False)
    with pytest.raises(MissingLibrary, match="sqlalchemy"):
        desk.run([finding(1)], day=1)


INCOMPLETE: list[tuple[dict[str, Any], str]] = [
    ({"complete": False}, "its manifest says that it is not complete"),
    ({"since": "2026-11-01T00:00:00Z"}, "it holds only what changed since a time"),
    ({"records": 7}, "it holds 1 records, and its manifest states 7"),
    ({"sha256": "0" * 64}, "its SHA-256 is not the one that its manifest states"),
    ({"announced_after": 2}, "2 findings were announced and 1 are in it"),
    ({"stream": "scans"}, "it holds scans, not findings"),
    ({"finished": None}, "does not say when it was made"),
    ({"schema": 9}, "is not a manifest of this version"),
    ({"source": "indusface"}, "is a finding of qualys, but the others are of indusface"),
]


@pytest.mark.parametrize(("manifest", "words"), INCOMPLETE)
def test_a_snapshot_that_proves_nothing_is_refused(desk: Desk, manifest: dict[str, Any], words: str) -> None:
    path = desk.snapshot([finding(1)], 1, **manifest)
    with pytest.raises(FileError, match=words):
        run({"database_url": desk.url, "findings": [path]}, False, clock=lambda: on_day(2))
    assert tables_of(desk) == []


LINES: list[tuple[Any, str]] = [
    ("text", "line 1 of .* is not a record of this version"),
    (scan(), "line 1 of .* is not a finding but a record of kind scan"),
    ({**finding(1), "schema": 2}, "is not a record of this version"),
    (finding(1, unique_id=None, fingerprint="", id=""), "line 1 of .* has neither a unique id nor a fingerprint"),
    (finding(1, asset=[1]), "line 1 of .* has a value of the wrong type in asset"),
    ({"record": "gap", "schema": 1}, "it holds 1 gap records: data is missing"),
]


@pytest.mark.parametrize(("line", "words"), LINES)
def test_a_line_that_is_no_finding_is_refused(desk: Desk, line: Any, words: str) -> None:
    with pytest.raises(FileError, match=words):
        desk.run([line], day=1)


@pytest.mark.parametrize(
    ("option", "given", "words"),
    [
        ("scans", [7], r"scans\[0\] is neither a record nor a path"),
        ("scans", ["/nowhere/scans.ndjson"], "scans: /nowhere/scans.ndjson cannot be read: no such file"),
        ("scans", [{"record": "scan", "schema": 9}], "not a record of this version"),
        ("scans", [{**scan(), "id": None}], "has no id"),
        ("webapps", [{"name": "shop"}], "has no id"),
        ("findings", ["{folder}"], "nothing was ever collected in"),
        ("findings", ["/nowhere/findings.ndjson"], "there is no such file"),
        ("policy", {"critical": "soon"}, "policy: critical is 'soon', which is not a number of days"),
        ("horizon", "soon", "horizon: 'soon' is not a duration"),
        ("run_id", "x" * 201, "run_id is longer than 200 characters"),
        ("dest", "/nowhere/at/all/history.json", "dest: the directory /nowhere/at/all does not exist"),
    ],
)
def test_an_option_that_cannot_be_used(desk: Desk, option: str, given: Any, words: str) -> None:
    given = json.loads(json.dumps(given).replace("{folder}", str(desk.path)))
    params = {"database_url": desk.url, "scans": [scan()], option: given}
    with pytest.raises(PerimeterError, match=words):
        run(params, False, clock=lambda: on_day(1))


def test_hostile_texts_are_data_in_each_field(desk: Desk) -> None:
    strings = ("id", "unique_id", "rule_id", "title", "fingerprint", "url", "method", "first_seen", "fixed_at",
               "severity", "status", "kind", "last_tested")  # fmt: skip
    asset = {"id": HOSTILE, "name": HOSTILE, "url": HOSTILE, "tags": [HOSTILE]}
    findings = [finding(number, **{name: HOSTILE}) for number, name in enumerate(strings)]
    findings += [finding(90, asset=asset), finding(91, cvss_score=10**400), finding(92, ignored={"reason": HOSTILE})]
    hostile = dict.fromkeys(("id", "name", "url", "type", "source", "status", "kind", "time"), HOSTILE)
    estate: dict[str, Any] = {
        "scans": [{**scan(), **hostile, "counts": {HOSTILE: HOSTILE, "high": HOSTILE}}],
        "webapps": [{**hostile, "tags": [HOSTILE, {"name": HOSTILE}]}],
        "auth_records": [{**hostile, "form": {"type": HOSTILE}}],
    }
    first = desk.run(findings, day=1, run_id=HOSTILE[:150], **estate)
    assert first.values["recorded"] == {"findings": len(findings), "scans": 1, "webapps": 1, "auth_records": 1}
    again = desk.run(findings, day=2, run_id="2", policy={"high": 1}, dest=str(desk.path / "h.json"), **estate)
    assert (counts(again), sum(again.values["recorded"].values())) == ({}, 0)
    assert max(len(str(title)) for title in desk.rows("findings", "title")) <= 300
    assert json.loads((desk.path / "h.json").read_bytes())["kind"] == "history"


def test_two_runs_at_once_wait_for_each_other(desk: Desk) -> None:
    snapshots = [desk.snapshot([finding(n) for n in range(40 + part)], 1, f"{part}.ndjson") for part in range(4)]
    desk.run([finding(1)], day=1)

    def one(path: str) -> bool:
        params = {"database_url": desk.url, "findings": [path], "timeout": 300, "run_id": Path(path).stem}
        return run(params, False, clock=lambda: on_day(1)).changed

    with ThreadPoolExecutor(len(snapshots)) as pool:
        assert all(pool.map(one, snapshots))
    assert desk.rows("runs", "number") == [1, 2, 3, 4, 5]
    last = desk.rows("runs", "number", "run_id")[-1][1]
    states = desk.rows("findings", "state")
    assert states.count("open") == 40 + int(last)


def test_a_run_that_waits_too_long_for_another_says_so(desk: Desk) -> None:
    desk.run([finding(1)], day=1)
    with contextlib.closing(sqlite3.connect(desk.file, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(TransportError, match="SQLITE_BUSY: another program holds it"):
            desk.run([finding(1)], day=2, timeout=1)
    assert desk.run([finding(2)], day=2).changed
