# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the list, read strictly (docs/vendors/scutum_waf.md 3.1, 3.2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

JAPAN = timezone(timedelta(hours=9))
KNOWN = {"host", "id", "time_order", "from", "to", "ip", "marker"}
_FORMS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), "%Y-%m-%dT%H:%M:%S"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "%Y-%m-%d"),
    (re.compile(r"\d{8}"), "%Y%m%d"),
)
_ZONE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(Z|[+-]\d\d:?\d\d)", re.ASCII)


class BadParameter(Exception):
    """A parameter that is refused with 400."""


@dataclass(slots=True, frozen=True)
class Listing:
    """One call of the list; ``start`` is inclusive, ``end`` exclusive."""

    descending: bool
    start: datetime | None
    end: datetime | None
    ip: str | None
    marker: str

    def selects(self, ts: datetime, ip: str) -> bool:
        """Whether a record is asked for."""
        if (self.start is not None and ts < self.start) or (self.end is not None and ts >= self.end):
            return False
        return self.ip is None or self.ip == ip


def parse(query: Mapping[str, str], *, literal_z: bool) -> Listing:
    """Read the parameters.

    Raises:
        BadParameter: one is unknown or not in its form.
    """
    if unknown := set(query) - KNOWN:
        raise BadParameter(f"unknown parameter {', '.join(sorted(unknown))}")
    order = query.get("time_order", "desc")
    if order not in ("asc", "desc"):
        raise BadParameter("time_order is asc or desc")
    if "marker" in query and not query["marker"]:
        raise BadParameter("marker is empty")
    return Listing(
        order == "desc",
        moment(query["from"], literal_z=literal_z) if "from" in query else None,
        moment(query["to"], literal_z=literal_z) if "to" in query else None,
        _address(query.get("ip")),
        query.get("marker", ""),
    )


def moment(text: str, *, literal_z: bool) -> datetime:
    """One of the four forms; without time or offset it is Japan's."""
    zoned = _ZONE.fullmatch(text)
    if zoned is not None and (zoned[2] != "Z" or literal_z):
        return _strict(text, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    for form, pattern in _FORMS:
        if form.fullmatch(text):
            return _strict(text, pattern).replace(tzinfo=JAPAN).astimezone(UTC)
    raise BadParameter("a date is yyyy-MM-ddThh:mm:ssZ, yyyy-MM-ddThh:mm:ss, yyyy-MM-dd or yyyyMMdd")


def _strict(text: str, pattern: str) -> datetime:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007 (the caller adds Japan's zone)
    except ValueError as error:
        raise BadParameter("no such date") from error


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise BadParameter("ip is one address") from error
    return text
