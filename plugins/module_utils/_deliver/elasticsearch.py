# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers to Elasticsearch and OpenSearch with the bulk API.

This module is private to the collection and may change at any time.

Each version of a record has its own id. It is created and never updated, because data streams accept nothing else. An
id that already exists is a duplicate, so a row that returns to an earlier content adds no document.

An entry is set aside only if the cause is the entry itself: a mapping that it does not fit (400), or its size (413). A
missing index, a missing permission, a block or a limit of the index is not the fault of a record, whatever the status,
and stops the delivery. A created entry is not always in the index: it may be in the failure store of the data stream.
"""

from __future__ import annotations

import base64
import re
import typing as t

from .._base.errors import BadResponse, OptionError, RateLimited, VendorError
from .._records.codec import dumps, loads
from .._records.times import utc_text
from .._spool.disk.files import folder_day_of, window_of
from .http_sink import HttpSink
from .sink import BatchOutcome, Record, rejected
from .view import ecs, view

_CREATED = (200, 201)
_CONFLICT = 409
_POISON = (400, 413)
_BUSY = 429
_BUSY_TRIES = 6
_FAULTS = frozenset(
    {
        "authorization_exception",
        "cluster_block_exception",
        "illegal_state_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_index_name_exception",
        "resource_not_found_exception",
        "security_exception",
        "strict_dynamic_mapping_exception",
        "validation_exception",
    }
)
"""Types of errors that concern the index or the user: permissions, blocks, quotas, a mapping that is full or strict."""
_FAULT_WORDS = ("limit of ", "pipeline with id ", "number of ", "only write ops ")
"""Beginnings of the reason of an ``illegal_argument_exception`` that concerns a limit or a setting of the index. Only
the beginning counts: further on, a reason quotes the record, which an attacker may have written."""
_STORED = "it went to the failure store of the data stream"
_NAME = re.compile(r"[a-z_]{1,80}")


class Elasticsearch(HttpSink):
    """One index or data stream.

    Sink options: ``url``, ``index``, ``failure_store`` (quarantine or fail), and ``api_key`` or ``username`` and
    ``password``.
    """

    kind = "elasticsearch"

    def _prepare(self, options: t.Mapping[str, t.Any]) -> None:
        index = options.get("index")
        if not index:
            raise OptionError("sink_options.index is missing.", hint="Give the index or data stream to write to.")
        self._index = str(index)
        self._strict = options.get("failure_store") == "fail"
        self.path = self.path.removesuffix("/_bulk")
        self.target = f"{self.base_url}{self.path}/{self._index}{self.mark}"
        self._headers = {"Content-Type": "application/x-ndjson"}
        if options.get("api_key"):
            self._headers["Authorization"] = f"ApiKey {options['api_key']}"
        elif options.get("username"):
            pair = f"{options['username']}:{options.get('password') or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """One bulk request; entries for which the service was too busy are sent again."""
        outcome = BatchOutcome()
        waiting = list(batch)
        for attempt in range(_BUSY_TRIES):
            if attempt:
                self.pause(0.25 * 2**attempt)
            waiting = self._bulk(waiting, outcome)
            if not waiting:
                return outcome
        raise RateLimited(
            f"Elasticsearch accepted {outcome.total} of {len(batch)} records and was too busy for the rest.",
            hint="Nothing is lost: the next run sends the batch again, and records that are already there count as"
            " duplicates.",
        )

    def _bulk(self, batch: t.Sequence[Record], outcome: BatchOutcome) -> list[Record]:
        body = b"".join(self._entry(record) for record in batch)
        answer = self.post(f"{self.path}/_bulk", body, self._headers)
        if answer.status == 413 and len(batch) > 1:
            middle = len(batch) // 2
            return self._bulk(batch[:middle], outcome) + self._bulk(batch[middle:], outcome)
        if answer.status != 200:
            if answer.status == 413:
                outcome.rejected.append(rejected(batch[0], "Elasticsearch says that it is too large (HTTP 413)"))
                return []
            raise self.refused(answer)
        return self._sorted_out(batch, _items(answer.body), outcome)

    def _sorted_out(
        self, batch: t.Sequence[Record], items: t.Sequence[t.Mapping[str, t.Any]], outcome: BatchOutcome
    ) -> list[Record]:
        """Count the result of each entry; returns those for which the service was too busy, or failed."""
        if len(items) != len(batch):
            raise BadResponse(f"Elasticsearch answered {len(items)} items for {len(batch)} records.")
        busy, fault = [], None
        for record, item in zip(batch, items, strict=True):
            status = item.get("status")
            if status in _CREATED:
                fault = self._created(record, item, outcome) or fault
            elif status == _CONFLICT:
                outcome.duplicate += 1
            elif isinstance(status, int) and status >= 500:
                busy.append(record)
            elif _is_fault(item):
                # A block because of a full disk has the status of a busy service, but does not pass.
                fault = item
            elif status == _BUSY:
                busy.append(record)
            elif status in _POISON:
                outcome.rejected.append(rejected(record, *_why(item)))
            else:
                fault = item
        if fault is not None:
            raise self._item_refused(fault)
        return busy

    def _created(
        self, record: Record, item: t.Mapping[str, t.Any], outcome: BatchOutcome
    ) -> t.Mapping[str, t.Any] | None:
        """Count an entry that was accepted, by where it is stored; returns it when that is an error, else None."""
        self.taken = True
        if item.get("failure_store") == "used":
            if self._strict:
                return item
            outcome.rejected.append(rejected(record, f"Elasticsearch accepted it, but {_STORED}"))
        elif item.get("result") == "noop":
            outcome.dropped += 1
        else:
            outcome.delivered += 1
        return None

    def _item_refused(self, item: t.Mapping[str, t.Any]) -> VendorError:
        if item.get("failure_store") == "used":
            return VendorError(
                f"elasticsearch: {self.target} accepted an entry, but {_STORED}.",
                hint="Fix the mapping or the pipeline, and remove what is in the failure store: the next run sends the"
                " batch again.",
            )
        return VendorError(
            f"elasticsearch: {self.target} refused entries ({_told(item)}).",
            hint="Check sink_options.index, its limits and blocks, and the rights of the key or user. Nothing is lost:"
            " the next run sends the batch again.",
            code=str(item.get("status")),
        )

    def _entry(self, record: Record) -> bytes:
        action = dumps({"create": {"_index": self._index, "_id": record.version_id}})
        return action + b"\n" + dumps(_document(record)) + b"\n"


def _document(record: Record) -> dict[str, t.Any]:
    document, seen = record.document, view(record.document)
    moment = seen.get("time") or seen.get("last_seen") or seen.get("from") or _start_of(record.segment)
    fields = {**ecs(document), "perimeter": document}
    return {"@timestamp": moment, **fields} if moment else fields


def _start_of(segment: str) -> str | None:
    """The start of the segment's span: data streams require a time, and the same one when a record is sent again."""
    folder, _slash, name = segment.rpartition("/")
    window, day = window_of(name), folder_day_of(folder)
    if window is not None:
        return utc_text(window.start)
    return f"{day.isoformat()}T00:00:00Z" if day else None


