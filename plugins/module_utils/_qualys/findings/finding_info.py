# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads findings: a list, a count, one in full (docs/vendors/qualys_was.md 11).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.errors import OptionError
from ..._records.model import Finding
from ..._records.query import Query
from ..._records.result import Result
from ..api.client import MAX_PAGE, QualysClient
from ..api.criteria import build
from ..api.listing import Listing, read_excerpt
from .finding_fields import GET, PAGE_SIZES, RESOURCE, VERBOSE
from .normalise import FindingNormaliser

Options = t.Mapping[str, t.Any]

_ID = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def run(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_finding_info``. It only reads, so check mode makes no difference.

    Raises:
        OptionError: an option is invalid.
        PerimeterError: the findings cannot be read.
    """
    query = Query(params.get("query"))
    normaliser = FindingNormaliser(
        keep_sensitive=params["sensitive"] == "keep", include_raw=params["include_raw"], raw_as=lambda raw: raw
    )
    if params.get("id") is not None:
        raw = client.get(RESOURCE, _identifier(params["id"]))
        return _info([normaliser.finding(raw)] if raw else [], 1 if raw else 0, normaliser, query)
    criteria = build(params.get("filters"), RESOURCE, strict=params["filters_strict"])
    if params["count_only"]:
        return _info([], Listing(client, RESOURCE, criteria, MAX_PAGE).count(), normaliser, query, counted=True)
    detail = params["detail"]
    page_size = PAGE_SIZES[VERBOSE] if detail == VERBOSE else MAX_PAGE
    listing = Listing(client, RESOURCE, criteria, page_size, detail == VERBOSE)
    excerpt = read_excerpt(listing, params.get("limit"), in_full=detail == GET)
    result = _info([normaliser.finding(raw) for raw in excerpt.records], excerpt.total, normaliser, query)
    result.warnings += excerpt.warnings
    return result


def _identifier(written: str) -> str:
    if not _ID.fullmatch(written):
        raise OptionError(
            f"id: {written!r} is not a valid id of a finding.", hint="Give the id, which is a number, or the uniqueId."
        )
    return written


def _info(
    findings: list[Finding], total: int, normaliser: FindingNormaliser, query: Query, *, counted: bool = False
) -> Result:
    values = {
        "findings": query(findings),
        "total": total,
        "truncated": not counted and len(findings) < total,
        "unknown_values": dict(normaliser.unknown),
    }
    return Result(values=values)
