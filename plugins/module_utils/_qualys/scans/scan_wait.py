# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for a scan to end, and evaluates its end (docs/vendors/qualys_was.md 12.3).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import BadResponse, NotFound, PerimeterError, VendorError
from ..._records.model import EndReason, Scan
from ..api.client import QualysClient
from ..api.shapes import Raw
from ..api.waiting import Budget, look_until
from .scan_fields import RESOURCE, ScanStanding, scan_record, standing_of

_MISSES = 3
"""After this many consecutive polls without the scan, it counts as deleted. A new scan may not be visible at once."""

Until = t.Literal["ended", "settled"]
"""``ended``: the scan is over. ``settled``: and its result is known."""


class ScanInconclusive(PerimeterError):
    """The scan ended in a way that proves nothing."""

    kind = "scan_inconclusive"


class ScanTimeout(PerimeterError):
    """The scan was still running when the time budget ended."""

    kind = "scan_timeout"


class ScanGone(PerimeterError):
    """The scan vanished while the task waited for it."""

    kind = "not_found"


_ENDS: dict[EndReason, tuple[str, str]] = {
    "no_host_alive": ("found no live host", "Check the URL, its DNS name, and whether the scanner can reach it."),
    "no_web_service": ("found no web service", "Check the URL and its port, and whether the scanner can reach it."),
    "authentication_failed": (
        "was not logged in throughout",
        "Check the authentication record. Pages behind the login were not, or not all, scanned.",
    ),
    "time_limit": ("reached its time limit", "Raise cancel_after, or narrow the scope of the application."),
    "cancelled": ("was cancelled", "A user or a limit ended it. Launch it again."),
    "not_launched": ("was not launched by the platform", "Launch it again; if it persists, contact Qualys."),
    "scanner_not_available": ("had no available scanner", "Check the scanner appliance, or use another one."),
    "service_error": ("failed in the scanning service", "Launch it again; if it persists, contact Qualys."),
    "error": ("ended with an error", "Check it in the Qualys user interface, and launch it again."),
}


@dataclasses.dataclass
class Waited:
    """The outcome of waiting.

    Attributes:
        raw: the scan as it was last read.
        failures: the number of polls that failed.
        error: why waiting ended before the scan did; None if the scan has ended.
        unknown: unknown words of the vendor, as ``field=WORD``.
    """

    raw: Raw
    failures: int = 0
    error: PerimeterError | None = None
    unknown: set[str] = dataclasses.field(default_factory=set)

    @property
    def warnings(self) -> list[str]:
        """The warnings for the user."""
        found, scan_id = [], self.raw.get("id")
        if self.unknown:
            words = ", ".join(sorted(self.unknown))
            found.append(f"Qualys returned unknown values for scan {scan_id}: {words}.")
        if self.failures:
            found.append(f"{self.failures} status requests for scan {scan_id} failed and were repeated.")
        return found


@dataclasses.dataclass(frozen=True)
class ScanEnd:
    """The result of a task for one scan, which has ended, or for which the task no longer waits.

    Attributes:
        scan: the scan, in the form that all sources share.
        error: why the scan has no conclusive result; None if it has one, or if waiting was not asked for.
        warnings: warnings for the user.
    """

    scan: Scan
    error: PerimeterError | None = None
    warnings: tuple[str, ...] = ()


