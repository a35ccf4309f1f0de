# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers to a webhook: batches as NDJSON or as a JSON list, to any address.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import typing as t

from .._http.response import Response
from .._http.session import ACCEPT, Verdict
from .http_sink import HttpSink, short_hash
from .sink import BatchOutcome, Record, halved

_REFUSES_CONTENT = (400, 413, 422)
"""Statuses that a record may cause. 415 refuses the format, which all records share."""
_AT_WORK = 409
_WORK_TRIES = 4


class Webhook(HttpSink):
    """Any receiver that accepts a POST.

    Sink options: ``url``, ``format``, ``token`` (sent as a bearer token) and ``signature_secret``, with which the body
    is signed (HMAC-SHA-256 in ``X-Perimeter-Signature``).
    """

    kind = "webhook"

    def _shown(self) -> str:
        """Path and query are the key to most webhooks, so only a short hash of both distinguishes two on one host."""
        if not self.path and not self.query:
            return self.base_url
        return f"{self.base_url}/{short_hash(f'{self.path}?{self.query}')}"

    def _prepare(self, options: t.Mapping[str, t.Any]) -> None:
        self._lines = options.get("format") != "json"
        self._secret = str(options.get("signature_secret") or "").encode()
        self._headers = {"Content-Type": "application/x-ndjson" if self._lines else "application/json"}
        if options.get("token"):
            self._headers["Authorization"] = f"Bearer {options['token']}"

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """One POST. Any 2xx acknowledges the whole; a refusal of the content is narrowed down to the record."""
        body = self._body(batch)
        # The same batch has the same key, so that a receiver can drop a repeated one.
        headers = {"Idempotency-Key": hashlib.sha256(body).hexdigest(), "X-Perimeter-Records": str(len(batch))}
        if self._secret:
            headers["X-Perimeter-Signature"] = "sha256=" + hmac.new(self._secret, body, "sha256").hexdigest()
        answer = self._posted(body, self._headers | headers)
        if 200 <= answer.status < 300:
            self.taken = True
            return BatchOutcome(delivered=len(batch))
        if answer.status in _REFUSES_CONTENT:
            return halved(self.send, batch, self.refused(answer))
        raise self.refused(answer)

    def _posted(self, body: bytes, headers: t.Mapping[str, str]) -> Response:
        """Return the answer. While the receiver still works on a batch with this key (409), ask again for a while.

        409 never counts as delivered, because that work may still fail.
        """
        answer = self.post(self.path, body, headers)
        for attempt in range(_WORK_TRIES):
            if answer.status != _AT_WORK:
                break
            self.pause(0.5 * 2**attempt)
            answer = self.post(self.path, body, headers)
        return answer

    def classify(self, answer: Response) -> Verdict:
        """Treat 409 as an ordinary status: it does not mean throttling here."""
        return ACCEPT if answer.status == _AT_WORK else super().classify(answer)

    def _body(self, batch: t.Sequence[Record]) -> bytes:
        entries = [_entry(record) for record in batch]
        return b"".join(entry + b"\n" for entry in entries) if self._lines else b"[" + b",".join(entries) + b"]"


def _entry(record: Record) -> bytes:
    """The line, with the id for removing duplicates put first."""
    return b'{"delivery_id":"' + record.id.encode() + b'",' + record.line.lstrip()[1:]
