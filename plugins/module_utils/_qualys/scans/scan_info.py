# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads scans: a list, a count, one in full, with or without results (docs/vendors/qualys_was.md 12).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import typing as t

from ..._base.errors import OptionError, VendorError
from ..._reconcile.apply import every
from ..._records.model import Scan
from ..._records.query import Query
from ..._records.result import Result
from ..api.client import MAX_PAGE, QualysClient
from ..api.criteria import build
from ..api.listing import Listing, read_excerpt
from ..api.shapes import Raw, word_of
from .scan_fields import FULL, RESOURCE, scan_record, standing_of
from .scan_results import ResultsReader, download, result_counts_of

Options = t.Mapping[str, t.Any]


def run(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_scan_info``. It only reads, so check mode makes no difference.

    Raises:
        OptionError: an option is invalid.
        PerimeterError: the scans cannot be read.
    """
    query = Query(params.get("query"))
    if params.get("id") is not None:
        raw = client.get(RESOURCE, params["id"])
        return _result(params, client, [raw] if raw else [], 1 if raw else 0, query)
    criteria = build(params.get("filters"), RESOURCE, strict=params["filters_strict"])
    if params["count_only"]:
        values = {
            "scans": [],
            "total": Listing(client, RESOURCE, criteria, MAX_PAGE).count(),
            "truncated": False,
            "unknown_values": {},
        }
        return Result(values=values)
    if params["results"] and params.get("limit") is None:
        raise OptionError("results requires id or limit.", hint="The results of each scan can take megabytes.")
    listing = Listing(client, RESOURCE, criteria, MAX_PAGE)
    excerpt = read_excerpt(listing, params.get("limit"), in_full=params["detail"] == FULL)
    result = _result(params, client, excerpt.records, excerpt.total, query)
    result.warnings += excerpt.warnings
    return result


def _result(params: Options, client: QualysClient, raws: list[Raw], total: int, query: Query) -> Result:
    result = Result()
    unknown: collections.Counter[str] = collections.Counter()
    scans: list[t.Any] = [scan_record(raw, unknown=unknown) for raw in raws]
    if params["results"]:
        _add_results(client, raws, scans, result, keep=params["sensitive"] == "keep")
    result.values = {
        "scans": query(scans),
        "total": total,
        "truncated": len(raws) < total,
        "unknown_values": dict(unknown),
    }
    return result


def _add_results(client: QualysClient, raws: list[Raw], scans: list[t.Any], result: Result, *, keep: bool) -> None:
    reader = ResultsReader(keep_sensitive=keep)

    def fetch(raw: Raw) -> Raw | VendorError | None:
        if not standing_of(raw).over:
            return None
        try:
            return download(client, word_of(raw["id"]))
        except VendorError as error:
            # A scan without results, such as one that was never launched, must not hide the results of the others.
            return error

    for scan, found in zip(scans, every(raws, fetch, workers=client.workers), strict=True):
        scan["results"] = None
        if isinstance(found, VendorError):
            result.warnings.append(f"The results of scan {t.cast(Scan, scan)['id']} could not be read: {found.message}")
        elif found is not None:
            scan["results"] = reader.results(found)
            scan["counts"] = result_counts_of(found)
