# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP session that all vendor clients share.

This module is private to the collection and may change at any time.

Guarantees:

- Reads are repeated after temporary faults. A write is repeated only when it is certain that the server has not acted.
- The first request is sent alone: until a request was answered without a refusal of the credentials, no second one is
  sent, however many threads wait. So wrong credentials are sent once, and do not lock the account.
- A refusal of the credentials stops all threads. Requests that wait or come later raise the same error without being
  sent.
- Redirects are not followed; cookies, netrc and environment credentials are not used.
- No message, repr or log line contains a header value, a body, a query string or a credential.
"""

from __future__ import annotations

import threading
import time
import types
import typing as t
from dataclasses import dataclass

from .._base.errors import AuthenticationFailed, PerimeterError, RateLimited, ServerFault, TransportError
from .._base.masking import Mask
from .deadline import Deadline
from .exchange import Call, Classify, complete_headers, exchange, failure_of
from .failures import Failure
from .first_request import Gate
from .governor import Governor, SharedPlaces, WaitBudget
from .pools import HAS_REQUESTS, REQUESTS_IMPORT_ERROR, Pools
from .response import Headers, Response, header_time_of
from .retry import (
    ACCEPT,
    AUTH_STATUSES,
    OK,
    RETRY,
    RETRY_AS,
    RETRY_STATUSES,
    THROTTLED,
    NextStep,
    Rules,
    Verdict,
    backoff,
)
from .settings import HttpSettings
from .stats import Stats

__all__ = [
    "ACCEPT",
    "HAS_REQUESTS",
    "OK",
    "REQUESTS_IMPORT_ERROR",
    "RETRY",
    "RETRY_AS",
    "THROTTLED",
    "Headers",
    "HttpSession",
    "Response",
    "ServiceClient",
    "Stats",
    "Verdict",
]


@dataclass(frozen=True)
class _AttemptOutcome:
    """The result of one attempt: an answer to return, or the reason why there is none."""

    decision: NextStep
    response: Response | None = None
    failure: Failure | None = None
    verdict: Verdict = OK


class ServiceClient(t.Protocol):
    """What every vendor's client provides."""

    http: HttpSession

    def __enter__(self) -> t.Any:
        """Return the client; nothing is opened before the first request."""

    def __exit__(self, *details: object) -> None:
        """Close the connections."""

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must never be shown."""


class HttpSession:
    """Connections, retries, throttling and counters of one run. Thread-safe; a context manager.

    Args:
        settings: the connection options.
        governor: admission rules of the vendor; by default only ``max_connections``. Sessions of one run may share a
            governor, and then share its waiting budget and stop switch.
        shared: state that this run shares with other runs, for the default admission rules.
        secrets: texts that are masked wherever they appear in a message.
        auth_statuses: statuses that mean "credentials refused".
        retry_statuses: statuses that mean "temporary fault" for a read.
        clock: monotonic seconds, for tests.
        sleep: replaces real sleeping, for tests.

    Raises:
        OptionError: a setting is invalid.
        MissingLibrary: requests is not installed.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        governor: Governor | None = None,
        shared: SharedPlaces | None = None,
        secrets: t.Iterable[str] = (),
        auth_statuses: t.Iterable[int] = AUTH_STATUSES,
        retry_statuses: t.Iterable[int] = RETRY_STATUSES,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], object] | None = None,
    ) -> None:
        self._settings = settings
        self._pools = Pools(settings)
        self._rules = Rules(frozenset(retry_statuses), frozenset(auth_statuses))
        self._governor = governor or Governor(settings.max_connections, shared=shared)
        budget = WaitBudget(settings.max_wait, clock=clock, sleep=sleep)
        self._budget = self._governor.attach(budget, settings.max_connections)
        self._gate = Gate(self._budget)
        self._mask = Mask(secrets)
        self._protecting = threading.Lock()
        self._answered: set[str] = set()
        self._closed = False
        self.stats = Stats(self._budget)

    def __repr__(self) -> str:
        return f"HttpSession({self._settings!r}, {self._governor!r})"

    def __enter__(self) -> HttpSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. A request after that raises ``TransportError``."""
        self._closed = True
        self._pools.close()

    def protect(self, secret: str) -> None:
        """Mask this text, such as a token that was fetched, in every later message."""
        with self._protecting:
            self._mask.add(secret)

    def wait(self, seconds: float) -> None:
        """Wait for a service that is not ready, within ``max_wait``.

        Raises:
            RateLimited: ``max_wait`` is used up.
            PerimeterError: what the run was stopped with.
        """
        self._budget.wait(seconds)

    def stop(self, error: PerimeterError) -> None:
        """Stop the run: requests that wait or come later, in any thread, raise ``error`` and send nothing."""
        self._budget.stop(error)

    def fail_all(self, error: PerimeterError) -> t.NoReturn:
        """Stop the run with an error, and raise it. For clients that find a refusal in the body of an answer."""
        self.stop(error)
        raise error

    @property
    def stopped(self) -> PerimeterError | None:
        """What the run was stopped with, or None."""
        return self._budget.stopped

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: t.Mapping[str, str] | None = None,
        body: bytes | None = None,
        idempotent: bool,
        timeout: float | None = None,
        classify: Classify | None = None,
    ) -> Response:
        """Send a request and return its complete answer.

        Every answer is returned unless its status is a redirect, a refusal of the credentials, throttling, or a fault
        of the server (5xx; 202 for reads). Other refusals (400, 404, a 409 conflict of data) are for the client to
        judge.

        Args:
            method: HTTP method.
            url: absolute URL, without user name.
            headers: header values in Latin-1; ``User-Agent`` and ``Accept-Encoding`` are set here.
            body: request body.
            idempotent: whether the request may be repeated without harm, as searches by POST may.
            timeout: seconds of silence that are allowed; the whole answer may take ten times as long. None means
                ``timeout`` of the settings.
            classify: called with each complete answer, before the rules for its status. It may raise; an
                ``AuthenticationFailed`` stops the run. During the first request no other one is sent until ``classify``
                returns, so refusals in a body have to be detected here and not after ``request``.

        Raises:
            OptionError: an invalid URL, header or proxy.
            AuthenticationFailed: the credentials were refused; the run is stopped.
            RateLimited: ``max_wait`` is used up.
            RedirectRefused: the answer is a redirect. Nothing was sent to its target.
            ResponseTooLarge, BadResponse: the answer cannot be used.
            RequestTimeout, TlsError, ServerFault, TransportError: the request failed finally. After a write, ``sent``
                says whether the server may have acted.
            PerimeterError: what the run was stopped with.
        """
        call = self._prepare(method, url, headers, body, idempotent, timeout, classify)
        failed = 0
        tries = 0
        while True:
            tries += 1
            outcome = self._try(call, first=tries == 1)
            if outcome.decision.action == "return" and outcome.response is not None:
                return outcome.response
            if outcome.decision.action == "throttle":
                continue
            failed += 1
            self._pause_or_raise(call, outcome, failed, tries)

    def _prepare(
        self,
        method: str,
        url: str,
        headers: t.Mapping[str, str] | None,
        body: bytes | None,
        idempotent: bool,
        timeout: float | None,
        classify: Classify | None,
    ) -> Call:
        route, path, target = self._pools.locate(url)
        seconds = self._settings.timeout if timeout is None else timeout
        return Call(
            method=method,
            route=route,
            path=path,
            target=route.origin + target if route.absolute else target,
            headers=complete_headers(headers or {}, route),
            body=body,
            idempotent=idempotent,
            timeout=seconds,
            connect_timeout=min(seconds, self._settings.connect_timeout),
            classify=classify,
        )

    def _try(self, call: Call, *, first: bool) -> _AttemptOutcome:
        with self._gate.passage():
            got = self._send(call, first=first)
            if isinstance(got, Failure):
                return _AttemptOutcome(NextStep("retry"), failure=got)
            verdict = self._classify(call, got)
            decision = self._rules.decide(got.status, got.headers, idempotent=call.idempotent, verdict=verdict)
            if decision.action == "auth":
                self.fail_all(self._refused(call, got.status))
            if decision.action == "throttle":
                reason = f"{call.route.origin} asks to slow down (HTTP {got.status})"
                self._governor.throttled(decision.wait, reason=reason)
            if decision.action == "return":
                self._governor.succeeded()
                self._gate.open()
            return _AttemptOutcome(decision, response=got, verdict=verdict)

    def _send(self, call: Call, *, first: bool) -> Response | Failure:
        with self._governor.slot():
            if self._closed:
                raise TransportError("The HTTP session is closed.", sent=False)
            self.stats.add(requests=1, retries=0 if first else 1)
            trace = self._pools.trace
            deadline = Deadline(call.timeout)
            trace.reset(deadline)
            before = trace.total
            try:
                with deadline:
                    response, received = exchange(call, deadline, limit=self._settings.max_response_bytes)
            except PerimeterError as error:
                self._mask.error(error)
                raise
            except Exception as error:  # noqa: BLE001 (each one is translated)
                return failure_of(error, call, trace, answered=call.route.origin in self._answered)
            finally:
                if trace.total != before:
                    self.stats.add(connections=trace.total - before)
            self.stats.add(received=received)
            self.stats.compare_clocks(header_time_of(response.headers.get("date")))
            self._answered.add(call.route.origin)
            if call.classify is None and response.status in self._rules.auth:
                # Before the slot is released; otherwise another thread would send the same credentials.
                self.fail_all(self._refused(call, response.status))
            return response

    def _classify(self, call: Call, response: Response) -> Verdict:
        if call.classify is None:
            return OK
        try:
            return call.classify(response)
        except PerimeterError as error:
            self._mask.error(error)
            if isinstance(error, AuthenticationFailed):
                self.stop(error)
            raise

    def _refused(self, call: Call, status: int) -> AuthenticationFailed:
        return AuthenticationFailed(
            f"{call.route.origin} refused the credentials (HTTP {status}).",
            hint="Nothing more was sent, so that the account is not locked. Correct the credentials.",
            code=str(status),
        )

    def _pause_or_raise(self, call: Call, outcome: _AttemptOutcome, failed: int, tries: int) -> None:
        """Wait before the next attempt, or raise the error of this one when it was the last."""
        if not self._may_retry(call, outcome) or failed > self._settings.retries:
            raise self._error(call, outcome, tries)
        failure = outcome.failure
        if failure is not None and failure.stale and failed == 1:
            return  # the server had closed an idle connection; a new one needs no pause
        pause = backoff(failed - 1)
        if outcome.decision.wait is not None:
            pause = max(pause, outcome.decision.wait)
        try:
            self._budget.wait(pause)
        except RateLimited:
            error = self._error(call, outcome, tries)
            error.hint = f"{error.hint} It was not tried again, because max_wait is used up.".strip()
            raise error from None

    def _may_retry(self, call: Call, outcome: _AttemptOutcome) -> bool:
        if outcome.failure is None:
            return outcome.decision.action == "retry"
        return outcome.failure.retry and (call.idempotent or not outcome.failure.sent)

    def _error(self, call: Call, outcome: _AttemptOutcome, tries: int) -> PerimeterError:
        if outcome.failure is not None:
            error: PerimeterError = outcome.failure.error(tries)
        elif outcome.verdict.error is not None:
            error = outcome.verdict.error
        else:
            error = self._fault(call, outcome.response, tries)
        self._mask.error(error)
        return error

    def _fault(self, call: Call, response: Response | None, tries: int) -> ServerFault:
        status = 0 if response is None else response.status
        times = f" {tries} times" if tries > 1 else ""
        hint = "The service has a fault; try again later."
        if not call.idempotent:
            hint = "The service may have acted nevertheless; check before you repeat it."
        body = b"" if response is None else response.body
        text = f"{call.where} answered with a fault{times} (HTTP {status})."
        return ServerFault(text, hint=hint, status=status, body=body)
