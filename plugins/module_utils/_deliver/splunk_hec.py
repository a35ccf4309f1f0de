# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers to Splunk with its HTTP event collector.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

from .._base.errors import AuthenticationFailed, BadResponse, OptionError, RateLimited
from .._http.response import Response
from .._records.codec import dumps, loads
from .._records.times import parse_time
from .http_sink import HttpSink
from .sink import BatchOutcome, Record, halved, rejected
from .view import hec_fields, view

_BAD_TOKENS = (1, 2, 3, 4)
_BAD_DATA = (5, 6, 12, 13, 15)
_ACK_TRIES = 60
_NEXT = 16
"""Number of events sent at once after one that Splunk cannot read; it doubles after each success. Unreadable events
come in groups, and each of them costs a request with all events that follow."""


class SplunkHec(HttpSink):
    """One event collector.

    Sink options: ``url``, ``token``, ``index``, ``sourcetype``, ``acknowledge`` (wait until Splunk has indexed the
    events; without it, success means that they were received).
    """

    kind = "splunk_hec"

    def _prepare(self, options: t.Mapping[str, t.Any]) -> None:
        if self.query:
            raise OptionError("sink_options.url contains a query.", hint="Give https://host:port only.")
        if not options.get("token"):
            raise OptionError("sink_options.token is missing.", hint="Give the token of the event collector.")
        self._headers = {"Authorization": f"Splunk {options['token']}", "Content-Type": "application/json"}
        self._index = options.get("index")
        self._sourcetype = options.get("sourcetype")
        self._acknowledge = bool(options.get("acknowledge"))
        if self._acknowledge:
            self._headers["X-Splunk-Request-Channel"] = str(uuid.uuid4())
        self.path = self.path.removesuffix("/services/collector/event").removesuffix("/services/collector")
        self.target = f"{self.base_url}{self.path}#{self._index or ''}"

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """One POST of all events; an event that Splunk cannot read is set aside, and the events after it are sent."""
        outcome, rest, size = BatchOutcome(), list(batch), len(batch)
        while rest:
            number = self._sent(rest[:size], outcome)
            if number is None:
                rest, size = rest[size:], 2 * size
            else:
                rest, size = rest[number + 1 :], _NEXT
        return outcome

    def _sent(self, batch: t.Sequence[Record], outcome: BatchOutcome) -> int | None:
        """Send events, and count the outcome; returns the index of the event at which Splunk stopped reading, or None.

        Splunk indexes the events before it, so they are delivered and must not be sent again. Those after it are not
        counted.
        """
        answer = self.post(f"{self.path}/services/collector/event", b"".join(map(self._event, batch)), self._headers)
        code, reply = _code(answer)
        if code == 0:
            self.taken = True
            self._wait_until_indexed(reply)
            outcome.delivered += len(batch)
            return None
        number = self._at_fault(len(batch), answer, code, reply)
        if number is None:
            outcome.add(halved(self.send, batch, self.refused(answer)))
            return None
        if number and self._acknowledge and not isinstance(reply.get("ackId"), int):
            # Whether those are indexed is unknown. With acknowledgement, certainty matters more than sending them once.
            outcome.add(self.send(batch[:number]))
        elif number:
            self.taken = True
            self._wait_until_indexed(reply)
            outcome.delivered += number
        outcome.rejected.append(rejected(batch[number], f"Splunk cannot read it (code {code})"))
        return number

    def _event(self, record: Record) -> bytes:
        document = record.document
        source = str(document.get("source") or "perimeter")
        event: dict[str, t.Any] = {
            "source": source,
            "sourcetype": self._sourcetype or f"perimeter:{source}:{document.get('record')}",
            "event": document,
            "fields": {"delivery_id": record.id, "content": record.content, **hec_fields(document)},
        }
        if self._index:
            event["index"] = self._index
        seen = view(document)
        moment = _epoch(seen)
        if moment is not None:
            event["time"] = moment
        host = seen.get("host")
        if isinstance(host, str) and host:
            event["host"] = host
        return dumps(event)

    def _at_fault(self, count: int, answer: Response, code: int | None, reply: t.Mapping[str, t.Any]) -> int | None:
        """Return the index of the event that Splunk cannot read; None if it does not say.

        Raises:
            AuthenticationFailed: the token was refused.
            VendorError: the cause is not an event.
        """
        if code in _BAD_TOKENS:
            raise AuthenticationFailed(
                f"Splunk refused the token (code {code}).", hint="Check sink_options.token.", code=str(code)
            )
        if code not in _BAD_DATA and answer.status != 413:
            raise self.refused(answer)
        number = reply.get("invalid-event-number")
        return number if isinstance(number, int) and 0 <= number < count else None

    def _wait_until_indexed(self, reply: t.Mapping[str, t.Any]) -> None:
        if not self._acknowledge:
            return
        ack = reply.get("ackId")
        if not isinstance(ack, int):
            raise BadResponse(
                "Splunk gave no ackId.", hint="Switch on indexer acknowledgement for the token, or acknowledge off."
            )
        for attempt in range(_ACK_TRIES):
            answer = self.post(f"{self.path}/services/collector/ack", dumps({"acks": [ack]}), self._headers)
            _answered, state = _code(answer)
            if isinstance(state.get("acks"), dict) and state["acks"].get(str(ack)) is True:
                return
            self.pause(min(0.2 * 1.5**attempt, 5.0))
        raise RateLimited(
            "Splunk did not confirm in time that the events are indexed.", hint="The next run sends the batch again."
        )


def _code(answer: Response) -> tuple[int | None, dict[str, t.Any]]:
    try:
        reply = loads(answer.body)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        if answer.status == 200:
            raise BadResponse("Splunk answered with something that is not JSON.", hint="Check sink_options.url.")
        return None, {}
    code = reply.get("code")
    return (code if isinstance(code, int) else None), reply


def _epoch(document: t.Mapping[str, t.Any]) -> float | None:
    moment = document.get("time") or document.get("last_seen") or document.get("from")
    try:
        parsed = parse_time(str(moment)) if moment else None
    except ValueError:
        return None
    return (parsed - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).total_seconds() if parsed else None
