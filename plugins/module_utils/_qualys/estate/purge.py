# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web applications cleared of their scan data; the applications stay (docs/vendors/qualys_was.md 9.1).

This module is private to the collection and may change at any time.

Each application is purged by a call of its own, to the path of purge and with its id: qualysdk's purge went to the path
of delete, with the user's filter (docs/vendors/qualys_was.md 17.2, defect 1).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import NotFound, PartialFailure, PerimeterError, TransportError, VendorError
from ..._reconcile.apply import ItemOutcome, each, every
from ..._reconcile.settle import after_refusal, settle
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text
from ..api.targets import check_ceiling, check_selection, read_filtered, read_ids
from .webapp import RESOURCE

_CEILING = "max_purges"
_WHAT = "web application"


@dataclasses.dataclass(frozen=True)
class HeldScans:
    """What Qualys holds of the scans of one application.

    Attributes:
        findings: how many.
        last_scan: the last scan, or None; only looked up when there are no findings.
    """

    findings: int
    last_scan: Raw | None

    @property
    def clean(self) -> bool:
        """Whether there is nothing to purge."""
        return self.findings == 0 and not self.last_scan


@dataclasses.dataclass(frozen=True)
class PurgeTarget:
    """One application and what it holds."""

    id: int
    name: str | None
    url: str | None
    held: HeldScans

    def shown(self) -> dict[str, t.Any]:
        """As it is returned."""
        return {"id": self.id, "name": self.name, "url": self.url, "findings": self.held.findings}


def run(params: t.Mapping[str, t.Any], client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_webapp_purge``.

    Raises:
        PerimeterError: any of the collection's errors.
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
    outcomes: list[ItemOutcome[None]] = [ItemOutcome() for _target in doomed]
    if not check_mode:
        outcomes = each(doomed, lambda target: _purge(client, target.id), workers=client.workers)
    result = _result(doomed, outcomes, len(targets) - len(doomed))
    result.warnings += warnings
    return result


def _target(client: QualysClient, raw: Raw) -> PurgeTarget:
    webapp_id = int(raw["id"])
    return PurgeTarget(webapp_id, text(raw.get("name")), text(raw.get("url")), _held(client, webapp_id))


def _held(client: QualysClient, webapp_id: int) -> HeldScans:
    criteria = [{"field": "webApp.id", "operator": "EQUALS", "value": str(webapp_id)}]
    findings = client.count("finding", criteria)
    # Only the whole application tells its last scan, and most of those to be purged have findings anyway.
    return HeldScans(findings, None if findings else _last_scan(client.get(RESOURCE, webapp_id)))


def _last_scan(raw: Raw | None) -> Raw | None:
    scan = (raw or {}).get("lastScan")
    return scan if isinstance(scan, dict) and scan else None


def _purge(client: QualysClient, webapp_id: int) -> None:
    """Purge one application by its id.

    Raises:
        AmbiguousWrite: the connection failed, and the application still holds scan data.
        NotFound: the application vanished meanwhile.
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
                hint="Somebody deleted it; there is nothing left to purge.",
                code=error.code,
            ) from error
        raise


def _if_clean(client: QualysClient, webapp_id: int) -> bool | None:
    return True if _held(client, webapp_id).clean else None


def _result(doomed: t.Sequence[PurgeTarget], outcomes: t.Sequence[ItemOutcome[None]], unchanged: int) -> Result:
    pairs = list(zip(doomed, outcomes, strict=True))
    purged = [target.shown() for target, outcome in pairs if outcome.error is None]
    failed = [(target, outcome.error) for target, outcome in pairs if outcome.error is not None]
    return Result(
        changed=bool(purged),
        values={
            "purged": purged,
            "unchanged": unchanged,
            "results": [
                {**target.shown(), "failed": True, "msg": str(error), "error": error.to_dict()}
                for target, error in failed
            ],
        },
        diff=[_diff(target) for target, outcome in pairs if outcome.error is None],
        error=_failure(failed),
    )


def _diff(target: PurgeTarget) -> dict[str, t.Any]:
    header = f"web application {target.id} ({target.name})"
    scan = target.held.last_scan
    before = {"findings": target.held.findings} if scan is None else {"last_scan": number(scan.get("id"))}
    return {
        "before": before,
        "after": {name: 0 if name == "findings" else None for name in before},
        "before_header": header,
        "after_header": header,
    }


def _failure(failed: t.Sequence[tuple[PurgeTarget, PerimeterError]]) -> PerimeterError | None:
    if not failed:
        return None
    target, error = failed[0]
    return PartialFailure(
        f"{len(failed)} of the web applications were not purged; the first is {target.id} ({target.name}): "
        f"{error.message}",
        hint="results has one entry for each that failed; the others were purged.",
        code=error.code,
    )
