# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retests of findings: start one, or adopt one that is running, and wait for all with one time limit.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 11.7.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._base.errors import BadResponse, PerimeterError, TransportError, VendorError
from ..._reconcile.apply import ItemOutcome, each
from ..._reconcile.settle import after_refusal, settle
from ..._records.times import canonical_time
from ..api.client import QualysClient
from ..api.shapes import Raw, text
from .finding_fields import RESOURCE

RUNNING = ("UNDER_RETEST", "CANCELING")
_WORDS = ("NO_RETEST", "UNDER_RETEST", "RETESTED", "CANCELING", "CANCELED")


@dataclasses.dataclass(frozen=True)
class Retest:
    """The state of the retest of one finding.

    Attributes:
        status: one of NO_RETEST, UNDER_RETEST, RETESTED, CANCELING, CANCELED, or an unknown word of Qualys.
        at: when the finding was last retested, UTC.
        finding_status: the status of the finding after it, in Qualys' words.
        reason: why the retest ended, in Qualys' words.
    """

    status: str
    at: str | None = None
    finding_status: str | None = None
    reason: str | None = None

    @classmethod
    def of(cls, raw: Raw) -> Retest:
        """Return the state in Qualys' ``retest``."""
        return cls(
            text(raw.get("retestStatus")) or "NO_RETEST",
            canonical_time(text(raw.get("retestedDate"))),
            text(raw.get("findingStatus")),
            text(raw.get("reason")),
        )

    @property
    def running(self) -> bool:
        """Whether the retest has not ended."""
        return self.status in RUNNING

    def ended_since(self, before: Retest) -> bool:
        """Return whether a retest has ended since. For a while, Qualys may still return the previous retest."""
        return not self.running and self.status != "NO_RETEST" and (before.running or self != before)

    def shown(self) -> dict[str, str | None]:
        """Return the state for the result."""
        status = self.status.lower() if self.status in _WORDS else "unknown"
        return {
            "status": status,
            "at": self.at,
            "finding_status": self.finding_status,
            "reason": self.reason,
        }


def look(client: QualysClient, finding_id: int) -> Retest:
    """Return the state of the retest of a finding. This is a read, although Qualys requires POST.

    Raises:
        BadResponse: the answer has no record.
    """
    records = client.ask("POST", "retestStatus", RESOURCE, finding_id)
    if not records:
        raise BadResponse(
            f"Qualys answered retestStatus of finding {finding_id} without a record.",
            hint="Run again; if it persists, it is a fault of the platform.",
        )
    state = records[0].get("retest")
    return Retest.of(state if isinstance(state, dict) else {})


def start(client: QualysClient, finding_id: int, before: Retest) -> bool:
    """Start a retest. Returns False if another one was already running, which is adopted.

    Raises:
        AmbiguousWrite: the connection failed, and no retest became visible.
        VendorError: Qualys refused the retest, and none is running.
    """

    def seen() -> bool | None:
        now = look(client, finding_id)
        return True if now.running or now.ended_since(before) else None

    try:
        client.write("retest", RESOURCE, None, finding_id)
    except TransportError as error:
        if not error.sent:
            raise
        return settle(f"retest of finding {finding_id}", seen, error, sleep=client.http.wait)
    except VendorError as refused:
        if after_refusal(refused, lambda: look(client, finding_id)).running:
            return False
        raise
    return True


@dataclasses.dataclass(frozen=True)
class RetestEnd:
    """The last known state of a retest, and an error if it was canceled, did not end in time, or could not be read.

    ``over`` is True if waiting for it has ended.
    """

    retest: Retest
    error: PerimeterError | None = None
    over: bool = False


@dataclasses.dataclass(frozen=True)
class Wait:
    """One time limit for all retests of a task.

    Attributes:
        timeout: total seconds to wait; 0 polls once.
        interval: seconds between polls.
        clock, sleep: replaced in tests.
    """

    timeout: float
    interval: float
    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], object] = time.sleep

    def until_ended(self, client: QualysClient, started: t.Mapping[int, Retest]) -> dict[int, RetestEnd]:
        """Wait, and return the end or the last state of each retest.

        Args:
            client: the account.
            started: the state of each retest before it was started, by finding id.
        """
        found = {finding_id: RetestEnd(before) for finding_id, before in started.items()}
        pending = list(started)
        deadline = self.clock() + self.timeout
        while pending:
            left = deadline - self.clock()
            if left > 0:
                self.sleep(min(self.interval, left))
            outcomes = each(pending, lambda finding_id: look(client, finding_id), workers=client.workers)
            for finding_id, outcome in zip(pending, outcomes, strict=True):
                found[finding_id] = _ended(finding_id, started[finding_id], found[finding_id], outcome)
            pending = [finding_id for finding_id in pending if not found[finding_id].over]
            if self.clock() >= deadline:
                break
        # With a timeout of 0, nobody asked to wait, so a running retest is not an error.
        for finding_id in pending if self.timeout else ():
            found[finding_id] = RetestEnd(found[finding_id].retest, self._late(finding_id))
        return found

    def _late(self, finding_id: int) -> PerimeterError:
        return VendorError(
            f"The retest of finding {finding_id} did not end within {self.timeout:g} seconds.",
            hint="It continues at Qualys. Run again to wait for it, or raise wait_timeout.",
            code="UNDER_RETEST",
        )


def _ended(finding_id: int, before: Retest, last: RetestEnd, outcome: ItemOutcome[Retest]) -> RetestEnd:
    if outcome.value is None:
        return RetestEnd(last.retest, outcome.error, over=True)
    now = outcome.value
    if not now.ended_since(before):
        return RetestEnd(now)
    return RetestEnd(now, _canceled(finding_id, now) if now.status == "CANCELED" else None, over=True)


def _canceled(finding_id: int, found: Retest) -> PerimeterError:
    why = f": {found.reason}" if found.reason else ""
    return VendorError(
        f"The retest of finding {finding_id} was canceled{why}.", hint="Run again to start another.", code="CANCELED"
    )
