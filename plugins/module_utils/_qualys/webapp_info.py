# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web applications: listed, counted, one in full (sheet section 6.1).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._reconcile.plan import shown_record
from .._records.query import Query
from .._records.result import Result
from .client import MAX_PAGE, QualysClient
from .criteria import build
from .listing import Listing, read_excerpt
from .shapes import Raw
from .webapp import RESOURCE
from .webapp_fields import FIELDS, GET, SEARCH, VERBOSE, from_raw

LEVELS = {"summary": SEARCH, "verbose": VERBOSE, "full": GET}


def run(params: t.Mapping[str, t.Any], client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_webapp_info``. Reads only, so that check mode changes nothing."""
    query = Query(params.get("query"))
    if params.get("id") is not None:
        raw = client.get(RESOURCE, params["id"])
        return _result([raw] if raw else [], GET, 1 if raw else 0, query)
    criteria = build(params.get("filters"), RESOURCE, strict=params["filters_strict"])
    if params["count_only"]:
        return Result(values={"webapps": [], "total": client.count(RESOURCE, criteria), "truncated": False})
    level = LEVELS[params["detail"]]
    listing = Listing(client, RESOURCE, criteria, MAX_PAGE, level == VERBOSE)
    excerpt = read_excerpt(listing, params.get("limit"), in_full=level == GET)
    result = _result(excerpt.records, level, excerpt.total, query)
    result.warnings += excerpt.warnings
    return result


def _result(raws: list[Raw], level: int, total: int, query: Query) -> Result:
    webapps = [shown_record(FIELDS, from_raw(raw, level)) for raw in raws]
    return Result(values={"webapps": query(webapps), "total": total, "truncated": len(raws) < total})
