# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed errors of the whole collection.

This module is private to the collection and may change at any time.

Every error is one sentence for the user (``message``) with advice (``hint``). Neither may contain a secret: they
quote names, codes and counts, never a request header, a request body or a credential.
"""

from __future__ import annotations

from .log_text import fit_for_message


class PerimeterError(Exception):
    """Base of all errors that a user may see.

    Args:
        message: one sentence that says what went wrong, in terms of options or the vendor's own codes.
        hint: one sentence that says what to do; empty when there is nothing to advise.
        code: the vendor's own code, or None.
    """

    kind = "error"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        self.message = fit_for_message(message)
        self.hint = fit_for_message(hint)
        self.code = None if code is None else fit_for_message(code)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def to_dict(self) -> dict[str, str | None]:
        """The error as plain data, for the ``error`` key of a module's result."""
        return {"kind": self.kind, "message": self.message, "hint": self.hint, "code": self.code}


class OptionError(PerimeterError):
    """An option, or a combination of options, that is invalid. Raised before any request is sent."""

    kind = "option"


class PolicyError(PerimeterError):
    """The policy, the waivers or the baseline cannot be acted on."""

    kind = "policy"


class FileError(PerimeterError):
    """A file that cannot be read, parsed or written."""

    kind = "file"


class StateError(PerimeterError):
    """A position, cache or lock under ``state_dir`` that is missing, damaged, newer, or belongs to something else."""

    kind = "state"


class TransportError(PerimeterError):
    """The connection failed: name resolution, refusal, reset, truncated body.

    ``sent`` is False when it is certain that the server never saw the request; a write may then be repeated.
    """

    kind = "connection"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None, sent: bool = True) -> None:
        super().__init__(message, hint=hint, code=code)
        self.sent = sent


class TlsError(TransportError):
    """The certificate of the server, or our own, was not accepted."""

    kind = "tls"


class RequestTimeout(TransportError):
    """The server did not answer in ``timeout`` seconds."""

    kind = "timeout"


class ServerFault(TransportError):
    """The server answered with an error (HTTP 5xx), or a vendor client classified its answer as one.

    After a write it is unknown whether the server acted, so ``sent`` is True. ``body`` is the unchanged answer, for a
    vendor client that looks for its own error codes. It may contain anything, so it is never quoted here.
    """

    kind = "server"

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, status: int = 0, body: bytes = b""
    ) -> None:
        super().__init__(message, hint=hint, code=code, sent=True)
        self.status = status
        self.body = body


class RedirectRefused(PerimeterError):
    """The server answered with a redirect. Redirects are not followed: credentials would travel to another host."""

    kind = "redirect"


class ResponseTooLarge(PerimeterError):
    """The answer is larger than the ceiling for one response."""

    kind = "response"


class BadResponse(PerimeterError):
    """The answer is not what the vendor documents: HTML instead of JSON, half a document, a missing member."""

    kind = "response"


class AuthenticationFailed(PerimeterError):
    """The vendor refused the credentials. Stops all threads and is never retried: repeated attempts lock accounts."""

    kind = "authentication"


class RateLimited(PerimeterError):
    """The vendor still answers "slow down" after ``max_wait`` seconds were spent waiting."""

    kind = "rate_limit"


class VendorError(PerimeterError):
    """The vendor understood the request and refused it; ``code`` is the vendor's own word."""

    kind = "vendor"


class NotFound(VendorError):
    """The record does not exist, or these credentials may not see it."""

    kind = "not_found"


class AmbiguousMatch(PerimeterError):
    """A name matches more than one record."""

    kind = "ambiguous_match"


class AmbiguousWrite(PerimeterError):
    """A write may or may not have happened, and reading the state back did not settle it."""

    kind = "ambiguous_write"


class IncompleteRead(PerimeterError):
    """A listing was read twice, and both times had fewer or more records than the vendor announced."""

    kind = "incomplete"


class PartialFailure(PerimeterError):
    """Some of many items failed; the result lists them."""

    kind = "partial"


class WorkerLost(PerimeterError):
    """A worker process ended without a result, for example because it was killed when memory ran out."""

    kind = "worker"


class MissingLibrary(PerimeterError):
    """A Python package that is needed is not installed. ``trace`` is the traceback of its import."""

    kind = "missing_library"

    def __init__(self, library: str, trace: str) -> None:
        super().__init__(f"The Python package {library} is needed.", hint="Install it where the module runs.")
        self.library = library
        self.trace = trace
