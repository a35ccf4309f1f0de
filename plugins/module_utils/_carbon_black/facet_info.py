# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facets of the scan logs, and what criteria may name (docs/vendors/carbon_black.md 3, 5).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._base.errors import OptionError
from .._records.result import Result
from .client import CarbonBlackClient, Raw
from .criteria import check_criteria
from .normalise import text, whole

Options = t.Mapping[str, t.Any]

FACETS = ("sources", "repositories", "registries", "clusters", "scan_status")
"""What the vendor's table allows, and what its sample asks for."""
ROWS = 50
"""Entries for each field; the service's own number is not documented, so it is always sent."""


def run_facets(params: Options, client: CarbonBlackClient, check_mode: bool) -> Result:
    """Logic of ``carbon_black_scan_log_facet_info``. Reads only, so that check mode changes nothing."""
    fields, rows = list(dict.fromkeys(params["fields"])), params["rows"]
    if not fields:
        raise OptionError("fields is empty.", hint=f"Give some of {', '.join(FACETS)}.")
    if rows < 1:
        raise OptionError("rows must be 1 or more.")
    criteria, warnings = check_criteria(params.get("criteria"))
    warnings += [
        f"fields: {name} is not known here; the service may leave it out." for name in fields if name not in FACETS
    ]
    body: Raw = {"terms": {"fields": fields, "rows": rows}}
    if criteria:
        body["criteria"] = criteria
    if params.get("search"):
        body["query"] = params["search"]
    answered = {term.get("field"): term.get("values") for term in client.facets(body)}
    facets = [{"field": name, "buckets": _buckets(answered.get(name))} for name in fields]
    return Result(values={"facets": facets}, warnings=warnings)


def _buckets(values: t.Any) -> list[Raw]:
    return [
        {"name": text(value.get("name")), "total": whole(value.get("total"))}
        for value in (values if isinstance(values, list) else ())
        if isinstance(value, dict)
    ]


def run_metadata(params: Options, client: CarbonBlackClient, check_mode: bool) -> Result:
    """Logic of ``carbon_black_scan_log_metadata_info``. Reads only, so that check mode changes nothing."""
    answer = client.metadata()
    return Result(values={name: _names(answer.get(name)) for name in ("clusters", "namespaces", "hostnames")})


def _names(values: t.Any) -> list[str]:
    return [found for found in map(text, values if isinstance(values, list) else ()) if found is not None]
