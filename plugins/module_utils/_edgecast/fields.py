# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of an event: vendor name, our name, type, and where it appears (docs/vendors/edgecast_waf.md 7 to 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import typing as t

from .._records.codec import dumps_sorted
from .._records.model import Action, Severity
from .._vendor.client import Raw

EVENT, SUB_EVENT = "event", "sub_event"


class LogField(t.NamedTuple):
    """One field.

    Attributes:
        vendor: name at the vendor, spaces and case included.
        ours: name in our record; ``details.x`` is a member of ``details``, ``sub_events[].x`` of each sub-event.
        type: the vendor's type.
        where: ``event`` or ``sub_event``.
        sensitive: whether it may hold passwords or card data, and is left out unless sensitive data is kept.
    """

    vendor: str
    ours: str
    type: str
    where: str = EVENT
    sensitive: bool = False


FIELDS: tuple[LogField, ...] = (
    LogField("id", "id", "string"),
    LogField("Event ID", "details.event_id", "string"),
    LogField("Timestamp", "time", "string"),
    LogField("Epoch Time", "time", "float"),
    LogField("Action Type", "action", "string"),
    LogField("Profile Type", "details.profile_type", "string"),
    LogField("Profile Name", "profile", "string"),
    LogField("Instance Name", "details.instance_name", "string"),
    LogField("Rule Message", "message", "string"),
    LogField("Rule Policy", "details.rule_policy", "string"),
    LogField("Rule Tags", "categories", "string"),
    LogField("Sub Event Count", "details.sub_event_count", "integer"),
    LogField("Sub Events", "sub_events", "array"),
    LogField("Client IP", "client_ip", "string"),
    LogField("Country Code", "country", "string"),
    LogField("Country Name", "details.country_name", "string"),
    LogField("City Name", "details.city", "string"),
    LogField("Host", "host", "string"),
    LogField("URL", "url", "string"),
    LogField("User Agent", "user_agent", "string"),
    LogField("Referer", "referer", "string"),
    LogField("Referrer", "referer", "string"),
    LogField("Acl ID", "details.acl_id", "string"),
    LogField("Acl Name", "details.acl_name", "string"),
    LogField("Bots ID", "details.bots_id", "string"),
    LogField("Bots Name", "details.bots_name", "string"),
    LogField("Rules Config ID", "details.rules_config_id", "string"),
    LogField("Rules Config Name", "details.rules_config_name", "string"),
    LogField("Scope ID", "details.scope_id", "string"),
    LogField("Scope Name", "details.scope_name", "string"),
    # Deprecated: these moved to the sub-events.
    LogField("Rule ID", "sub_events[].rule_id", "integer"),
    LogField("Rule Severity", "sub_events[].severity", "integer"),
    LogField("Matched On", "sub_events[].matched_on", "string"),
    LogField("Matched Value", "sub_events[].matched_value", "string", sensitive=True),
    LogField("Matched Data", "sub_events[].matched_value", "string", sensitive=True),
    # Fields of each sub-event.
    LogField("Rule ID", "sub_events[].rule_id", "integer", SUB_EVENT),
    LogField("Rule Message", "sub_events[].message", "string", SUB_EVENT),
    LogField("Rule Severity", "sub_events[].severity", "integer", SUB_EVENT),
    LogField("Total Anomaly Score", "sub_events[].total_score", "integer", SUB_EVENT),
    LogField("Matched On", "sub_events[].matched_on", "string", SUB_EVENT),
    LogField("Matched Value", "sub_events[].matched_value", "string", SUB_EVENT, sensitive=True),
    LogField("Matched Data", "sub_events[].matched_value", "string", SUB_EVENT, sensitive=True),
)
"""Every field that the vendor documents; all of them are optional in an answer."""

TEXTS: dict[str, str] = {
    field.vendor: field.ours
    for field in FIELDS
    if field.where == EVENT and field.type == "string" and "." not in field.ours and "[" not in field.ours
    if field.ours not in ("id", "time", "action", "categories", "url", "referer")
}
"""Fields of an event that are copied unchanged."""

DETAILS: dict[str, str] = {
    field.vendor: field.ours.removeprefix("details.") for field in FIELDS if field.ours.startswith("details.")
}
"""Fields of an event that only this vendor supplies."""

COMPUTED = ("total_score", "sqli_score", "xss_score")
"""Members of ``details`` that are parsed from the rule message, which contains the scores."""

EVENT_NAMES = frozenset(field.vendor for field in FIELDS if field.where == EVENT)
SUB_EVENT_NAMES = frozenset(field.vendor for field in FIELDS if field.where == SUB_EVENT)

ACTIONS: dict[str, Action] = {
    "BLOCK_REQUEST": "blocked",
    "DROP_REQUEST": "blocked",
    "CUSTOM_RESPONSE": "redirected",
    "REDIRECT_302": "redirected",
    "ALERT": "alerted",
    "NOP": "alerted",
    "BROWSER_CHALLENGE": "challenged",
}
"""The list is open (docs/vendors/edgecast_waf.md 8)."""

AUDIT = "AUDIT"
"""The profile type that only monitors: whatever its action says, the request was let through."""

SEVERITIES: tuple[Severity, ...] = ("critical", "critical", "critical", "high", "medium", "low", "info")
"""Indexed by the vendor's number, 0 to 6; -1 is unset."""

_NOISE = "Epoch Time"
"""A binary float with rounding noise, so it is no evidence of a change if there is a Timestamp."""


def id_of(raw: Raw) -> str:
    """Identity of an event: ``id``, else ``Event ID``, else 32 hexadecimal digits that hash the vendor's data."""
    for name in ("id", "Event ID"):
        value = raw.get(name)
        if value and isinstance(value, (str, int)):
            return str(value)
    # A hash instead of the content, which may contain matched values and passwords in URLs.
    return content_of(raw, 32)


def content_of(raw: Raw, digits: int = 16) -> str:
    """Hexadecimal digits that hash the vendor's data, whatever the order of its keys and the noise of its floats."""
    if "Timestamp" in raw and _NOISE in raw:
        raw = raw.copy()
        del raw[_NOISE]
    return hashlib.blake2b(dumps_sorted(raw), digest_size=digits // 2).hexdigest()
