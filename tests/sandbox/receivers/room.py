# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receivers' room: strict about the wire shapes, so that a mistake of a client cannot pass.

Shapes are those of Splunk's HTTP event collector, Elasticsearch's bulk API and a signed webhook. A record whose JSON
holds the text of ``poison`` is refused for good, as a mapping error or bad data would be. Splunk has indexed the events
before the one that it refuses. A document may be answered with 201 and be in a failure store, or nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..faults import Fault
from ..log_room import LogRoom, json_reply
from ..wire import Reply, Request


@dataclass(slots=True)
class ReceiversSettings:
    """What can be chosen at start."""

    hec_token: str = "11111111-2222-3333-4444-555555555555"
    api_key: str = "c2FuZGJveDprZXk="
    webhook_token: str = "sandbox_webhook_token"
    signature_secret: str = "sandbox_signature_secret"
    poison: str = "POISON"
    max_body: int = 8 * 1024 * 1024
    busy_items: int = 0
    """How many bulk entries are answered with 429 before one is taken."""
    ack_polls: int = 1
    """How many polls of an acknowledgement say that it is not indexed yet."""
    item_status: int = 0
    """Status of every bulk entry, unless 0: an index that is missing or closed, or a right that is."""
    item_error: dict[str, Any] = field(default_factory=dict)
    """The error of those entries; a block of the cluster when it is empty."""
    item_share: int = 1
    """Every how many-th entry has that status: of those whose number, from one, this divides."""
    store: str = ""
    """A document with this text goes to the failure store of the data stream, and the answer is 201 all the same."""
    drop: str = ""
    """A document with this text is dropped by a pipeline, and the answer is 200."""
    hook_status: int = 0
    """Status of every answer of the webhook, unless 0. With a 2xx the records are taken."""
    hook_statuses: tuple[int, ...] = ()
    """Statuses of the first answers of the webhook, which takes nothing then."""