def _items(body: bytes) -> list[dict[str, t.Any]]:
    try:
        items = loads(body)["items"]
        return [next(iter(item.values())) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise BadResponse(
            "Elasticsearch answered a bulk request with something other than its items.",
            hint="Check sink_options.url: another service may answer there.",
        ) from None


def _why(item: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """The reason in our words, and in the service's words."""
    return f"Elasticsearch refused it ({_told(item)})", str(_error(item).get("reason") or "")[:300]


def _is_fault(item: t.Mapping[str, t.Any]) -> bool:
    """Whether the cause of a refusal is common to all entries."""
    error = _error(item)
    if error.get("type") in _FAULTS:
        return True
    # A limit may cause an error that looks like a parsing error.
    return any(
        part.get("type") == "illegal_argument_exception" and str(part.get("reason")).lower().startswith(_FAULT_WORDS)
        for part in (error, error.get("caused_by"))
        if isinstance(part, dict)
    )


def _error(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    error = item.get("error")
    return error if isinstance(error, dict) else {}


def _told(item: t.Mapping[str, t.Any]) -> str:
    """The type of an entry's error, if it is a plain name, and its status; longer texts could quote the record."""
    kind = str(_error(item).get("type"))
    return f"{kind if _NAME.fullmatch(kind) else 'no reason given'}, status {item.get('status')}"
