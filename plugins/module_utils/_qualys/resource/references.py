# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""References by name or id: tags, authentication records, option profiles, DNS overrides, users.

This module is private to the collection and may change at any time.

A reference that the record already holds needs no request: its name came with the record. Other names are looked up
once for a run.
"""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ..._base.errors import AmbiguousMatch, OptionError
from ..api.client import QualysClient
from ..api.shapes import Raw, number, text


@dataclasses.dataclass(frozen=True)
class Reference:
    """A record that another one names. At least one of the two is set."""

    id: int | None
    name: str | None

    @classmethod
    def of(cls, raw: Raw) -> Reference:
        """From Qualys' ``{id, name}``, or a user's ``{id, username}``."""
        return cls(number(raw.get("id")), text(raw.get("name")) or text(raw.get("username")))


def _is_id(word: str) -> bool:
    return word.isascii() and word.isdigit()


def show_reference(reference: Reference) -> str:
    """The form that an option takes: the name, or the id where a name would be taken for one."""
    if reference.name and not _is_id(reference.name):
        return reference.name
    return str(reference.id) if reference.id is not None else str(reference.name)


_KINDS = {
    "tag": "tag",
    "webapp": "web application",
    "webappauthrecord": "authentication record",
    "optionprofile": "option profile",
    "dnsoverride": "DNS override",
    "reporttemplate": "report template",
}


class References:
    """Resolves what users write to references. One for a run; safe to be used from many threads."""

    def __init__(self, client: QualysClient) -> None:
        self._client = client
        self._found: dict[tuple[str, str], Reference] = {}
        self._lock = threading.Lock()

    def resolve(self, resource: str, option: str, written: t.Any, present: t.Sequence[Reference]) -> Reference:
        """The reference that a text stands for: digits are an id, everything else is a name.

        Args:
            resource: what is referred to, such as ``tag``.
            option: the option, for messages.
            written: what the user wrote.
            present: references that the record holds already.

        Raises:
            OptionError: no record has that name.
            AmbiguousMatch: several have.
        """
        word = str(written).strip()
        for reference in present:
            if word == str(reference.id) or (word == reference.name and not _is_id(word)):
                return reference
        if _is_id(word):
            return Reference(int(word), None)
        if resource == "user":
            return Reference(None, word)
        with self._lock:
            key = (resource, word)
            if key not in self._found:
                self._found[key] = self._look_up(resource, option, word)
            return self._found[key]

    def _look_up(self, resource: str, option: str, name: str) -> Reference:
        what = _KINDS[resource]
        criteria = [{"field": "name", "operator": "EQUALS", "value": name}]
        page = self._client.page(resource, criteria, limit=10)
        found = [Reference.of(raw) for raw in page.records if text(raw.get("name")) == name]
        if not found:
            raise OptionError(
                f"{option}: there is no {what} named {name!r}.",
                hint="Names are compared exactly; an id can be given instead.",
            )
        if len(found) > 1:
            ids = ", ".join(str(reference.id) for reference in found)
            raise AmbiguousMatch(f"{option}: {name!r} names several {what}s: {ids}.", hint="Give the id instead.")
        return found[0]
