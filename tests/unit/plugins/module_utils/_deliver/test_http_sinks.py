# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splunk, Elasticsearch and webhooks, against strict stand-ins."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    OptionError,
    PerimeterError,
    RateLimited,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver.sink import Record, delivery_record_of
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, event, http_options, records, sink

KINDS = ("splunk_hec", "elasticsearch", "webhook")


@pytest.fixture
def sandbox() -> t.Iterator[Sandbox]:
    with Sandbox(webapps=1, findings=0) as running:
        yield running


def received(sandbox: Sandbox, kind: str) -> list[t.Any]:
    """The documents that a receiver holds."""
    room = sandbox.receivers
    if kind == "splunk_hec":
        return [item["event"] for item in room.events]
    if kind == "elasticsearch":
        return [item["perimeter"] for item in room.documents.values()]
    return room.hooks


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_arrives_as_it_is(sandbox: Sandbox, kind: str) -> None:
    documents = [event(1), event(2, url=HOSTILE, message=HOSTILE)]
    target = sink(kind, http_options(sandbox, kind))
    outcome = target.send(records(*documents))
    target.close()
    assert (outcome.delivered, outcome.duplicate, outcome.rejected) == (2, 0, [])
    got = [{name: item[name] for name in documents[0]} for item in received(sandbox, kind)]
    assert got == documents


