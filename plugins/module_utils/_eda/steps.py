# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that a feed passes to the rule engine: events with a permanent identity, and moves of the position.

This module is private to the collection and may change at any time.

A playbook that a rule starts gets the event as extra variables, which Ansible evaluates as templates. An attacker wrote
much of an event. So every text is changed in such a way that no template can begin in it.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t
import uuid

from .._base.log_text import each_text

Event = dict[str, t.Any]

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://docs.ansible.com/collections/appsec/perimeter/event_driven")
"""The namespace of all identities. It must never change, because receivers may have stored them."""

_TEMPLATE = re.compile(r"\{(?=[{%#])")
_HEADER = re.compile(r"\A(\s*#)(?=jinja2:)", re.IGNORECASE)


@dataclasses.dataclass(eq=False)
class Step:
    """One thing that happens in the order of a stream.

    Attributes:
        done: moves the position in memory. It is called once, in the order of the steps, when the engine has the event.
        event: the event for the engine; None for a step that only moves the position.
        key: the uuid of the event; empty without one.
        is_mark: whether the step only says how far everything is read; a later mark makes it unnecessary.
        attempts: how often the event was given to the engine.
        serials: number of each time that it was given and that is still unresolved, the oldest first.
        confirmed: whether the engine has it.
    """

    done: t.Callable[[], None]
    event: Event | None = None
    key: str = ""
    is_mark: bool = False
    attempts: int = 0
    serials: collections.deque[int] = dataclasses.field(default_factory=collections.deque)
    confirmed: bool = False


def event_uuid(stream: str, key: str) -> str:
    """Return the permanent identity of an event, which depends on the stream and the key only."""
    return str(uuid.uuid5(NAMESPACE, f"{stream}\0{key}"))


def defused(text: str) -> str:
    """Return a text in which Ansible finds no template, and which the engine's database can store."""
    if "{" in text:
        text = _TEMPLATE.sub("{ ", text)
    if "#" in text:
        text = _HEADER.sub(r"\1 ", text)
    # PostgreSQL stores neither NUL nor surrogates, so an event with one would never reach a rule.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def event_step(record: t.Mapping[str, t.Any], key: str, done: t.Callable[[], None]) -> Step:
    """Return the step for a record; ``key`` is its uuid."""
    event: Event = each_text(dict(record), defused)
    event["meta"] = {"uuid": key}
    return Step(done, event, key)