class _Watch:
    """Polls one scan."""

    def __init__(self, client: QualysClient, scan_id: int, waited: Waited, until: Until) -> None:
        self._client = client
        self._id = scan_id
        self._waited = waited
        self._until = until
        self._misses = 0

    def look(self) -> Raw | None:
        """Return the scan in full if it has ended, else None. As long as it runs, only its status is requested."""
        self._note(self._status())
        if not self.enough(self._waited.raw):
            return None
        full = self._client.get(RESOURCE, self._id)
        return full if full is not None and self.enough(full) else None

    def _status(self) -> Raw:
        try:
            records = self._client.ask("GET", "status", RESOURCE, self._id)
        except VendorError as error:
            if isinstance(error, NotFound) or error.code == "INVALID_REQUEST":
                self._miss()
            raise
        if not records:
            self._miss()
            raise BadResponse(f"Qualys answered the status of scan {self._id} without the scan.")
        self._misses = 0
        return records[0]

    def _miss(self) -> None:
        self._misses += 1
        if self._misses >= _MISSES:
            raise ScanGone(f"Scan {self._id} vanished while the task waited for it.", hint="It may have been deleted.")

    def _note(self, status: Raw) -> None:
        self._waited.raw = {**self._waited.raw, **status}
        self._waited.unknown.update(self._standing(self._waited.raw).unknown)

    def _standing(self, raw: Raw) -> ScanStanding:
        # Whether the scan logs in does not affect whether it is over.
        return standing_of(raw, authenticated=False)

    def enough(self, raw: Raw) -> bool:
        """Return whether the scan has reached the state for which the task waits."""
        standing = self._standing(raw)
        return standing.over and (self._until == "ended" or standing.end_reason is not None)


def wait_for(client: QualysClient, raw: Raw, budget: Budget, until: Until = "settled") -> Waited:
    """Wait until a scan or the budget has ended. An error is part of the result, so that the scan's id is not lost.

    Args:
        client: the account.
        raw: the scan as far as it is known, at least its id.
        budget: the time budget.
        until: the state to wait for.
    """
    waited = Waited(dict(raw))
    watch = _Watch(client, int(raw["id"]), waited, until)
    try:
        looks = look_until(budget, watch.look)
    except PerimeterError as error:
        waited.error = error
        return waited
    waited.failures = looks.failures
    if looks.done is not None:
        waited.raw = looks.done
    elif not watch.enough(waited.raw):
        waited.error = _timeout(int(raw["id"]), budget, looks.last_error)
    return waited


def _timeout(scan_id: int, budget: Budget, last: PerimeterError | None) -> ScanTimeout:
    message = f"Scan {scan_id} had not ended after {budget.seconds:.0f} seconds."
    if last is not None:
        message += f" The last status request failed: {last.message}"
    return ScanTimeout(
        message,
        hint=f"It continues at Qualys. Run the task again, or with id: {scan_id}, to keep waiting; or raise"
        " wait_timeout.",
    )


def await_end(client: QualysClient, raw: Raw, budget: Budget, *, login: bool | None) -> ScanEnd:
    """Wait for a scan, and evaluate its end. An error is part of the result, so that the scan's id is not lost.

    Args:
        client: the account.
        raw: the scan as far as it is known, at least its id.
        budget: the time budget, which parallel waits share.
        login: whether the scan has to log in; None to take this from the scan itself.
    """
    waited = wait_for(client, raw, budget)
    scan, warnings = scan_record(waited.raw, authenticated=login), waited.warnings
    if waited.error is not None:
        scan["end_reason"] = "error" if isinstance(waited.error, ScanGone) else "still_running"
        scan["conclusive"] = False
        return ScanEnd(scan, waited.error, tuple(warnings))
    error = judged(scan)
    if error is None and scan["links_crawled"] == 0:
        warnings.append(f"Scan {scan['id']} finished, but crawled no link: check whether it reached the application.")
    return ScanEnd(scan, error, tuple(warnings))


def judged(scan: Scan) -> ScanInconclusive | None:
    """Return the error for a scan with an inconclusive end; None for any other scan."""
    reason = scan["end_reason"]
    if reason is None or reason in ("finished", "still_running"):
        return None
    what, hint = _ENDS[reason]
    words = f"status {scan['status_native']}, results {scan['results_status']}, login {scan['auth_status']}"
    return ScanInconclusive(f"Scan {scan['id']} {what} ({words}).", hint=hint, code=scan["results_status"])
