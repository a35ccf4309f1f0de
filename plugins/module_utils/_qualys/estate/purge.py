# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Purges the scan data of web applications; the applications stay (docs/vendors/qualys_was.md 9.1).

This module is private to the collection and may change at any time.

Each application is purged with a separate call to the path of purge, with its id: qualysdk's purge used the path of
delete, with the user's filter (docs/vendors/qualys_was.md 17.2, defect 1).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import NotFound, PartialFailure, PerimeterError, TransportError, VendorError
from ..._reconcile.apply import ItemOutcome, each, every
from ..._reconcile.settle import after_refusal, settle, watch
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text
from ..api.targets import check_ceiling, check_selection, read_filtered, read_ids
from .webapp import RESOURCE

_CEILING = "max_purges"
_WHAT = "web application"


@dataclasses.dataclass(frozen=True)
class HeldScans:
    """The scan data of one application at Qualys.

    Attributes:
        findings: the number of findings.
        last_scan: the last scan, or None; only read if there are no findings.
    """

    findings: int
    last_scan: Raw | None

    @property
    def clean(self) -> bool:
        """Whether there is nothing to purge."""
        return self.findings == 0 and not self.last_scan

    def __str__(self) -> str:
        if self.findings:
            return f"{self.findings:,} finding{'s' if self.findings > 1 else ''}"
        return f"its last scan, {number((self.last_scan or {}).get('id'))}"


@dataclasses.dataclass(frozen=True)
class PurgeTarget:
    """One application and its scan data."""

    id: int
    name: str | None
    url: str | None
    held: HeldScans

    def shown(self, findings: int | None = None) -> dict[str, t.Any]:
        """Return the application for the result, with a number of findings; by default those that it had."""
        found = self.held.findings if findings is None else findings
        return {"id": self.id, "name": self.name, "url": self.url, "findings": found}


_NOTHING = HeldScans(0, None)


@dataclasses.dataclass(frozen=True)
class Purge:
    """The outcome of the purge of one application.

    Attributes:
        target: the application before.
        left: the scan data that it still has.
        error: why the purge failed, or why its outcome could not be read.
        carried_out: whether Qualys reported the purge as done, or it became visible.
    """

    target: PurgeTarget
    left: HeldScans = _NOTHING
    error: PerimeterError | None = None
    carried_out: bool = True

    @property
    def taken(self) -> bool:
        """Whether scan data was removed."""
        return self.carried_out and (self.left.clean or self.left.findings < self.target.held.findings)

    @property
    def failure(self) -> PerimeterError | None:
        """The error for the user."""
        if self.error is not None or self.taken or not self.left.findings:
            return self.error
        return VendorError(
            f"{self._said} it still has {self.left}.",
            hint="Purge it in the Qualys user interface, or wait until no scan of it is running.",
        )

    @property
    def warning(self) -> str | None:
        """The warning for the user."""
        if self.error is not None or self.left.clean or self.failure is not None:
            return None
        if self.left.findings:
            return f"{self._said} it still has {self.left}. Run again later."
        # Some tenants may keep the last scan, so this is not an error.
        return f"{self._said} Qualys still shows {self.left}."

    @property
    def _said(self) -> str:
        return f"Qualys reported the purge of web application {self.target.id} as done, but"


