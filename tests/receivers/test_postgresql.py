# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivery to a real PostgreSQL."""

from __future__ import annotations

import typing as t
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError, TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import Sink
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, event, records, sink

from .servers import PASSWORD


@pytest.fixture
def target(database_url: str) -> t.Iterator[Sink]:
    with psycopg.connect(database_url) as connection:
        connection.execute("drop table if exists perimeter_records cascade")
    made = sink("sql", {"database_url": database_url})
    yield made
    made.close()


def query(database_url: str, text: str) -> list[tuple[t.Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(t.cast("t.LiteralString", text)).fetchall()


def test_documents_can_be_asked_as_json(target: Sink, database_url: str) -> None:
    outcome = target.send(records(event(1), event(2, message=HOSTILE, client_ip="198.51.100.7")))
    assert (outcome.delivered, outcome.duplicate) == (2, 0)
    found = query(
        database_url,
        "select record_key, document->>'message', time at time zone 'UTC' from perimeter_records"
        " where document->>'client_ip' = '198.51.100.7'",
    )
    assert [(key, message, moment.isoformat()) for key, message, moment in found] == [
        ("id-2", HOSTILE.replace("\0", "\ufffd"), "2026-11-01T00:00:02")
    ]


def test_again_nothing_and_a_changed_row_once(target: Sink, database_url: str) -> None:
    batch = [event(number) for number in range(300)]
    target.send(records(*batch))
    batch[7] = event(7, content="f" * 16, message="changed")
    again = target.send(records(*batch))
    assert (again.delivered, again.duplicate) == (1, 299)
    assert query(database_url, "select count(*), count(distinct delivery_id) from perimeter_records") == [(301, 300)]
    newest = "select document->>'message' from perimeter_records_newest where record_key = 'id-7'"
    assert query(database_url, newest) == [("changed",)]
    assert query(database_url, "select count(*) from perimeter_records_newest") == [(300,)]


def test_two_rows_that_share_a_key_do_not_replace_each_other(target: Sink, database_url: str) -> None:
    pair = [event(1, content="a", count=3), event(1, content="b", count=4)]
    for batch, delivered in ((pair, 2), (pair[::-1], 0), (pair, 0)):
        assert target.send(records(*batch)).delivered == delivered
    assert query(database_url, "select document->>'count' from perimeter_records order by version") == [("3",), ("4",)]
    assert query(database_url, "select document->>'count' from perimeter_records_newest") == [("4",)]


def test_a_user_who_may_only_write_the_table_can_deliver(target: Sink, database_url: str) -> None:
    target.send(records(event(1)))
    with psycopg.connect(database_url) as connection:
        connection.execute("drop view perimeter_records_newest")
        connection.execute("drop role if exists writer")
        connection.execute(f"create role writer login password '{PASSWORD}'")
        connection.execute("grant select, insert on perimeter_records to writer")
    made = sink("sql", {"database_url": database_url.replace("//waf:", "//writer:")})
    assert made.send(records(event(1), event(2))).delivered == 1
    made.close()
    with psycopg.connect(database_url) as connection:
        connection.execute("drop owned by writer")
        connection.execute("drop role writer")


def test_a_record_that_no_encoding_takes_is_set_aside(target: Sink) -> None:
    batch = [event(1), event(2, key="\ud800"), event(3, message="\udfff"), event(4)]
    outcome = target.send(records(*batch))
    assert (outcome.delivered, [item.number for item in outcome.rejected]) == (2, [2, 3])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "/postgres",
            "/nowhere",
            "/nowhere#perimeter_records failed (OperationalError: the server has no such database)",
        ),
        ("//waf:", "//nobody:", "the server refused the user or the password"),
        (PASSWORD, "canary-wrong-password", "the server refused the user or the password"),
        ("@127.0.0.1:", "@127.0.0.1:1?port=1&x=", "a parameter that PostgreSQL does not know"),
        ("127.0.0.1", "no-such-host.invalid", "no-such-host.invalid"),
        ("/postgres", "/postgres?sslmode=require", "the server does not speak TLS"),
    ],
)
def test_each_failure_names_the_database_and_what_is_wrong(database_url: str, old: str, new: str, words: str) -> None:
    with pytest.raises(PerimeterError) as caught:
        sink("sql", {"database_url": database_url.replace(old, new)}).send(records(event(1)))
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_service_file_leads_where_it_was_judged_to_lead(
    target: Sink, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = conninfo_to_dict(database_url)
    lines = [f"{name}={place[name]}" for name in ("host", "port", "dbname", "user", "password")]
    (tmp_path / "services").write_text("\n".join(["[waf]", *lines, ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGHOST", "db.example.com")
    made = sink("sql", {"database_url": "postgresql:///?service=waf"})
    assert made.target == f"postgresql+psycopg://127.0.0.1:{place['port']}/postgres#perimeter_records"
    assert made.send(records(event(1))).delivered == 1
    made.close()
    assert target.send(records(event(1))).duplicate == 1


def test_a_record_that_the_database_refuses_does_not_hold_up_the_others(target: Sink, database_url: str) -> None:
    target.send(records(event(0)))
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table perimeter_records add check (document->>'message' <> 'POISON')")
    batch = [event(number, message="POISON" if number == 5 else "fine") for number in range(1, 20)]
    outcome = target.send(records(*batch))
    assert (outcome.delivered, [item.number for item in outcome.rejected]) == (18, [5])


def test_a_wrong_password_is_an_error_without_the_password(database_url: str) -> None:
    made = sink("sql", {"database_url": database_url.replace(PASSWORD, "canary-wrong-password")})
    with pytest.raises(TransportError) as caught:
        made.send(records(event(1)))
    made.close()
    assert "canary" not in str(caught.value)
    assert "OperationalError" in str(caught.value)


def test_a_batch_may_have_more_rows_than_one_statement_takes(target: Sink, database_url: str) -> None:
    batch = records(*(event(number) for number in range(9000)))
    assert target.send(batch).delivered == 9000
    assert target.send(batch).duplicate == 9000
    assert query(database_url, "select count(*) from perimeter_records") == [(9000,)]
