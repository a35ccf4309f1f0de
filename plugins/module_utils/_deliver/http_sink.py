# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of sinks that use HTTP: one session, one way to post, one way to handle a refusal.

This module is private to the collection and may change at any time.

It is safe to post a batch again after a failed connection: receivers identify a record by its id, and for those that do
not, delivery is at least once, as documented.
"""

from __future__ import annotations

import hashlib
import typing as t

from .._base.errors import OptionError, PerimeterError, VendorError
from .._http.response import Response
from .._http.retry import RETRY_STATUSES
from .._http.session import ACCEPT, OK, HttpSession, Verdict
from .._http.settings import check_plain_http, origin_of, settings_from, split_host
from .sink import BatchOutcome, Record, number_option

DEFAULT_RECORDS = 500
DEFAULT_BYTES = 4 << 20


class HttpSink:
    """A sink behind a URL. Subclasses set ``kind``, and define ``_prepare`` and ``send``.

    Args:
        options: the sink options.
        connection: the connection options of the task.
        secrets: values that must never be shown.

    Raises:
        OptionError: an option is invalid.
    """

    kind = ""

    def __init__(
        self, options: t.Mapping[str, t.Any], connection: t.Mapping[str, t.Any], secrets: t.Iterable[str]
    ) -> None:
        self.base_url, self.path, self.query = _split(options.get("url"), bool(connection.get("allow_http")))
        # The query may contain a key, so only a short hash of it distinguishes two receivers.
        self.mark = f"?{short_hash(self.query)}" if self.query else ""
        self.target = self._shown()
        self.batch_records = number_option(options, "batch_records", DEFAULT_RECORDS, 1)
        self.batch_bytes = DEFAULT_BYTES
        self.taken = False
        # Here 202 means that the batch is accepted, and 501 that it never will be: neither is a temporary fault.
        self._http = HttpSession(settings_from(connection), secrets=secrets, retry_statuses=RETRY_STATUSES - {202, 501})
        try:
            self._prepare(options)
        except PerimeterError:
            self._http.close()
            raise

    def _shown(self) -> str:
        """The address without secrets."""
        return self.base_url + self.path + self.mark

    def _prepare(self, options: t.Mapping[str, t.Any]) -> None:
        raise NotImplementedError

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """Hand a batch over."""
        raise NotImplementedError

    def stats(self) -> dict[str, t.Any]:
        """Counters of the session."""
        return self._http.stats.to_dict()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def post(self, path: str, body: bytes, headers: t.Mapping[str, str]) -> Response:
        """Send one POST, and repeat it after temporary faults."""
        url = self.base_url + path + (f"?{self.query}" if self.query else "")
        return self._http.request("POST", url, headers=headers, body=body, idempotent=True, classify=self.classify)

    def classify(self, answer: Response) -> Verdict:
        """Let the sink interpret every 2xx answer itself."""
        return ACCEPT if 200 <= answer.status < 300 else OK

    def pause(self, seconds: float) -> None:
        """Wait, within ``max_wait``."""
        self._http.wait(seconds)

    def refused(self, answer: Response) -> VendorError:
        """The error for an answer that accepts nothing of the batch. Its body may quote records, so it is not shown."""
        return VendorError(
            f"{self.kind}: {self.base_url} refused the batch (HTTP {answer.status}).",
            hint="Check sink_options. Nothing is lost: the next run sends the batch again.",
            code=str(answer.status),
        )


def short_hash(secret: str) -> str:
    """A hash that distinguishes two secrets without revealing them."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()[:8]


def _split(url: str | None, allow_http: bool) -> tuple[str, str, str]:
    """Split the address into origin, path without a final slash, and query."""
    if not url:
        raise OptionError("sink_options.url is missing.", hint="Give the address of the receiver.")
    try:
        parts, host, port = split_host(url.strip())
    except ValueError as error:
        raise OptionError(f"sink_options.url {error}.", hint="Give https://host:port/path.") from None
    check_plain_http(parts.scheme, host, allow_http, name="sink_options.url")
    if parts.fragment:
        raise OptionError("sink_options.url contains a fragment.", hint="Give https://host:port/path.")
    return origin_of(parts.scheme, host, port), parts.path.rstrip("/"), parts.query