class Receivers(LogRoom[ReceiversSettings]):
    """Room of all receivers."""

    PATHS = ("/services/collector", "/_bulk", "/es/_bulk", "/hook")

    def reset(self) -> None:
        """Forget everything that was received."""
        self.events: list[dict[str, Any]] = []
        self.documents: dict[str, dict[str, Any]] = {}
        self.failed: list[dict[str, Any]] = []
        self._entries = 0
        self.hooks: list[dict[str, Any]] = []
        self.hook_keys: list[str] = []
        self.queries: list[dict[str, str]] = []
        self._busy = self.settings.busy_items
        self._first = list(self.settings.hook_statuses)
        self._acks: dict[int, int] = {}

    def is_write(self, _method: str, path: str) -> bool:
        """Everything but asking for an acknowledgement."""
        return not path.endswith("/ack")

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        if request.method != "POST":
            return self._json(405, {"text": "The requested URL was not found on this server.", "code": 404})
        with self.lock:
            self.queries.append(request.query)
        if len(request.body) > self.settings.max_body:
            return self._json(413, {"message": "too large"})
        if request.path == "/services/collector/ack":
            return self._ack(request)
        if request.path == "/services/collector/event":
            return self._hec(request)
        if request.path in ("/_bulk", "/es/_bulk"):
            return self._bulk(request)
        return self._hook(request)

    def _json(self, status: int, value: Any) -> Reply:
        return json_reply(status, value, self.clock)

    # Splunk

    def _hec_token(self, request: Request) -> Reply | None:
        given = request.headers.get("authorization", "")
        if not given.startswith("Splunk "):
            return self._json(401, {"text": "Token is required", "code": 2})
        if given.removeprefix("Splunk ") != self.settings.hec_token:
            return self._json(403, {"text": "Invalid token", "code": 4})
        return None

    def _hec(self, request: Request) -> Reply:
        if refused := self._hec_token(request):
            return refused
        try:
            events = _concatenated(request.body.decode())
        except ValueError:
            return self._json(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 0})
        if not events:
            return self._json(400, {"text": "No data", "code": 5})
        for number, event in enumerate(events):
            if code := self._hec_problem(event):
                with self.lock:
                    self.events += events[:number]
                return self._json(400, {"text": "Invalid data format", "code": code, "invalid-event-number": number})
        with self.lock:
            self.events += events
            number = len(self.events)
            self._acks[number] = self.settings.ack_polls
        acknowledged = "x-splunk-request-channel" in request.headers
        return self._json(200, {"text": "Success", "code": 0} | ({"ackId": number} if acknowledged else {}))

    def _hec_problem(self, event: Any) -> int:
        known = {"time", "host", "source", "sourcetype", "index", "event", "fields"}
        if not isinstance(event, dict) or set(event) - known:
            return 6
        if "event" not in event:
            return 12
        if not event["event"]:
            return 13
        fields = event.get("fields", {})
        if not isinstance(fields, dict) or any(isinstance(value, (dict, list)) for value in fields.values()):
            return 15
        if not isinstance(event.get("time", 0), (int, float)) or self.settings.poison in json.dumps(event):
            return 6
        return 0

    def _ack(self, request: Request) -> Reply:
        if refused := self._hec_token(request):
            return refused
        if "x-splunk-request-channel" not in request.headers:
            return self._json(400, {"text": "Data channel is missing", "code": 10})
        answer = {}
        with self.lock:
            for number in json.loads(request.body)["acks"]:
                answer[str(number)] = self._acks.get(number, 1) <= 0
                self._acks[number] = self._acks.get(number, 1) - 1
        return self._json(200, {"acks": answer})

    # Elasticsearch

    def _bulk(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"ApiKey {self.settings.api_key}":
            return self._json(401, {"error": {"type": "security_exception"}, "status": 401})
        if request.headers.get("content-type") != "application/x-ndjson" or not request.body.endswith(b"\n"):
            return self._json(400, {"error": {"type": "illegal_argument_exception"}, "status": 400})
        lines = request.body.decode().split("\n")[:-1]
        if len(lines) % 2:
            return self._json(400, {"error": {"type": "illegal_argument_exception"}, "status": 400})
        with self.lock:
            pairs = zip(lines[::2], lines[1::2], strict=True)
            items = [{"create": self._create(json.loads(action), text)} for action, text in pairs]
        return self._json(
            200, {"took": 1, "errors": any(item["create"]["status"] > 201 for item in items), "items": items}
        )

    def _create(self, action: Any, text: str) -> dict[str, Any]:
        ((verb, target),) = action.items()
        identity = target["_id"]
        answer = {"_index": target["_index"], "_id": identity}
        if verb != "create":
            return answer | {"status": 400, "error": {"type": "illegal_argument_exception", "reason": "only create"}}
        if self._busy > 0:
            self._busy -= 1
            return answer | {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "busy"}}
        self._entries += 1
        if self.settings.item_status and self._entries % self.settings.item_share == 0:
            error = self.settings.item_error or {"type": "cluster_block_exception", "reason": f"blocked: {text}"}
            return answer | {"status": self.settings.item_status, "error": error}
        if self.settings.drop and self.settings.drop in text:
            return answer | {"status": 200, "result": "noop", "_version": -3}
        if self.settings.store and self.settings.store in text:
            # It gets an id of its own there, so one that comes again is stored again.
            self.failed.append(json.loads(text))
            return answer | {"status": 201, "result": "created", "failure_store": "used"}
        if self.settings.poison in text:
            return answer | {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "failed to parse"}}
        if identity in self.documents:
            return answer | {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "exists"}}
        self.documents[identity] = json.loads(text)
        return answer | {"status": 201, "result": "created"}

    # Webhook

    def _hook(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.settings.webhook_token}":
            return self._json(401, {"message": "who are you"})
        expected = (
            "sha256=" + hmac.new(self.settings.signature_secret.encode(), request.body, hashlib.sha256).hexdigest()
        )
        if request.headers.get("x-perimeter-signature", expected) != expected:
            return self._json(403, {"message": "bad signature"})
        with self.lock:
            if self._first:
                return self._json(self._first.pop(0), {"message": "not now"})
        if self.settings.hook_status and not 200 <= self.settings.hook_status < 300:
            return self._json(self.settings.hook_status, {"message": "no"})
        text = request.body.decode()
        is_list = request.headers.get("content-type") == "application/json"
        records = json.loads(text) if is_list else [json.loads(line) for line in text.split("\n")[:-1]]
        if str(len(records)) != request.headers.get("x-perimeter-records"):
            return self._json(400, {"message": "count"})
        if self.settings.poison in text:
            return self._json(422, {"message": "cannot take this"})
        with self.lock:
            self.hooks += records
            self.hook_keys.append(request.headers["idempotency-key"])
        return self._json(self.settings.hook_status or 200, {"ok": True})


def _concatenated(text: str) -> list[Any]:
    """JSON objects one after the other; a list is not what the collector takes."""
    decoder, place, found = json.JSONDecoder(), 0, []
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        found.append(value)
        while place < len(text) and text[place] in " \r\n\t":
            place += 1
    return found