def run(params: t.Mapping[str, t.Any], client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_webapp_purge``.

    Raises:
        PerimeterError: an option is invalid, or the applications cannot be read. An error of one application is part of
            the result.
    """
    check_selection(params, _CEILING)
    warnings: list[str] = []
    if params.get("ids"):
        raws = read_ids(client, RESOURCE, list(dict.fromkeys(params["ids"])), _WHAT)
    else:
        raws = read_filtered(client, RESOURCE, params, "web applications", warnings)
    targets = every(raws, lambda raw: _target(client, raw), workers=client.workers)
    doomed = [target for target in targets if not target.held.clean]
    check_ceiling(len(doomed), params, _CEILING, "web applications")
    purges = [Purge(target) for target in doomed]
    if not check_mode:
        outcomes = each(doomed, lambda target: _carried_out(client, target), workers=client.workers)
        purges = [_of(target, outcome) for target, outcome in zip(doomed, outcomes, strict=True)]
    result = _result(purges, len(targets) - len(doomed))
    result.warnings += warnings
    return result


def _target(client: QualysClient, raw: Raw) -> PurgeTarget:
    webapp_id = int(raw["id"])
    return PurgeTarget(webapp_id, text(raw.get("name")), text(raw.get("url")), _held(client, webapp_id))


def _held(client: QualysClient, webapp_id: int) -> HeldScans:
    criteria = [{"field": "webApp.id", "operator": "EQUALS", "value": str(webapp_id)}]
    findings = client.count("finding", criteria)
    # The last scan takes another request, which is only sent for applications without findings.
    return HeldScans(findings, None if findings else _last_scan(client.get(RESOURCE, webapp_id)))


def _last_scan(raw: Raw | None) -> Raw | None:
    scan = (raw or {}).get("lastScan")
    return scan if isinstance(scan, dict) and scan else None


def _carried_out(client: QualysClient, target: PurgeTarget) -> Purge:
    """Purge one application, and read its scan data: Qualys may need some time, or ignore the purge."""
    _purge(client, target.id)

    def shows(held: HeldScans) -> bool:
        # When the findings are gone, do not wait for the last scan to vanish, because some tenants may keep it.
        return held.findings == 0 if target.held.findings else held.clean

    try:
        left = watch(lambda: _held(client, target.id), shows, sleep=client.http.wait)
    except PerimeterError as error:
        error.message = (
            f"The purge of web application {target.id} was done, but reading it again failed: {error.message}"
        )
        error.args = (error.message,)
        return Purge(target, error=error)
    return Purge(target, left)


def _of(target: PurgeTarget, outcome: ItemOutcome[Purge]) -> Purge:
    return outcome.value or Purge(target, target.held, outcome.error, carried_out=False)


def _purge(client: QualysClient, webapp_id: int) -> None:
    """Purge one application by its id.

    Raises:
        AmbiguousWrite: the connection failed, and the application still has scan data.
        NotFound: the application vanished before it was purged.
    """
    try:
        client.write("purge", RESOURCE, None, webapp_id)
    except TransportError as error:
        if not error.sent:
            raise
        what = f"purge of web application {webapp_id}"
        settle(what, lambda: _if_clean(client, webapp_id), error, sleep=client.http.wait)
    except VendorError as error:
        if after_refusal(error, lambda: client.get(RESOURCE, webapp_id)) is None:
            raise NotFound(
                f"Web application {webapp_id} vanished before it was purged.",
                hint="It was deleted, so there is nothing left to purge.",
                code=error.code,
            ) from error
        raise


def _if_clean(client: QualysClient, webapp_id: int) -> bool | None:
    return True if _held(client, webapp_id).clean else None


def _result(purges: t.Sequence[Purge], unchanged: int) -> Result:
    taken = [purge for purge in purges if purge.taken]
    failed = [(purge.target, failure) for purge in purges if (failure := purge.failure) is not None]
    return Result(
        changed=bool(taken),
        values={
            "purged": [purge.target.shown(purge.target.held.findings - purge.left.findings) for purge in taken],
            "unchanged": unchanged,
            "results": [
                {**target.shown(), "failed": True, "msg": str(error), "error": error.to_dict()}
                for target, error in failed
            ],
        },
        diff=[_diff(purge) for purge in taken],
        warnings=[warning for purge in purges if (warning := purge.warning) is not None],
        error=_failure(failed),
    )


def _diff(purge: Purge) -> dict[str, t.Any]:
    target = purge.target
    header = f"web application {target.id} ({target.name})"
    scan = target.held.last_scan
    before = {"findings": target.held.findings} if scan is None else {"last_scan": number(scan.get("id"))}
    return {
        "before": before,
        "after": {name: purge.left.findings if name == "findings" else None for name in before},
        "before_header": header,
        "after_header": header,
    }


def _failure(failed: t.Sequence[tuple[PurgeTarget, PerimeterError]]) -> PerimeterError | None:
    if not failed:
        return None
    target, error = failed[0]
    return PartialFailure(
        f"{len(failed)} of the web applications failed; the first is {target.id} ({target.name}): {error.message}",
        hint="results has an entry for each that failed; the others were purged.",
        code=error.code,
    )
