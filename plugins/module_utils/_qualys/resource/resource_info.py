# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of any kind that can be written: listed, counted, one in full (docs/vendors/qualys_was.md 6, 7).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._reconcile.plan import shown_record
from ..._records.query import Query
from ..._records.result import Result
from ..api.client import MAX_PAGE, QualysClient
from ..api.criteria import build
from ..api.listing import Listing, read_excerpt
from ..api.shapes import Raw
from .elements import GET, SEARCH, VERBOSE
from .resource import Resource

LEVELS = {"summary": SEARCH, "verbose": VERBOSE, "full": GET}


def run(resource: Resource, params: t.Mapping[str, t.Any], client: QualysClient) -> Result:
    """Logic of a module that lists. Reads only, so that check mode changes nothing."""
    query = Query(params.get("query"))
    if params.get("id") is not None:
        raw = client.get(resource.object, params["id"])
        return _result(resource, [raw] if raw else [], GET, 1 if raw else 0, query)
    criteria = build(params.get("filters"), resource.object, strict=params["filters_strict"])
    key = f"{resource.option}s"
    if params["count_only"]:
        return Result(
            values={key: [], "total": Listing(client, resource.object, criteria, MAX_PAGE).count(), "truncated": False}
        )
    level = LEVELS[params["detail"]]
    listing = Listing(client, resource.object, criteria, MAX_PAGE, level == VERBOSE)
    excerpt = read_excerpt(listing, params.get("limit"), in_full=level == GET)
    result = _result(resource, excerpt.records, level, excerpt.total, query)
    result.warnings += excerpt.warnings
    return result


def _result(resource: Resource, raws: list[Raw], level: int, total: int, query: Query) -> Result:
    records = [shown_record(resource.fields, resource.from_raw(raw, level)) for raw in raws]
    key = f"{resource.option}s"
    return Result(values={key: query(records), "total": total, "truncated": len(raws) < total})
