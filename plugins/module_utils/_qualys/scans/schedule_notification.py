# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notification that a schedule sends before it launches a scan (docs/vendors/qualys_was.md 13).

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
    # Not "message", which is a reserved name in Ansible.
    "text": {"type": "str"},
}
_SCALE = "DAY"
"""The only unit of the delay that is documented."""


def wanted(written: t.Mapping[str, t.Any], held: Record | None) -> Record | str:
    """Return the desired notification. Members that are not given stay; empty text is returned if none is given.

    Raises:
        OptionError: a member is invalid.
    """
    given = {name: value for name, value in written.items() if value is not None}
    if not given:
        return ""
    if given.get("delay", 0) < 0:
        raise OptionError(f"notification: delay must not be {given['delay']}.", hint="Give 0 or more.")
    if "recipients" in given:
        given["recipients"] = list(dict.fromkeys(str(item).strip() for item in given["recipients"]))
        known = (held or {}).get("recipients") or ()
        strange = [item for item in given["recipients"] if "@" not in item and item not in known]
        if strange:
            raise OptionError(
                f"notification: {strange[0]!r} is not an e-mail address.", hint="Give e-mail addresses as recipients."
            )
    if "delay" in given or "delay_scale" in given:
        scale = given.get("delay_scale") or (held or {}).get("delay_scale") or _SCALE
        given["delay_scale"] = str(scale).strip().upper()
    return {**dict.fromkeys(OPTIONS), **(held or {}), **given}


def key(notification: Record) -> t.Hashable:
    """Return the key by which notifications are compared: recipients have no order, and empty values equal None."""
    rest = tuple(notification.get(name) or None for name in OPTIONS if name not in ("recipients", "delay"))
    return (*rest, notification.get("delay"), frozenset(notification.get("recipients") or ()))


def read(value: t.Any) -> Record | None:
    """Return a schedule's notification in option form; None if it has none."""
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
    """Return the element ``notification``; None, for an empty element, if there is no notification."""
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
        # It is not documented whether an empty "set" clears a list; removing each item always does.
        found["recipients"] = {"remove": {"EmailAddress": present}}
    return found
