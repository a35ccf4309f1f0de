# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts Edgecast's events to :class:`Event` (docs/vendors/edgecast_waf.md 9).

This module is private to the collection and may change at any time.

A million events pass through here, so values that many of them share (URLs, messages, rules) are computed once and
cached, within bounds.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import typing as t

from .._records.coerce import text, texts, whole
from .._records.model import Event, Severity, SubEvent
from .._records.urls import address, path_of
from .._vendor.blank import blank_event
from .._vendor.client import Raw
from .._vendor.normaliser import Normaliser
from .fields import (
    ACTIONS,
    AUDIT,
    COMPUTED,
    DETAILS,
    EVENT_NAMES,
    SEVERITIES,
    SUB_EVENT_NAMES,
    TEXTS,
    event_id_of,
)

SOURCE = "edgecast"

_BLANK = blank_event(SOURCE)
_NO_DETAILS: dict[str, t.Any] = dict.fromkeys((*DETAILS.values(), *COMPUTED))
_PLACES: dict[str, tuple[bool, str]] = {
    **{vendor: (True, ours) for vendor, ours in TEXTS.items()},
    **{vendor: (False, ours) for vendor, ours in DETAILS.items() if ours != "sub_event_count"},
}
"""Text fields: whether they belong to the record itself or to its details, and their name there."""

UNSET = len(SEVERITIES)
"""Number of an unset severity; the worst severity has the lowest number."""
_LEVELS: dict[int | None, tuple[Severity, str | None, bool]] = {
    **{level: (severity, str(level), True) for level, severity in enumerate(SEVERITIES)},
    -1: ("unknown", "-1", True),
    None: ("unknown", None, False),
}
_NO_LEVEL: tuple[Severity, str | None, bool] = ("unknown", None, False)
_SCORES = re.compile(
    r"Total Score:\s*(-?\d{1,9})(?:\s*,\s*SQLi\s*=\s*(-?\d{0,9}))?(?:\s*,\s*XSS\s*=\s*(-?\d{0,9}))?", re.IGNORECASE
)
_DEPRECATED = ("Rule ID", "Rule Severity", "Matched On", "Matched Value", "Matched Data")


class EventNormaliser(Normaliser):
    """Converts the vendor's events to ours. Each thread has its own, because it counts unknown values."""

    def event(self, raw: Raw, moment: dt.datetime | None = None) -> Event:
        """Convert one event. Never fails on a value: an unknown one becomes None or ``unknown``, and is counted.

        Args:
            raw: the vendor's object.
            moment: the result of :func:`time_of`, if the caller already has it.
        """
        record = _BLANK.copy()
        record["details"] = details = _NO_DETAILS.copy()
        for name, value in raw.items():
            place = _PLACES.get(name)
            if place is None:
                if name not in EVENT_NAMES:
                    self._count_value("field", name)
            elif place[0]:
                record[place[1]] = value if value.__class__ is str else text(value)
            else:
                details[place[1]] = value if value.__class__ is str else text(value)
        record["id"] = event_id_of(raw)
        moment = moment or event_time_of(raw)
        record["time"] = None if moment is None else moment.isoformat()[:-6] + "Z"
        details["sub_event_count"] = whole(raw.get("Sub Event Count"))
        tags = raw.get("Rule Tags")
        record["categories"] = [tags] if tags.__class__ is str and tags else texts(tags)
        self._act(record, raw.get("Action Type"), details["profile_type"])
        self._add_addresses(record, raw)
        self._add_sub_events(record, raw)
        message = record["message"]
        if message is not None and "core" in message:
            details["total_score"], details["sqli_score"], details["xss_score"] = scores(message)
        return t.cast(Event, self._with_raw(record, raw))

    def _act(self, record: Raw, native: t.Any, profile_type: t.Any) -> None:
        if native.__class__ is not str:
            native = text(native)
        action = ACTIONS.get(native) if native is not None else None
        if action is None:
            self._count_value("Action Type", native)
        elif profile_type == AUDIT:
            action = "alerted"
        record["action"] = action or "unknown"
        record["action_native"] = native

    def _add_addresses(self, record: Raw, raw: Raw) -> None:
        url = text(raw.get("URL"))
        if url is not None:
            if self._keep:
                record["url"], record["path"] = url, path_of(url)
            else:
                record["url"], record["path"] = address(url)
        referer = text(raw.get("Referer") or raw.get("Referrer"))
        if referer is not None:
            record["referer"] = referer if self._keep else address(referer)[0]

    def _add_sub_events(self, record: Raw, raw: Raw) -> None:
        listed = raw.get("Sub Events")
        if not listed and "Rule ID" in raw:
            # The old form: the event itself contains its only rule.
            listed = [{name: raw[name] for name in _DEPRECATED if name in raw}]
        record["sub_events"] = sub_events = []
        record["rule_ids"] = rule_ids = []
        worst = UNSET
        before = 0
        for item in listed if listed.__class__ is list else ():
            if item.__class__ is not dict:
                self._count_value("Sub Events", type(item).__name__)
                continue
            level, sub_event = self._sub_event(item)
            total = sub_event["total_score"]
            if total is not None:
                sub_event["score"] = total - before
                before = total
            if level < worst:
                worst = level
            sub_events.append(sub_event)
            rule_id = sub_event["rule_id"]
            if rule_id is not None and rule_id not in rule_ids:
                rule_ids.append(rule_id)
        if worst < UNSET:
            record["severity"] = SEVERITIES[worst]
            record["severity_native"] = str(worst)

    def _sub_event(self, item: Raw) -> tuple[int, SubEvent]:
        """Return the number of its severity, or UNSET, and the sub-event, still without its own score."""
        get = item.get
        native = get("Rule Severity")
        level = native if native.__class__ is int else whole(native)
        severity, shown, known = _LEVELS.get(level, _NO_LEVEL)
        if not known:
            shown = text(native)
            self._count_value("Rule Severity", native)
        if not item.keys() <= SUB_EVENT_NAMES:
            for name in item.keys() - SUB_EVENT_NAMES:
                self._count_value("field", name)
        rule_id = get("Rule ID")
        message = get("Rule Message")
        matched_on = get("Matched On")
        total = get("Total Anomaly Score")
        sub_event: SubEvent = {
            "rule_id": str(rule_id) if rule_id.__class__ is int else text(rule_id),
            "message": message if message.__class__ is str else text(message),
            "severity": severity,
            "severity_native": shown,
            "score": None,
            "total_score": total if total.__class__ is int else whole(total),
            "matched_on": matched_on if matched_on.__class__ is str else text(matched_on),
            "matched_value": text(get("Matched Value") or get("Matched Data")) if self._keep else None,
        }
        return UNSET if severity == "unknown" or level is None else level, sub_event


@functools.lru_cache(maxsize=4096)
def scores(message: str) -> tuple[int | None, int | None, int | None]:
    """Total, SQL injection and cross-site scripting score in a rule message; None for each that it does not contain."""
    match = _SCORES.search(message)
    if match is None:
        return None, None, None
    total, sqli, xss = (whole(found) for found in match.groups())
    return total, sqli, xss


def event_time_of(raw: Raw) -> dt.datetime | None:
    """When an event happened, UTC: its ``Timestamp``, else its ``Epoch Time``; None when neither can be read."""
    stamp = raw.get("Timestamp")
    if stamp.__class__ is str:
        try:
            moment = dt.datetime.fromisoformat(stamp)
            if moment.tzinfo is dt.UTC:
                return moment
            return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            pass
    epoch = raw.get("Epoch Time")
    try:
        return dt.datetime.fromtimestamp(float(epoch), dt.UTC) if epoch is not None else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
