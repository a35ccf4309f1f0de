# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads records of any kind that can be written: a list, a count, one in full (docs/vendors/qualys_was.md 6, 7).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import BadResponse, PerimeterError, VendorError
from ..._reconcile.plan import shown_record
from ..._reconcile.spec import Record
from ..._records.query import Query
from ..._records.result import Result
from ..api.client import MAX_PAGE, QualysClient
from ..api.criteria import build
from ..api.listing import Listing, read_excerpt
from .elements import GET, SEARCH, VERBOSE
from .reference import references_in, without_names
from .references import References, kind_word
from .resource import Resource

LEVELS = {"summary": SEARCH, "verbose": VERBOSE, "full": GET}


def run(resource: Resource, params: t.Mapping[str, t.Any], client: QualysClient) -> Result:
    """Run an ``_info`` module. It only reads, so check mode makes no difference.

    Raises:
        OptionError: an option is invalid.
        PerimeterError: the records cannot be read.
    """
    query = Query(params.get("query"))
    if params.get("id") is not None:
        raw = client.get(resource.object, params["id"])
        # Its references need no check for shared names: when one record is written back, names are first compared with
        # the references that it has.
        return _result(resource, [resource.from_raw(raw, GET)] if raw else [], 1 if raw else 0, query)
    criteria = build(params.get("filters"), resource.object, strict=params["filters_strict"])
    key = f"{resource.option}s"
    if params["count_only"]:
        return Result(
            values={key: [], "total": Listing(client, resource.object, criteria, MAX_PAGE).count(), "truncated": False}
        )
    level = LEVELS[params["detail"]]
    listing = Listing(client, resource.object, criteria, MAX_PAGE, level == VERBOSE)
    excerpt = read_excerpt(listing, params.get("limit"), in_full=level == GET)
    found = [resource.from_raw(raw, level) for raw in excerpt.records]
    warnings = _by_id_where_needed(resource, client, found) if level == GET else []
    result = _result(resource, found, excerpt.total, query)
    result.warnings += [*excerpt.warnings, *warnings]
    return result


def _result(resource: Resource, found: list[Record], total: int, query: Query) -> Result:
    records = [shown_record(resource.fields, record) for record in found]
    key = f"{resource.option}s"
    return Result(values={key: query(records), "total": total, "truncated": len(found) < total})


def _by_id_where_needed(resource: Resource, client: QualysClient, records: list[Record]) -> list[str]:
    """Show references by id if several records have their name, so that what is read can be written.

    A name alone would be refused as ambiguous, or select the wrong record if the right one is removed later. If the
    account may not search a kind, all its references are shown by id.

    Returns:
        Warnings about kinds that could not be searched.
    """
    references = References(client, few=2)
    fields = [field for field in resource.fields if field.refers and field.refers != "user"]
    refused: dict[str, PerimeterError] = {}
    for kind in sorted({field.refers for field in fields}):
        mine = [field.name for field in fields if field.refers == kind]
        held = (references_in(record.get(name)) for record in records for name in mine)
        names = {reference.name for found in held for reference in found if reference.name and reference.id is not None}
        references.expect(kind, names)
        try:
            shared = {name for name in names if len(references.named(kind, name)) > 1}
        except (VendorError, BadResponse) as error:
            shared, refused[kind] = names, error
        for record in records if shared else ():
            record |= {name: without_names(record[name], shared) for name in mine if name in record}
    if not refused:
        return []
    kinds = " and ".join(f"{kind_word(kind)}s" for kind in refused)
    return [f"The names of {kinds} could not be looked up, so ids are shown: {next(iter(refused.values()))}"]
