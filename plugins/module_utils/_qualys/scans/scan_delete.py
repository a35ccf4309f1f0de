# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes scans: one, or all that match a filter (docs/vendors/qualys_was.md 12.1).

This module is private to the collection and may change at any time.

Only scans that have ended can be deleted. A filter is resolved by a complete search, and only ids are deleted.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError, PartialFailure, PerimeterError
from ..._reconcile.apply import each
from ..._records.model import Scan
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.deletion import delete_record
from ..api.shapes import Raw, text, word_of
from ..api.targets import check_ceiling, check_selection, read_filtered
from .scan_fields import RESOURCE, RUNNING_WORDS, scan_record

Written = t.Mapping[str, t.Any]

CEILING = "max_deletes"


def runs(raw: Raw) -> bool:
    """Return whether a scan is running, so that Qualys would refuse to delete it. Unknown statuses count as ended."""
    return (text(raw.get("status")) or "").strip().upper() in RUNNING_WORDS


def send_delete(client: QualysClient, scan_id: int, sleep: t.Callable[[float], None]) -> None:
    """Delete one scan. It is not an error if the scan does not exist any more.

    Raises:
        AmbiguousWrite: the connection failed, and the scan is still there.
        VendorError: Qualys refused the delete, or reported it as done, but the scan is still there.
    """
    delete_record(client, RESOURCE, scan_id, f"scan {scan_id}", sleep=sleep)


def delete_filtered(
    params: Written, client: QualysClient, sleep: t.Callable[[float], None], *, check_mode: bool
) -> Result:
    """Delete every scan that ``filters`` matches. An error of one scan does not stop the others.

    Raises:
        OptionError: a filter is not allowed or has no ceiling, more scans match than the ceiling allows, or some of
            them are still running. Nothing was deleted.
        IncompleteRead: Qualys did not list all scans. Nothing was deleted.
    """
    check_selection(params, CEILING)
    warnings: list[str] = []
    raws = read_filtered(client, RESOURCE, params, "scans", warnings)
    check_ceiling(len(raws), params, CEILING, "scans")
    running = [word_of(raw["id"]) for raw in raws if runs(raw)]
    if running:
        raise OptionError(
            f"filters: {len(running)} of the {len(raws)} scans have not ended: {', '.join(running[:10])}.",
            hint="Nothing was deleted. Cancel them, or add a filter on status: FINISHED, CANCELED, ERROR.",
        )
    scans, ids = [scan_record(raw) for raw in raws], [int(raw["id"]) for raw in raws]
    if check_mode:
        return _result(scans, [], warnings)
    outcomes = each(ids, lambda key: send_delete(client, key, sleep), workers=client.workers)
    pairs = list(zip(scans, outcomes, strict=True))
    failed = [(scan, outcome.error) for scan, outcome in pairs if outcome.error is not None]
    return _result([scan for scan, outcome in pairs if outcome.error is None], failed, warnings)


def _result(deleted: list[Scan], failed: t.Sequence[tuple[Scan, PerimeterError]], warnings: list[str]) -> Result:
    result = Result(changed=bool(deleted), values={"scan": None, "scans": deleted}, warnings=warnings)
    if failed:
        scan, error = failed[0]
        result.error = PartialFailure(
            f"{len(failed)} of {len(deleted) + len(failed)} scans were not deleted; the first is {scan['id']}: "
            f"{error.message}",
            hint="scans has those that were deleted.",
            code=error.code,
        )
    return result
