# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivery to a real PostgreSQL."""

from __future__ import annotations

import typing as t

import psycopg
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import Sink
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, event, records, sink

from .servers import PASSWORD


@pytest.fixture
def target(database_url: str) -> t.Iterator[Sink]:
    with psycopg.connect(database_url) as connection:
        connection.execute("drop table if exists perimeter_records")
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
    assert query(database_url, "select count(*), count(distinct delivery_id) from perimeter_records") == [(300, 300)]
    assert query(database_url, "select document->>'message' from perimeter_records where record_key = 'id-7'") == [
        ("changed",)
    ]


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
