# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the record that the options select, by id or by exact name.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import AmbiguousMatch, OptionError
from ..api.client import QualysClient
from ..api.shapes import Raw, text
from .resource import Resource, Written

_CANDIDATES = 50
"""Maximum number of records with one name that are considered; names are not unique at Qualys."""


def check_identity(resource: Resource, options: Written, where: str = "") -> None:
    """Check that ``id`` or ``name`` is given.

    Raises:
        OptionError: neither is given.
    """
    if options.get("id") is None and not (text(options.get("name")) or "").strip():
        raise OptionError(f"{where}id or name is required.", hint=f"Give one of them to select the {resource.word}.")


def find(resource: Resource, client: QualysClient, options: Written) -> Raw | None:
    """Return the record in full, or None if there is none.

    Raises:
        AmbiguousMatch: several records have the name, and no other option selects one of them.
    """
    if options.get("id") is not None:
        return client.get(resource.object, options["id"])
    criteria = [{"field": "name", "operator": "EQUALS", "value": str(options["name"]).strip()}]
    page = client.page(resource.object, criteria, limit=_CANDIDATES)
    match = pick(resource, page.records, options)
    return None if match is None else client.get(resource.object, int(match["id"]))


def pick(resource: Resource, candidates: t.Iterable[Raw], options: Written) -> Raw | None:
    """Return the only candidate with the name, or None if there is none.

    Raises:
        AmbiguousMatch: several candidates have the name, and no other option selects one of them.
    """
    name = str(options["name"]).strip()
    # It is not documented whether Qualys' EQUALS is case-sensitive, so names are compared here.
    named = [raw for raw in candidates if text(raw.get("name")) == name]
    if len(named) > 1:
        named = resource.narrow(named, options) or named
    if len(named) > 1:
        ids = ", ".join(str(raw.get("id")) for raw in named)
        raise AmbiguousMatch(f"name: {name!r} matches several {resource.word}s: {ids}.", hint=resource.narrow_hint)
    return named[0] if named else None
