# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads option profiles and tags (docs/vendors/qualys_was.md 14).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._records.query import Query
from ..._records.result import Result
from ..._records.times import canonical_time
from ..api.client import MAX_PAGE, QualysClient
from ..api.criteria import Criterion, build
from ..api.listing import Listing, read_excerpt
from ..api.shapes import Raw, items, number, text, truth, user_name

Reader = t.Callable[[t.Any], t.Any]
Options = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class LookupField:
    """One field of an option profile or a tag.

    Attributes:
        ours: key in the result.
        read: converts the vendor's value.
        full: whether only ``detail: full`` includes it.
        empty: the value if the vendor omits the field.
    """

    ours: str
    read: Reader
    full: bool = False
    empty: t.Any = None


Table = dict[str, LookupField]


def references(collection: t.Any) -> list[dict[str, t.Any]]:
    """Return id and name of each record in a collection."""
    return [
        {"id": number(item.get("id")), "name": text(item.get("name"))}
        for item in items(collection)
        if isinstance(item, dict)
    ]


def comments(collection: t.Any) -> list[str]:
    """Return the contents of comments."""
    return [text(item.get("contents")) or "" for item in items(collection) if isinstance(item, dict)]


def reference(value: t.Any) -> dict[str, t.Any] | None:
    """Return id and name of a record; None if there is none."""
    if not isinstance(value, dict):
        return None
    return {"id": number(value.get("id")), "name": text(value.get("name"))}


def sensitive_content(value: t.Any) -> dict[str, t.Any] | None:
    """Return the sensitive content for which the scanner searches."""
    if not isinstance(value, dict):
        return None
    return {
        "credit_card_number": truth(value.get("creditCardNumber")),
        "social_security_number": truth(value.get("socialSecurityNumber")),
        "custom_contents": text(value.get("customContents")),
    }


def time_text(value: t.Any) -> str | None:
    """Return a time in canonical form, UTC."""
    return canonical_time(text(value))


OPTION_PROFILE: Table = {
    "id": LookupField("id", number),
    "name": LookupField("name", text),
    "isDefault": LookupField("is_default", truth),
    "owner": LookupField("owner", user_name),
    "tags": LookupField("tags", references, empty=()),
    "formSubmission": LookupField("form_submission", text, full=True),
    "maxCrawlRequests": LookupField("max_crawl_requests", number, full=True),
    "timeoutErrorThreshold": LookupField("timeout_error_threshold", number, full=True),
    "unexpectedErrorThreshold": LookupField("unexpected_error_threshold", number, full=True),
    "performance": LookupField("performance", text, full=True),
    "bruteforceOption": LookupField("bruteforce_option", text, full=True),
    "ignoreBinaryFiles": LookupField("ignore_binary_files", truth, full=True),
    "sensitiveContent": LookupField("sensitive_content", sensitive_content, full=True),
    "parameterSet": LookupField("parameter_set", reference, full=True),
    "comments": LookupField("comments", comments, full=True, empty=()),
    "createdDate": LookupField("created", time_text),
    "createdBy": LookupField("created_by", user_name),
    "updatedDate": LookupField("updated", time_text),
    "updatedBy": LookupField("updated_by", user_name),
}

TAG: Table = {
    "id": LookupField("id", number),
    "name": LookupField("name", text),
    "parentTagId": LookupField("parent_id", number),
    "color": LookupField("color", text),
    "ruleType": LookupField("rule_type", text),
    "ruleText": LookupField("rule_text", text),
    "criticalityScore": LookupField("criticality_score", number),
    "description": LookupField("description", text),
    "children": LookupField("children", references, empty=()),
    "created": LookupField("created", time_text),
    "modified": LookupField("updated", time_text),
}


def shown(table: Table, raw: Raw, *, full: bool) -> dict[str, t.Any]:
    """Return a record with our names, without the fields that this read does not include."""
    record: dict[str, t.Any] = {}
    for vendor, entry in table.items():
        if full or not entry.full or vendor in raw:
            empty = list(entry.empty) if isinstance(entry.empty, tuple) else entry.empty
            record[entry.ours] = entry.read(raw[vendor]) if raw.get(vendor) is not None else empty
    return record


def _criteria(params: Options, resource: str) -> list[Criterion]:
    criteria = build(params.get("filters"), resource, strict=params["filters_strict"])
    if params.get("name") is not None:
        criteria += build([{"field": "name", "operator": "EQUALS", "value": params["name"]}], resource)
    return criteria


def _read(params: Options, client: QualysClient, resource: str, table: Table, key: str) -> Result:
    query = Query(params.get("query"))
    if params.get("id") is not None:
        raw = client.get(resource, params["id"])
        records = [] if raw is None else [shown(table, raw, full=True)]
        return Result(values={key: query(records), "total": len(records), "truncated": False})
    full = params.get("detail") == "full"
    listing = Listing(client, resource, _criteria(params, resource), MAX_PAGE)
    excerpt = read_excerpt(listing, params.get("limit"), in_full=full)
    # It is not documented whether Qualys' EQUALS is case-sensitive, so names are compared here.
    named = [raw for raw in excerpt.records if params.get("name") in (None, text(raw.get("name")))]
    records = [shown(table, raw, full=full) for raw in named]
    total = excerpt.total - (len(excerpt.records) - len(named))
    return Result(
        values={key: query(records), "total": total, "truncated": len(records) < total}, warnings=excerpt.warnings
    )


def run_option_profiles(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_option_profile_info``. It only reads, so check mode makes no difference."""
    return _read(params, client, "optionprofile", OPTION_PROFILE, "option_profiles")


def run_tags(params: Options, client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_was_tag_info``. It only reads, so check mode makes no difference."""
    return _read(params, client, "tag", TAG, "tags")
