# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a scan to end, and what its end amounts to (docs/vendors/qualys_was.md 12.3).

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
"""Looks in a row that may find no such scan. A scan that was just launched may take a moment to be visible."""

Until = t.Literal["ended", "settled"]
"""``ended``: nothing more happens. ``settled``: and it is known what came of it."""


class ScanInconclusive(PerimeterError):
    """The scan ended in a way that proves nothing."""

    kind = "scan_inconclusive"


class ScanTimeout(PerimeterError):
    """The scan was still running when the budget ended."""

    kind = "scan_timeout"


class ScanGone(PerimeterError):
    """The scan vanished while it was waited for."""

    kind = "not_found"


_ENDS: dict[EndReason, tuple[str, str]] = {
    "no_host_alive": ("found no live host", "Check the URL, its DNS name, and whether the scanner may reach it."),
    "no_web_service": ("found no web service", "Check the URL and its port, and whether the scanner may reach it."),
    "authentication_failed": (
        "was not logged in throughout",
        "Check the authentication record; what lies behind the login was not, or not wholly, seen.",
    ),
    "time_limit": ("ran into its time limit", "Raise cancel_after, or narrow the scope of the application."),
    "cancelled": ("was cancelled", "Somebody, or a limit, ended it; launch it again."),
    "not_launched": ("was not launched by the platform", "Launch it again; if it persists, ask Qualys."),
    "scanner_not_available": ("had no scanner", "Check the scanner appliance, or use another one."),
    "service_error": ("met a fault of the scanning service", "Launch it again; if it persists, ask Qualys."),
    "error": ("ended in an error", "Look at it in Qualys, and launch it again."),
}


@dataclasses.dataclass
class Waited:
    """What came of waiting.

    Attributes:
        raw: the scan as it was last seen.
        failures: how many looks failed.
        error: why waiting ended without the end of the scan; None when that was seen.
        unknown: words that this version does not know, as ``field=WORD``.
    """

    raw: Raw
    failures: int = 0
    error: PerimeterError | None = None
    unknown: set[str] = dataclasses.field(default_factory=set)

    @property
    def warnings(self) -> list[str]:
        """What the user should see, whatever the end was."""
        found, scan_id = [], self.raw.get("id")
        if self.unknown:
            words = ", ".join(sorted(self.unknown))
            found.append(f"Qualys said something about scan {scan_id} that this version does not know: {words}.")
        if self.failures:
            found.append(f"{self.failures} looks at scan {scan_id} failed and were repeated.")
        return found


@dataclasses.dataclass(frozen=True)
class ScanEnd:
    """What a task has to say about a scan: one that ended, or one that is not waited for any more.

    Attributes:
        scan: the scan, in the form that all sources share.
        error: why it has no result that counts; None for one that has.
        warnings: what the user should see beside it.
    """

    scan: Scan
    error: PerimeterError | None = None
    warnings: tuple[str, ...] = ()


class _Watch:
    """Looks at one scan."""

    def __init__(self, client: QualysClient, scan_id: int, waited: Waited, until: Until) -> None:
        self._client = client
        self._id = scan_id
        self._waited = waited
        self._until = until
        self._misses = 0

    def look(self) -> Raw | None:
        """The scan in full, once it has ended; until then the cheap question is asked."""
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
            raise ScanGone(f"Scan {self._id} vanished while it was waited for.", hint="Somebody may have deleted it.")

    def _note(self, status: Raw) -> None:
        self._waited.raw = {**self._waited.raw, **status}
        self._waited.unknown.update(self._standing(self._waited.raw).unknown)

    def _standing(self, raw: Raw) -> ScanStanding:
        # Whether a login was asked for has no influence on whether it is over.
        return standing_of(raw, authenticated=False)

    def enough(self, raw: Raw) -> bool:
        """Whether the scan is where it was waited for."""
        standing = self._standing(raw)
        return standing.over and (self._until == "ended" or standing.end_reason is not None)


def wait_for(client: QualysClient, raw: Raw, budget: Budget, until: Until = "settled") -> Waited:
    """Wait until a scan has ended, or the budget has. Never raises: the scan must not get lost with an error.

    Args:
        client: the account.
        raw: what is known of the scan; its id at least.
        budget: how long.
        until: what to wait for.
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
        message += f" The last look at it failed: {last.message}"
    return ScanTimeout(
        message,
        hint=f"It goes on at Qualys. Run the task again, or with id: {scan_id}, to wait on; or raise wait_timeout.",
    )


def await_end(client: QualysClient, raw: Raw, budget: Budget, *, login: bool | None) -> ScanEnd:
    """Wait for a scan, and judge it. Never raises: the scan must not get lost with an error.

    Args:
        client: the account.
        raw: what is known of the scan; its id at least.
        budget: how long; scans that are waited for side by side share it.
        login: whether the scan was to log in; None goes by what the scan itself says.
    """
    waited = wait_for(client, raw, budget)
    scan, warnings = scan_record(waited.raw, authenticated=login), waited.warnings
    if waited.error is not None:
        scan["end_reason"] = "error" if isinstance(waited.error, ScanGone) else "still_running"
        scan["conclusive"] = False
        return ScanEnd(scan, waited.error, tuple(warnings))
    error = judged(scan)
    if error is None and scan["links_crawled"] == 0:
        warnings.append(f"Scan {scan['id']} finished, but crawled no link: look whether it saw anything.")
    return ScanEnd(scan, error, tuple(warnings))


def judged(scan: Scan) -> ScanInconclusive | None:
    """The error for a scan whose end proves nothing; None for a good one."""
    reason = scan["end_reason"]
    if reason is None or reason in ("finished", "still_running"):
        return None
    what, hint = _ENDS[reason]
    words = f"status {scan['status_native']}, results {scan['results_status']}, login {scan['auth_status']}"
    return ScanInconclusive(f"Scan {scan['id']} {what} ({words}).", hint=hint, code=scan["results_status"])
