# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL sink with SQLite. PostgreSQL is in tests/receivers."""

from __future__ import annotations

import contextlib
import json
import pathlib
import sqlite3
import typing as t

import pytest
import sqlalchemy

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    MissingLibrary,
    OptionError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver import sql
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import Sink
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, event, records, sink


@pytest.fixture
def database(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "events.db"


@pytest.fixture
def target(database: pathlib.Path) -> t.Iterator[Sink]:
    made = sink("sql", {"database_url": f"sqlite:///{database}"})
    yield made
    made.close()


def rows(database: pathlib.Path) -> list[tuple[t.Any, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "select record_key, content, document, time from perimeter_records order by record_key"
        ).fetchall()


def test_one_row_for_each_record(target: Sink, database: pathlib.Path) -> None:
    outcome = target.send(records(event(1), event(2, message=HOSTILE)))
    assert (outcome.delivered, outcome.duplicate) == (2, 0)
    first, second = rows(database)
    assert first[:2] == ("id-1", f"{1:016x}")
    assert first[3].startswith("2026-11-01 00:00:01")
    assert json.loads(second[2])["message"] == HOSTILE.replace("\0", "\ufffd")


def test_a_batch_that_comes_again_changes_nothing(target: Sink, database: pathlib.Path) -> None:
    target.send(records(event(1), event(2)))
    before = rows(database)
    again = target.send(records(event(1), event(2), event(2)))
    assert (again.delivered, again.duplicate) == (0, 3)
    assert rows(database) == before


def test_a_changed_row_replaces_the_old_one(target: Sink, database: pathlib.Path) -> None:
    target.send(records(event(1)))
    changed = event(1, content="f" * 16, message="changed")
    assert target.send(records(changed)).delivered == 1
    (row,) = rows(database)
    assert (row[1], json.loads(row[2])["message"]) == ("f" * 16, "changed")


def test_the_last_of_several_versions_in_one_batch_stays(target: Sink, database: pathlib.Path) -> None:
    outcome = target.send(records(event(1, content="a"), event(1, content="b"), event(1, content="b")))
    assert (outcome.delivered, outcome.duplicate) == (2, 1)
    assert [row[1] for row in rows(database)] == ["b"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "database_url is missing"),
        ("nonsense", "is not a database URL"),
        ("mysql://user:canary-pw@host/db", "mysql is not supported"),
    ],
)
def test_a_url_that_cannot_be_used(url: str | None, words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        sink("sql", {"database_url": url})
    assert "canary" not in str(caught.value)


def test_a_database_that_cannot_be_opened(tmp_path: pathlib.Path) -> None:
    made = sink("sql", {"database_url": f"sqlite:///{tmp_path}/missing/events.db"})
    with pytest.raises(TransportError, match="OperationalError"):
        made.send(records(event(1)))
    made.close()


def test_the_password_is_not_part_of_the_target() -> None:
    pytest.importorskip("psycopg")
    made = sink("sql", {"database_url": "postgresql://waf:canary-pw@db.example.com/waf?password=canary-2"})
    made.close()
    assert "canary" not in made.target
    assert "waf:" not in made.target


def test_without_sqlalchemy_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "HAS_SQLALCHEMY", False)
    with pytest.raises(MissingLibrary, match="sqlalchemy"):
        sink("sql", {"database_url": "sqlite://"})


def test_a_row_that_returns_to_an_earlier_content_is_stored(target: Sink, database: pathlib.Path) -> None:
    for content in ("a", "b", "a"):
        assert target.send(records(event(1, content=content))).delivered == 1
    assert [row[1] for row in rows(database)] == ["a"]


def test_a_large_batch_is_stored_in_statements_that_the_database_takes(database: pathlib.Path) -> None:
    made = sink("sql", {"database_url": f"sqlite:///{database}", "batch_records": 9000})
    batch = records(*(event(number) for number in range(9000)))
    assert made.send(batch).delivered == 9000
    assert made.send(batch).duplicate == 9000
    made.close()
    assert len(rows(database)) == 9000


def test_a_new_sqlite_file_is_private_and_one_that_is_there_stays_as_it_is(
    target: Sink, database: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    target.send(records(event(1)))
    assert database.stat().st_mode & 0o777 == 0o600
    shared = tmp_path / "shared.db"
    shared.touch(0o644)
    shared.chmod(0o644)
    made = sink("sql", {"database_url": f"sqlite:///{shared}"})
    made.send(records(event(1)))
    made.close()
    assert shared.stat().st_mode & 0o777 == 0o644


def test_a_batch_holds_at_least_one_record(database: pathlib.Path) -> None:
    with pytest.raises(OptionError, match="batch_records must be at least 1"):
        sink("sql", {"database_url": f"sqlite:///{database}", "batch_records": 0})


@pytest.mark.parametrize(
    ("url", "connection", "expected"),
    [
        ("postgresql://db.example.com/waf", {}, "verify-full"),
        ("postgresql:///waf?host=db.example.com", {}, "verify-full"),
        ("postgresql://db.example.com/waf?sslmode=require", {}, None),
        ("postgresql://db.example.com/waf", {"allow_http": True}, None),
        ("postgresql://db.example.com/waf", {"validate_certs": False}, "require"),
        ("postgresql://127.0.0.1/waf", {}, None),
        ("postgresql://[::1]/waf", {}, None),
        ("postgresql:///waf", {}, None),
        ("postgresql:///waf?host=/run/postgresql", {}, None),
    ],
)
def test_a_postgresql_elsewhere_must_show_its_certificate(
    url: str, connection: dict[str, t.Any], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    found = sql._tls_of(sqlalchemy.make_url(url), connection)
    assert found.get("sslmode") == expected


def test_the_ca_of_the_task_is_the_one_for_postgresql(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, ca = sqlalchemy.make_url("postgresql://db.example.com/waf"), tmp_path / "ca.pem"
    with pytest.raises(OptionError, match="ca_path cannot be read"):
        sql._tls_of(url, {"ca_path": str(ca)})
    ca.touch()
    assert sql._tls_of(url, {"ca_path": str(ca)})["sslrootcert"] == str(ca)
    monkeypatch.setenv("PGSSLROOTCERT", "/its/own.pem")
    assert "sslrootcert" not in sql._tls_of(url, {})
