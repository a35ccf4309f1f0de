# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elasticsearch and OpenSearch, by the bulk API.

This module is private to the collection and may change at any time.

Each version of a record has an id of its own, and is created and never updated, as data streams take nothing else. An
id that is there already is a duplicate. So a row that returns to an earlier content adds no document.

Only an entry that is refused for its own sake is set aside: a mapping that it does not fit (400), or its size (413). A
missing index or a missing right is no fault of a record, and stops the delivery.
"""

from __future__ import annotations

import base64
import re
import typing as t

from .._base.errors import BadResponse, OptionError, RateLimited, VendorError
from .._records.codec import dumps, loads
from .._records.times import utc_text
from .._spool.disk.files import day_of, window_of
from .http_sink import HttpSink
from .sink import Outcome, Record, rejected

_CREATED = (200, 201)
_CONFLICT = 409
_POISON = (400, 413)
_BUSY = 429
_BUSY_TRIES = 6
_NAME = re.compile(r"[a-z_]{1,80}")


class Elasticsearch(HttpSink):
    """One index or data stream.

    Sink options: ``url``, ``index``, and ``api_key`` or ``username`` and ``password``.
    """

    kind = "elasticsearch"

    def _prepare(self, options: t.Mapping[str, t.Any]) -> None:
        index = options.get("index")
        if not index:
            raise OptionError("sink_options.index is missing.", hint="Give the index or data stream to write to.")
        self._index = str(index)
        self.path = self.path.removesuffix("/_bulk")
        self.target = f"{self.base_url}{self.path}/{self._index}{self.mark}"
        self._headers = {"Content-Type": "application/x-ndjson"}
        if options.get("api_key"):
            self._headers["Authorization"] = f"ApiKey {options['api_key']}"
        elif options.get("username"):
            pair = f"{options['username']}:{options.get('password') or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def send(self, batch: t.Sequence[Record]) -> Outcome:
        """One bulk request; entries for which the service was too busy are sent again."""
        outcome = Outcome()
        waiting = list(batch)
        for attempt in range(_BUSY_TRIES):
            if attempt:
                self.pause(0.25 * 2**attempt)
            waiting = self._bulk(waiting, outcome)
            if not waiting:
                return outcome
        raise RateLimited(
            f"Elasticsearch took {outcome.total} of {len(batch)} records and was too busy for the rest.",
            hint="Nothing is lost: the next run sends the batch again, and what is there already is a duplicate.",
        )

    def _bulk(self, batch: t.Sequence[Record], outcome: Outcome) -> list[Record]:
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
        self, batch: t.Sequence[Record], items: t.Sequence[t.Mapping[str, t.Any]], outcome: Outcome
    ) -> list[Record]:
        """Count what became of each entry; returns those for which the service was too busy, or failed."""
        if len(items) != len(batch):
            raise BadResponse(f"Elasticsearch answered {len(items)} items for {len(batch)} records.")
        busy, fault = [], None
        for record, item in zip(batch, items, strict=True):
            status = item.get("status")
            if status in _CREATED:
                outcome.delivered += 1
                self.taken = True
            elif status == _CONFLICT:
                outcome.duplicate += 1
            elif status == _BUSY or (isinstance(status, int) and status >= 500):
                busy.append(record)
            elif status in _POISON:
                outcome.rejected.append(rejected(record, *_why(item)))
            else:
                fault = item
        if fault is not None:
            raise self._item_refused(fault)
        return busy

    def _item_refused(self, item: t.Mapping[str, t.Any]) -> VendorError:
        return VendorError(
            f"elasticsearch: {self.target} refused entries ({_kind(item)}, status {item.get('status')}).",
            hint="Check sink_options.index and the rights of the key or user. Nothing is lost: the next run sends the"
            " batch again.",
            code=str(item.get("status")),
        )

    def _entry(self, record: Record) -> bytes:
        action = dumps({"create": {"_index": self._index, "_id": record.version_id}})
        return action + b"\n" + dumps(_document(record)) + b"\n"


def _document(record: Record) -> dict[str, t.Any]:
    document = record.document
    moment = document.get("time") or document.get("last_seen") or document.get("from") or _start_of(record.segment)
    return {"@timestamp": moment, "perimeter": document} if moment else {"perimeter": document}


def _start_of(segment: str) -> str | None:
    """Where the segment's span begins: data streams want a time, and the same one when a record comes again."""
    folder, _slash, name = segment.rpartition("/")
    window, day = window_of(name), day_of(folder)
    if window is not None:
        return utc_text(window.start)
    return f"{day.isoformat()}T00:00:00Z" if day else None


def _items(body: bytes) -> list[dict[str, t.Any]]:
    try:
        items = loads(body)["items"]
        return [next(iter(item.values())) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise BadResponse(
            "Elasticsearch answered a bulk request with something else than its items.",
            hint="Check sink_options.url: another service may answer there.",
        ) from None


def _why(item: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """The reason in our words, and in the service's."""
    error = item.get("error")
    told = error if isinstance(error, dict) else {}
    return f"Elasticsearch refused it ({_kind(item)}, status {item.get('status')})", str(told.get("reason") or "")[:300]


def _kind(item: t.Mapping[str, t.Any]) -> str:
    """The type of an entry's error, which is a name; anything longer could quote the record."""
    error = item.get("error")
    kind = str(error.get("type")) if isinstance(error, dict) else ""
    return kind if _NAME.fullmatch(kind) else "no reason given"
