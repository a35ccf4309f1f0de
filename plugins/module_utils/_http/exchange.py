# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its answer on one connection.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import http.client
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urljoin

from .._base.errors import BadResponse, OptionError, RedirectRefused, TransportError
from .deadline import Deadline
from .failures import Circumstances, Failure, too_slow, translate
from .pools import Route, Trace
from .response import Headers, Response, Truncated, read_body
from .retry import Verdict
from .settings import USER_AGENT, origin_of, split_host

try:
    import urllib3
except ImportError:
    pass  # a session cannot be made without it

Classify = t.Callable[[Response], Verdict]

_BAD_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_BAD_NAME = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_OURS = {"user-agent": USER_AGENT, "accept-encoding": "gzip"}


@dataclass(frozen=True)
class Call:
    """One request, for all its attempts. It contains credentials, so its repr shows none of its values.

    Attributes:
        method: HTTP method.
        route: the connections to the server.
        path: path of the URL, without its query.
        target: what goes into the request line.
        headers: all headers.
        body: request body.
        idempotent: whether it may be repeated without harm.
        timeout: seconds of silence that are allowed.
        connect_timeout: seconds for a handshake.
        classify: the vendor client's judgement of an answer.
    """

    method: str
    route: Route
    path: str
    target: str
    headers: dict[str, str]
    body: bytes | None
    idempotent: bool
    timeout: float
    connect_timeout: float
    classify: Classify | None

    @property
    def where(self) -> str:
        """Scheme, host, port and path."""
        return self.route.origin + self.path

    def __repr__(self) -> str:
        return f"Call({self.method} {self.where})"


def complete_headers(headers: t.Mapping[str, str], route: Route) -> dict[str, str]:
    """Return the headers to send: the caller's, and our defaults for those that the caller omits.

    Raises:
        OptionError: a name or value that HTTP does not allow. http.client would refuse it too, but its message quotes
            the value.
    """
    for name, value in headers.items():
        if not name or _BAD_NAME.search(name) or _BAD_VALUE.search(value):
            raise OptionError(
                f"The header {_BAD_NAME.sub('?', name)} holds a character that HTTP does not allow.",
                hint="Look for a line break or a special character in the credentials.",
            )
    given = {name.lower() for name in headers}
    complete = {name: value for name, value in _OURS.items() if name not in given} | dict(headers)
    if route.absolute and route.proxy is not None:
        complete.update(route.proxy.headers)
    return complete


def exchange(call: Call, deadline: Deadline, *, limit: int) -> tuple[Response, int]:
    """Send a request and read the whole answer.

    Args:
        call: the request.
        deadline: closes the connection when the request takes too long.
        limit: ceiling of the body in bytes, after decompression.

    Returns:
        The answer, and the number of body bytes that were received.

    Raises:
        RedirectRefused, ResponseTooLarge, BadResponse: the answer cannot be used.
        TransportError: the proxy refused its credentials.
        Truncated, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError: for ``failure_of``.
    """
    raw = call.route.pool.request(
        call.method,
        call.target,
        body=call.body,
        headers=call.headers,
        retries=False,
        redirect=False,
        assert_same_host=False,
        timeout=urllib3.Timeout(connect=call.connect_timeout, read=call.timeout),
        preload_content=False,
        decode_content=False,
        enforce_content_length=True,
    )
    complete = False
    try:
        headers = Headers(raw.headers.items())
        _check_status(call, raw.status, headers)
        body, received = read_body(raw, headers, limit=limit, where=call.route.origin)
        if deadline.passed:
            raise Truncated  # where no length is announced, the end of the connection looks like that of the body
        complete = True
    finally:
        # A connection with unread bytes must not be reused, but its place in the pool must be released.
        if not complete:
            raw.close()
        raw.release_conn()
    return Response(raw.status, headers, body, call.where), received


def _check_status(call: Call, status: int, headers: Headers) -> None:
    if 300 <= status < 400:
        raise RedirectRefused(
            f"{call.where} redirects to {_target_of(call, headers)} (HTTP {status}).",
            hint="Redirects are not followed, because they would take the credentials to another host."
            " Correct api_url.",
        )
    if status == 407 and call.route.proxy is not None:
        raise TransportError(
            f"The proxy {call.route.proxy.url} refuses our credentials.",
            hint="Give user and password in the proxy URL, or correct them.",
            sent=False,
        )


def _target_of(call: Call, headers: Headers) -> str:
    """Scheme, host and port of a redirect's target: its path and query can contain a token."""
    try:
        parts, host, port = split_host(urljoin(call.where, headers.get("location", "").strip()))
    except ValueError:
        return "an unusable address"
    return origin_of(parts.scheme, host, port)


def failure_of(error: Exception, call: Call, trace: Trace, *, answered: bool) -> Failure:
    """Return what an exception of ``exchange`` means.

    Args:
        error: the exception.
        call: the request.
        trace: what happened to the connection.
        answered: whether the host has answered in this session before.

    Raises:
        BadResponse: the exception is a defect of this code, not a failure of the connection.
    """
    if not isinstance(error, (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, Truncated)):
        # The exception's text could quote a header, so only its type is reported.
        kind = type(error).__name__
        raise BadResponse(f"The request to {call.where} failed with an internal error, {kind}.") from None
    if trace.deadline is not None and trace.deadline.passed:
        return too_slow(call.route.origin, trace.deadline.seconds, sent=trace.sent)
    seen = Circumstances(
        origin=call.route.origin,
        proxy=None if call.route.proxy is None else call.route.proxy.url,
        timeout=call.timeout,
        connect_timeout=call.connect_timeout,
        sent=trace.sent,
        greeted=trace.greeted,
        reused=not trace.opened,
        answered=answered,
    )
    return translate(error, seen)