@pytest.mark.parametrize("kind", KINDS)
def test_one_poison_record_does_not_hold_up_the_others(sandbox: Sandbox, kind: str) -> None:
    documents = [event(number, message="POISON" if number == 5 else "fine") for number in range(11)]
    target = sink(kind, http_options(sandbox, kind))
    outcome = target.send(records(*documents))
    target.close()
    assert (outcome.delivered, [item.number for item in outcome.rejected]) == (10, [6])
    assert outcome.total == 11
    assert sorted(item["id"] for item in received(sandbox, kind)) == sorted(
        document["id"] for document in documents if document["message"] == "fine"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_passing_fault_is_tried_again(sandbox: Sandbox, kind: str) -> None:
    sandbox.faults.replace([{"kind": "status", "status": 503}])
    target = sink(kind, http_options(sandbox, kind))
    assert target.send(records(event(1))).delivered == 1
    target.close()
    assert len(received(sandbox, kind)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_credentials_stop_at_once_and_are_not_shown(sandbox: Sandbox, kind: str) -> None:
    options = http_options(sandbox, kind)
    secret = "canary-f00d-credential"
    options |= {"api_key": secret} if kind == "elasticsearch" else {"token": secret}
    target = sink(kind, options)
    with pytest.raises(AuthenticationFailed) as caught:
        target.send(records(event(1)))
    target.close()
    assert secret not in str(caught.value)
    assert sandbox.counters.snapshot()["requests"] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "sink_options.url is missing"),
        ("ftp://x", "does not start with"),
        ("http://siem.example.com", "plain http"),
        ("https://user:pw@siem.example.com", "user name or password"),
    ],
)
def test_an_address_that_cannot_be_used(sandbox: Sandbox, kind: str, url: str | None, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        sink(kind, http_options(sandbox, kind) | {"url": url})


@pytest.mark.parametrize(("kind", "missing"), [("splunk_hec", "token"), ("elasticsearch", "index")])
def test_a_missing_option_is_named(sandbox: Sandbox, kind: str, missing: str) -> None:
    with pytest.raises(OptionError, match=f"sink_options.{missing} is missing"):
        sink(kind, http_options(sandbox, kind) | {missing: None})


def test_splunk_gets_time_host_and_flat_fields(sandbox: Sandbox) -> None:
    target = sink("splunk_hec", http_options(sandbox, "splunk_hec"))
    (record,) = records(event(1))
    target.send([record])
    target.close()
    (got,) = sandbox.receivers.events
    assert got["time"] == 1793491201.0
    assert (got["host"], got["source"], got["sourcetype"]) == (
        "shop.example.com",
        "edgecast",
        "perimeter:edgecast:event",
    )
    assert got["fields"] == {"delivery_id": record.id, "content": record.content}
    assert got["index"] == "waf"


def test_splunk_can_be_waited_for_until_events_are_indexed(sandbox: Sandbox) -> None:
    target = sink("splunk_hec", http_options(sandbox, "splunk_hec") | {"acknowledge": True})
    assert target.send(records(event(1))).delivered == 1
    target.close()
    assert sandbox.counters.snapshot()["requests"] == 3


def test_elasticsearch_calls_what_it_has_a_duplicate_and_keeps_both_versions_of_a_changed_row(sandbox: Sandbox) -> None:
    target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
    assert target.send(records(event(1), event(2))).delivered == 2
    again = target.send(records(event(1), event(2, content="changed"), event(3)))
    target.close()
    assert (again.delivered, again.duplicate) == (2, 1)
    assert len(sandbox.receivers.documents) == 4


def test_elasticsearch_entries_that_were_too_many_are_sent_again() -> None:
    with Sandbox(webapps=1, findings=0, receivers={"busy_items": 3}) as sandbox:
        target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
        outcome = target.send(records(*(event(number) for number in range(5))))
        target.close()
        assert (outcome.delivered, outcome.duplicate) == (5, 0)
        assert sandbox.counters.snapshot()["requests"] == 2


def test_elasticsearch_that_stays_busy_is_an_error_and_nothing_is_called_delivered() -> None:
    with Sandbox(webapps=1, findings=0, receivers={"busy_items": 1000}) as sandbox:
        target = sink("elasticsearch", http_options(sandbox, "elasticsearch"), max_wait=1)
        with pytest.raises(RateLimited):
            target.send(records(event(1)))
        target.close()


@pytest.mark.parametrize("kind", ["elasticsearch", "webhook"])
def test_a_batch_that_is_too_large_is_halved(kind: str) -> None:
    with Sandbox(webapps=1, findings=0, receivers={"max_body": 3000}) as sandbox:
        target = sink(kind, http_options(sandbox, kind))
        outcome = target.send(records(*(event(number) for number in range(16)), event(16, url="x" * 4000)))
        target.close()
        assert (outcome.delivered, [item.number for item in outcome.rejected]) == (16, [17])
        assert len(received(sandbox, kind)) == 16


def test_the_same_webhook_batch_has_the_same_key_and_format_can_be_a_list(sandbox: Sandbox) -> None:
    target = sink("webhook", http_options(sandbox, "webhook") | {"format": "json"})
    target.send(records(event(1)))
    target.send(records(event(1)))
    target.close()
    first, second = sandbox.receivers.hook_keys
    assert first == second
    assert len({item["delivery_id"] for item in sandbox.receivers.hooks}) == 1


@pytest.mark.parametrize("body", [b"<html>", json.dumps({"took": 1}).encode(), b"[]"])
def test_an_answer_that_is_no_bulk_answer(sandbox: Sandbox, body: bytes) -> None:
    sandbox.faults.replace([{"kind": "status", "status": 200, "body": body.decode()}])
    target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
    with pytest.raises(BadResponse):
        target.send(records(event(1)))
    target.close()


def test_a_refusal_of_the_whole_says_so(sandbox: Sandbox) -> None:
    sandbox.faults.replace([{"kind": "status", "status": 404}])
    target = sink("webhook", http_options(sandbox, "webhook"))
    with pytest.raises(PerimeterError, match=r"refused the batch \(HTTP 4"):
        target.send(records(event(1)))
    target.close()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_elasticsearch_entries_that_are_no_fault_of_a_record_are_an_error(status: int) -> None:
    with Sandbox(webapps=1, findings=0, receivers={"item_status": status}) as sandbox:
        target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
        with pytest.raises(VendorError, match=f"refused entries .cluster_block_exception, status {status}") as caught:
            target.send(records(event(1, message="canary-text")))
        target.close()
        assert "canary" not in str(caught.value)
        assert not sandbox.receivers.documents


def test_elasticsearch_that_fails_inside_is_asked_again_and_then_an_error() -> None:
    with Sandbox(webapps=1, findings=0, receivers={"item_status": 500}) as sandbox:
        target = sink("elasticsearch", http_options(sandbox, "elasticsearch"), max_wait=1)
        with pytest.raises(RateLimited):
            target.send(records(event(1)))
        target.close()
        assert sandbox.counters.snapshot()["requests"] > 1


def test_a_part_that_elasticsearch_took_of_a_failed_batch_is_known(sandbox: Sandbox) -> None:
    target = sink("elasticsearch", http_options(sandbox, "elasticsearch"), max_wait=1)
    assert not target.taken
    answers = [{"create": {"status": 201}}, {"create": {"status": 403, "error": {"type": "security_exception"}}}]
    sandbox.faults.replace([{"kind": "status", "status": 200, "body": json.dumps({"items": answers})}])
    with pytest.raises(VendorError, match="security_exception"):
        target.send(records(event(1), event(2)))
    target.close()
    assert target.taken


def test_elasticsearch_gets_a_time_for_a_record_without_one_and_always_the_same(sandbox: Sandbox) -> None:
    segment = "dt=2026-11-01/20261101T030000Z-20261101T040000Z.ndjson"
    line = json.dumps(event(1, time=None)).encode()
    record = delivery_record_of("stream", line, segment, 1)
    assert isinstance(record, Record)
    target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
    target.send([record])
    target.close()
    (document,) = sandbox.receivers.documents.values()
    assert document["@timestamp"] == "2026-11-01T03:00:00Z"


def test_a_row_that_returns_to_an_earlier_content_is_a_duplicate_to_elasticsearch(sandbox: Sandbox) -> None:
    target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
    for content in ("a", "b"):
        assert target.send(records(event(1, content=content))).delivered == 1
    assert target.send(records(event(1, content="a"))).duplicate == 1
    target.close()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_of_a_webhook_acknowledges(status: int) -> None:
    with Sandbox(webapps=1, findings=0, receivers={"hook_status": status}) as sandbox:
        target = sink("webhook", http_options(sandbox, "webhook"))
        assert target.send(records(event(1), event(2))).delivered == 2
        target.close()
        assert sandbox.counters.snapshot()["requests"] == 1


@pytest.mark.parametrize("status", [403, 404, 415, 501])
def test_a_webhook_that_refuses_what_all_records_share_is_an_error(status: int) -> None:
    with Sandbox(webapps=1, findings=0, receivers={"hook_status": status}) as sandbox:
        target = sink("webhook", http_options(sandbox, "webhook"))
        with pytest.raises(PerimeterError):
            target.send(records(event(1)))
        target.close()
        assert sandbox.counters.snapshot()["requests"] == 1


def test_a_webhook_that_works_on_the_batch_is_asked_again_and_never_counts_as_delivered(sandbox: Sandbox) -> None:
    with Sandbox(webapps=1, findings=0, receivers={"hook_statuses": (409,)}) as busy:
        target = sink("webhook", http_options(busy, "webhook"))
        assert target.send(records(event(1))).delivered == 1
        target.close()
        assert len(busy.receivers.hooks) == 1
    with Sandbox(webapps=1, findings=0, receivers={"hook_status": 409}) as stuck:
        target = sink("webhook", http_options(stuck, "webhook"), max_wait=1)
        with pytest.raises(PerimeterError):
            target.send(records(event(1)))
        target.close()


FAULTS: list[tuple[int, dict[str, t.Any]]] = [
    (400, {"type": "illegal_argument_exception", "reason": "Limit of total fields [1000] has been exceeded"}),
    (400, {"type": "document_parsing_exception", "reason": "[1:2] failed to parse",
           "caused_by": {"type": "illegal_argument_exception", "reason": "Limit of mapping depth [20] is exceeded"}}),
    (400, {"type": "illegal_argument_exception", "reason": "pipeline with id [waf] does not exist"}),
    (400, {"type": "strict_dynamic_mapping_exception", "reason": "mapping set to strict, dynamic introduction of [a]"}),
    (400, {"type": "index_closed_exception", "reason": "closed"}),
    (400, {"type": "validation_exception", "reason": "this action would add [2] shards, but this cluster has [1000]"}),
    (400, {"type": "security_exception", "reason": "action is unauthorized"}),
    (429, {"type": "cluster_block_exception", "reason": "disk usage exceeded flood-stage watermark"}),
    (403, {"type": "cluster_block_exception", "reason": "index read-only / allow delete (api)"}),
    (404, {"type": "index_not_found_exception", "reason": "no such index"}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error"), FAULTS, ids=lambda item: str(item)[:40])
def test_what_is_wrong_with_the_index_is_an_error_at_the_first_entry(status: int, error: dict[str, t.Any]) -> None:
    with Sandbox(
        webapps=1, findings=0, receivers={"item_status": status, "item_error": error, "item_share": 3}
    ) as sandbox:
        target = sink("elasticsearch", http_options(sandbox, "elasticsearch"), max_wait=1)
        with pytest.raises(VendorError, match=f"refused entries .{error['type']}, status {status}"):
            target.send(records(*(event(number) for number in range(3))))
        target.close()
        assert sandbox.counters.snapshot()["requests"] == 1


@pytest.mark.parametrize(
    "error",
    [
        {"type": "document_parsing_exception", "reason": "limit of total fields, says the record"},
        {"type": "mapper_parsing_exception", "reason": "failed to parse field [a] of type [ip]. Preview: 'Limit of '",
         "caused_by": {"type": "illegal_argument_exception", "reason": "'Limit of x' is not an IP string literal."}},
        {"type": "document_parsing_exception", "reason": "failed to parse",
         "caused_by": {"type": "illegal_state_exception", "reason": "Can't get text on a START_OBJECT"}},
    ],
)  # fmt: skip
def test_what_a_record_says_does_not_make_it_a_fault_of_the_index(error: dict[str, t.Any]) -> None:
    with Sandbox(
        webapps=1, findings=0, receivers={"item_status": 400, "item_error": error, "item_share": 3}
    ) as sandbox:
        target = sink("elasticsearch", http_options(sandbox, "elasticsearch"))
        outcome = target.send(records(*(event(number) for number in range(3))))
        target.close()
        assert (outcome.delivered, [item.number for item in outcome.rejected]) == (2, [3])


def test_a_document_in_the_failure_store_is_not_delivered_and_a_dropped_one_is_counted_apart() -> None:
    with Sandbox(webapps=1, findings=0, receivers={"store": "STORE", "drop": "DROP"}) as sandbox:
        documents = [event(1), event(2, message="STORE"), event(3, message="DROP"), event(4)]
        options = http_options(sandbox, "elasticsearch")
        target = sink("elasticsearch", options)
        outcome = target.send(records(*documents))
        target.close()
        assert (outcome.delivered, outcome.dropped, outcome.total) == (2, 1, 4)
        (refused,) = outcome.rejected
        assert (refused.number, refused.reason) == (
            2, "Elasticsearch accepted it, but it went to the failure store of the data stream",
        )  # fmt: skip
        strict = sink("elasticsearch", options | {"failure_store": "fail"})
        with pytest.raises(VendorError, match="accepted an entry, but it went to the failure store"):
            strict.send(records(*documents))
        strict.close()
        assert strict.taken


@pytest.mark.parametrize("acknowledge", [False, True])
@pytest.mark.parametrize(
    "bad", [[0], [5], [39], [0, 1, 2], [3, 20, 39], [*range(0, 40, 2)], [*range(1, 40)], [*range(40)]]
)
def test_what_splunk_took_before_a_bad_event_is_not_sent_again(
    sandbox: Sandbox, bad: list[int], acknowledge: bool
) -> None:
    documents = [event(number, message="POISON" if number in bad else "fine") for number in range(40)]
    target = sink("splunk_hec", http_options(sandbox, "splunk_hec") | {"acknowledge": acknowledge})
    outcome = target.send(records(*documents))
    target.close()
    assert [item.number - 1 for item in outcome.rejected] == bad
    got = [item["event"]["id"] for item in sandbox.receivers.events]
    good = [f"id-{number}" for number in range(40) if number not in bad]
    # With acknowledgement, what was taken before a bad event has no number to ask for, and is sent for one.
    assert (sorted(set(got), key=got.index) if acknowledge else got) == good
    assert outcome.delivered == len(good)


@pytest.mark.parametrize("kind", ["elasticsearch", "webhook"])
def test_the_query_of_an_address_is_sent_and_never_shown(sandbox: Sandbox, kind: str) -> None:
    options = http_options(sandbox, kind)
    targets = {
        sink(kind, options | {"url": options["url"] + query}).target for query in ("", "?key=canary-1", "?key=canary-2")
    }
    assert len(targets) == 3
    assert "canary" not in str(targets)
    target = sink(kind, options | {"url": f"{options['url']}/?pipeline=canary"})
    assert target.send(records(event(1))).delivered == 1
    target.close()
    assert sandbox.receivers.queries == [{"pipeline": "canary"}]


@pytest.mark.parametrize("path", ["/services/T0/B0/canary-1", "/canary-2/?key=canary-3", "?key=canary-4", "/"])
def test_the_target_of_a_webhook_is_its_host_and_a_hash_of_the_rest(sandbox: Sandbox, path: str) -> None:
    options = http_options(sandbox, "webhook")
    made = [sink("webhook", options | {"url": sandbox.url + end}) for end in (path, path, "/another")]
    targets = [item.target for item in made]
    for item in made:
        item.close()
    assert "canary" not in str(targets)
    assert targets[0] == targets[1] != targets[2]
    assert re.fullmatch(re.escape(sandbox.url) + ("" if path == "/" else "/[0-9a-f]{8}"), targets[0])


@pytest.mark.parametrize("kind", [*KINDS, "sql", "syslog"])
def test_half_a_surrogate_pair_in_a_record_is_no_crash_of_any_sink(
    sandbox: Sandbox, kind: str, tmp_path: pathlib.Path
) -> None:
    documents = [event(1), event(2, key="\ud800", host="\ud800", source="\udfff", time="\ud800"), event(3)]
    if kind == "sql":
        target = sink(kind, {"database_url": f"sqlite:///{tmp_path}/events.db"})
    elif kind == "syslog":
        target = sink(kind, {"host": "127.0.0.1", "port": 1, "tls": False})
        assert [t.cast("t.Any", target).message(record)[:1] for record in records(*documents)] == [b"<"] * 3
        return
    else:
        target = sink(kind, http_options(sandbox, kind))
    outcome = target.send(records(*documents))
    target.close()
    assert outcome.total == 3
    assert outcome.delivered >= 2


def test_splunk_takes_no_query(sandbox: Sandbox) -> None:
    with pytest.raises(OptionError, match="contains a query"):
        sink("splunk_hec", http_options(sandbox, "splunk_hec") | {"url": f"{sandbox.url}/?auto=1"})


def test_very_many_poison_events_are_set_aside_one_and_all(sandbox: Sandbox) -> None:
    documents = [event(number, message="fine" if number % 100 == 50 else "POISON") for number in range(600)]
    target = sink("splunk_hec", http_options(sandbox, "splunk_hec"))
    outcome = target.send(records(*documents))
    target.close()
    assert (outcome.delivered, len(outcome.rejected)) == (6, 594)
    assert len(sandbox.receivers.events) == 6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0, -1])
def test_a_batch_holds_at_least_one_record(sandbox: Sandbox, kind: str, number: int) -> None:
    with pytest.raises(OptionError, match=r"batch_records must be at least 1"):
        sink(kind, http_options(sandbox, kind) | {"batch_records": number})
