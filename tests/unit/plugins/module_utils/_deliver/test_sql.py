# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL sink with SQLite. PostgreSQL is in tests/receivers."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sqlite3
import typing as t

import pytest
import sqlalchemy

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    MissingLibrary,
    OptionError,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._database import engine
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


def rows(database: pathlib.Path, table: str = "perimeter_records") -> list[tuple[t.Any, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            f"select record_key, content, document, time from {table} order by record_key, version"
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


def test_a_changed_row_stands_beside_the_old_one_and_the_view_shows_the_newest(
    target: Sink, database: pathlib.Path
) -> None:
    target.send(records(event(1)))
    changed = event(1, content="f" * 16, message="changed")
    assert target.send(records(changed)).delivered == 1
    assert [row[1] for row in rows(database)] == [f"{1:016x}", "f" * 16]
    (row,) = rows(database, "perimeter_records_newest")
    assert (row[1], json.loads(row[2])["message"]) == ("f" * 16, "changed")


def test_two_rows_that_share_a_key_are_stored_once_in_whatever_order_they_come(
    target: Sink, database: pathlib.Path
) -> None:
    one, other = event(1, content="a", count=3), event(1, content="b", count=4)
    assert target.send(records(one, other)).delivered == 2
    before = rows(database)
    for again in ((other, one), (one, other), (one,), (other,)):
        outcome = target.send(records(*again))
        assert (outcome.delivered, outcome.duplicate) == (0, len(again))
    assert rows(database) == before
    assert [row[1] for row in rows(database, "perimeter_records_newest")] == ["b"]


def test_the_last_of_several_versions_in_one_batch_stays(target: Sink, database: pathlib.Path) -> None:
    outcome = target.send(records(event(1, content="a"), event(1, content="b"), event(1, content="b")))
    assert (outcome.delivered, outcome.duplicate) == (2, 1)
    assert [row[1] for row in rows(database, "perimeter_records_newest")] == ["b"]


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
    monkeypatch.setattr(engine, "HAS_SQLALCHEMY", False)
    with pytest.raises(MissingLibrary, match="sqlalchemy"):
        sink("sql", {"database_url": "sqlite://"})


def test_a_row_that_returns_to_an_earlier_content_is_a_duplicate(target: Sink, database: pathlib.Path) -> None:
    counted = [target.send(records(event(1, content=content))).delivered for content in ("a", "b", "a")]
    assert counted == [1, 1, 0]
    assert [row[1] for row in rows(database)] == ["a", "b"]


def test_a_table_of_something_else_is_named_before_anything_is_stored(target: Sink, database: pathlib.Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("create table perimeter_records(delivery_id text primary key, content text)")
    with pytest.raises(VendorError, match=r"has no column document, record, record_key, .*version"):
        target.send(records(event(1)))


def test_a_table_whose_name_wants_quotes_has_a_view_too(database: pathlib.Path) -> None:
    made = sink("sql", {"database_url": f"sqlite:///{database}", "table": 'odd "%s" name'})
    assert made.send(records(event(1), event(1, content="b"))).delivered == 2
    made.close()
    assert [row[1] for row in rows(database, '"odd ""%s"" name_newest"')] == ["b"]


def test_a_record_that_no_encoding_takes_does_not_hold_up_the_others(target: Sink, database: pathlib.Path) -> None:
    outcome = target.send(records(event(1), event(2, key="\ud800"), event(3, source="\udfff"), event(4)))
    assert (outcome.delivered, [item.number for item in outcome.rejected]) == (2, [2, 3])
    assert "UnicodeEncodeError" in outcome.rejected[0].reason
    assert [row[0] for row in rows(database)] == ["id-1", "id-4"]


def test_a_link_is_not_followed_to_the_database(tmp_path: pathlib.Path) -> None:
    real, link = tmp_path / "real.db", tmp_path / "link.db"
    real.touch()
    for place in (real, tmp_path / "nothing"):
        link.symlink_to(place)
        for url in (f"sqlite:///{link}", f"sqlite:///file:{link}?uri=true"):
            made = sink("sql", {"database_url": url})
            with pytest.raises(FileError, match=r"link\.db is a symbolic link"):
                made.send(records(event(1)))
            made.close()
        link.unlink()
    assert real.stat().st_size == 0
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        (
            lambda path: path.write_bytes(b"no database at all, but long enough" * 9),
            "SQLITE_NOTADB: the file is not an SQL",
        ),
        (lambda path: path.mkdir(), "SQLITE_CANTOPEN: the file cannot be opened"),
    ],
)
def test_an_error_names_the_database_and_what_is_wrong(
    database: pathlib.Path, ready: t.Callable[[pathlib.Path], None], words: str
) -> None:
    ready(database)
    made = sink("sql", {"database_url": f"sqlite:///{database}"})
    with pytest.raises(TransportError) as caught:
        made.send(records(event(1)))
    made.close()
    assert f"sql: sqlite:///{database}#perimeter_records failed (" in str(caught.value)
    assert words in str(caught.value)


def test_a_full_disk_is_said_to_be_one(database: pathlib.Path, target: Sink) -> None:
    target.send(records(event(0)))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (pages,) = connection.execute("pragma page_count").fetchone()

    def limit(connection: t.Any, _record: t.Any) -> None:
        connection.execute(f"pragma max_page_count = {pages}")

    sqlalchemy.event.listen(target._engine, "connect", limit)  # type: ignore[attr-defined]
    target.close()
    with pytest.raises(TransportError, match="SQLITE_FULL: the disk is full"):
        target.send(records(*(event(number, message="x" * 4000) for number in range(1, 50))))
    assert [row[0] for row in rows(database)] == ["id-0"]


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
    found = tls_of(sqlalchemy.make_url(url), connection)
    assert found.get("sslmode") == expected


def tls_of(url: sqlalchemy.URL, connection: dict[str, t.Any]) -> dict[str, str]:
    """What is added to the parameters of a URL."""
    return engine.parameters_of(url, "database_url").arguments(url.query, connection)


FAR = "[far]\nhost=db.example.com\nport=6000\ndbname=waf\n[near]\nhost=127.0.0.1\n[addressed]\nhostaddr=203.0.113.7\n"


@pytest.mark.parametrize(
    ("url", "environ", "address", "mode"),
    [
        ("postgresql://127.0.0.1/waf?host=db.example.com", {}, "db.example.com/waf", "verify-full"),
        ("postgresql://127.0.0.1/waf?hostaddr=203.0.113.7", {}, "203.0.113.7/waf", "verify-full"),
        ("postgresql://localhost/waf?hostaddr=203.0.113.7&port=5433", {}, "203.0.113.7:5433/waf", "verify-full"),
        ("postgresql://db.example.com/waf?hostaddr=127.0.0.1", {}, "127.0.0.1/waf", None),
        ("postgresql:///?service=far", {}, "db.example.com:6000/waf", "verify-full"),
        ("postgresql:///other?service=far", {}, "db.example.com:6000/other", "verify-full"),
        ("postgresql:///waf?service=near", {}, "127.0.0.1/waf", None),
        ("postgresql://127.0.0.1/waf?service=addressed", {}, "203.0.113.7/waf", "verify-full"),
        ("postgresql:///waf?service=near", {"PGHOST": "db.example.com"}, "127.0.0.1/waf", None),
        ("postgresql:///waf", {"PGHOST": "db.example.com"}, "db.example.com/waf", "verify-full"),
        ("postgresql:///waf", {"PGHOSTADDR": "203.0.113.7"}, "203.0.113.7/waf", "verify-full"),
        ("postgresql:///waf", {"PGSERVICE": "far"}, "db.example.com:6000/waf", "verify-full"),
        ("postgresql:///", {"PGDATABASE": "waf", "PGPORT": "7000", "PGHOST": "a"}, "a:7000/waf", "verify-full"),
        ("postgresql:///waf?host=127.0.0.1:1&host=b:2", {}, "127.0.0.1:1,b:2/waf", "verify-full"),
        ("postgresql:///waf?host=127.0.0.1,b&port=7,8", {}, "127.0.0.1:7,b:8/waf", "verify-full"),
        ("postgresql:///waf?host=/run/a,/run/b", {}, "%2Frun%2Fa,%2Frun%2Fb/waf", None),
        ("postgresql://[2001:db8::1]:7/waf", {}, "[2001:db8::1]:7/waf", "verify-full"),
        ("postgresql:///waf", {}, "/waf", None),
        ("postgresql://db.example.com/waf?sslmode=require", {}, "db.example.com/waf", None),
    ],
)  # fmt: skip
def test_the_address_that_counts_is_the_one_that_libpq_goes_to(
    url: str, environ: dict[str, str], address: str, mode: str | None,
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    services = tmp_path / "services"
    services.write_text(FAR)
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environ | {"PGSERVICEFILE": str(services)}).items():
        monkeypatch.setenv(name, value)
    made = sink("sql", {"database_url": url})
    made.close()
    assert made.target == f"postgresql+psycopg://{address}#perimeter_records"
    added = tls_of(sqlalchemy.make_url(url), {})
    assert added.get("sslmode") == mode
    # What was judged is handed over, so that nothing can lead elsewhere afterwards.
    hosts, addresses = added.get("host", ""), added.get("hostaddr", "")
    assert bool(hosts or addresses) is not address.startswith("/")
    assert os.environ.get("PGSERVICE") == environ.get("PGSERVICE")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+psycopg2://waf@db/waf", r"postgresql\+psycopg2 is not supported"),
        ("postgresql://waf:canary-pw@db/waf?nonsense=canary", "has a parameter that PostgreSQL does not know"),
        ("postgresql://waf:canary-pw@db:canary/waf", "is not a database URL"),
    ],
)
def test_an_address_that_libpq_does_not_understand_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        sink("sql", {"database_url": url})
    assert "canary" not in str(caught.value)


def test_the_ca_of_the_task_is_the_one_for_postgresql(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, ca = sqlalchemy.make_url("postgresql://db.example.com/waf"), tmp_path / "ca.pem"
    with pytest.raises(OptionError, match="ca_path cannot be read"):
        tls_of(url, {"ca_path": str(ca)})
    ca.touch()
    assert tls_of(url, {"ca_path": str(ca)})["sslrootcert"] == str(ca)
    monkeypatch.setenv("PGSSLROOTCERT", "/its/own.pem")
    assert "sslrootcert" not in tls_of(url, {})
