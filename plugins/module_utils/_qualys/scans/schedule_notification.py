# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a schedule tells before it launches a scan (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError
from ..._reconcile.spec import Record
from ..api.shapes import Raw, items, number, text, truth
from ..api.xml import Node

OPTIONS: dict[str, dict[str, t.Any]] = {
    "active": {"type": "bool"},
    "reschedule": {"type": "bool"},
    "delay": {"type": "int"},
    "delay_scale": {"type": "str"},
    "recipients": {"type": "list", "elements": "str"},
    # Ansible keeps the name "message" for itself.
    "text": {"type": "str"},
}
_SCALE = "DAY"
"""The only unit of the delay that is documented."""


def wanted(written: t.Mapping[str, t.Any], held: Record | None) -> Record | str:
    """The notification as it shall be: what is not given stays; an empty text when nothing at all is given.

    Raises:
        OptionError: a member cannot be meant.
    """
    given = {name: value for name, value in written.items() if value is not None}
    if not given:
        return ""
    if given.get("delay", 0) < 0:
        raise OptionError(f"notification: delay is {given['delay']}.", hint="It is 0 or more.")
    if "recipients" in given:
        given["recipients"] = list(dict.fromkeys(str(item).strip() for item in given["recipients"]))
        known = (held or {}).get("recipients") or ()
        strange = [item for item in given["recipients"] if "@" not in item and item not in known]
        if strange:
            raise OptionError(f"notification: {strange[0]!r} is not an e-mail address.", hint="Give recipients anew.")
    if "delay" in given or "delay_scale" in given:
        scale = given.get("delay_scale") or (held or {}).get("delay_scale") or _SCALE
        given["delay_scale"] = str(scale).strip().upper()
    return {**dict.fromkeys(OPTIONS), **(held or {}), **given}


def key(notification: Record) -> t.Hashable:
    """What is compared: recipients have no order, and nothing is the same as none."""
    rest = tuple(notification.get(name) or None for name in OPTIONS if name not in ("recipients", "delay"))
    return (*rest, notification.get("delay"), frozenset(notification.get("recipients") or ()))


def read(value: t.Any) -> Record | None:
    """A schedule's notification in option form."""
    if not isinstance(value, dict) or not value:
        return None
    delay: Raw = value["delay"] if isinstance(value.get("delay"), dict) else {}
    return {
        "active": truth(value.get("active")),
        "reschedule": truth(value.get("reschedule")),
        "delay": number(delay.get("nb")),
        "delay_scale": text(delay.get("scale")),
        "recipients": [found for item in items(value.get("recipients")) if (found := text(item))],
        "text": text(value.get("message")),
    }


def node(after: Record | None, held: Record | None) -> Node:
    """The element ``notification``; empty for none."""
    if after is None:
        return None
    found: dict[str, Node] = {
        element: after[name]
        for name, element in (("active", "active"), ("reschedule", "reschedule"), ("text", "message"))
        if after.get(name) is not None
    }
    if after.get("delay") is not None:
        found["delay"] = {"nb": after["delay"], "scale": after["delay_scale"]}
    recipients, present = after.get("recipients") or [], (held or {}).get("recipients") or []
    if recipients:
        found["recipients"] = {"set": {"EmailAddress": recipients}}
    elif present:
        # Whether an empty "set" clears a list is not documented; removing each item always does.
        found["recipients"] = {"remove": {"EmailAddress": present}}
    return found
