# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""References by name or id: tags, authentication records, option profiles, DNS overrides, users.

This module is private to the collection and may change at any time.

A reference that the record already has needs no request, because its name came with the record. Other names are looked
up once per run. In check mode, a name that does not exist is not an error: an earlier task may create the record.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import threading
import typing as t

from ..._base.errors import AmbiguousMatch, OptionError
from ..._records.result import Result
from ..api.client import MAX_PAGE, QualysClient
from ..api.listing import Listing
from ..api.shapes import Raw, text
from ..api.targets import look_up
from .reference import Reference, is_id

_KINDS = {
    "tag": "tag",
    "webapp": "web application",
    "webappauthrecord": "authentication record",
    "optionprofile": "option profile",
    "dnsoverride": "DNS override",
    "reporttemplate": "report template",
    "wasscan": "scan",
}


def kind_word(resource: str) -> str:
    """Return the noun for a kind of record in messages."""
    return _KINDS.get(resource, resource)


_FEW = 10
"""Up to this many names are looked up individually. For more, all records of the kind are read once, because a search
by name does not support ``IN``."""
_LARGEST_ID = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Unresolved:
    """A name that check mode did not find: the option, the noun for the kind of record, and the name."""

    option: str
    kind: str
    name: str

    @property
    def warning(self) -> str:
        """The warning for the user."""
        return (
            f"{self.option}: there is no {self.kind} named {self.name!r}. A real run fails here unless an earlier task"
            " creates it."
        )

    def to_dict(self) -> dict[str, str]:
        """Return a row for the result."""
        return dataclasses.asdict(self)


class References:
    """Resolves names and ids in options to references. One per run; safe for use by many threads.

    Args:
        client: the account.
        few: up to how many expected names of one kind are looked up individually.
        predicting: whether this is check mode, in which a missing name is not an error.

    Attributes:
        unresolved: in check mode, the names that do not exist.
    """

    def __init__(self, client: QualysClient, *, few: int = _FEW, predicting: bool = False) -> None:
        self._client = client
        self._few = few
        self._predicting = predicting
        self.unresolved: list[Unresolved] = []
        self._found: dict[tuple[str, str], list[Reference]] = {}
        self._expected: dict[str, int] = {}
        self._expected_ids: dict[str, set[int]] = {}
        self._ids: dict[str, dict[int, bool]] = collections.defaultdict(dict)
        self._index: dict[str, dict[str, list[Reference]]] = {}
        self._whole: dict[str, bool] = {}
        self._lock = threading.Lock()

    def for_one(self) -> References:
        """Return a copy that shares everything except the list of unresolved names, for one of many records."""
        own = copy.copy(self)
        own.unresolved = []
        return own

    def tell(self, result: Result) -> Result:
        """Add the unresolved names, and a warning for each, to a result, and return it."""
        if self.unresolved:
            result.values["unresolved"] = [missing.to_dict() for missing in self.unresolved]
            result.warnings += [missing.warning for missing in self.unresolved]
        return result

    def expect(self, resource: str, written: t.Iterable[t.Any]) -> None:
        """Announce names and ids that may have to be resolved, so that many can be read at once.

        Args:
            resource: the object to which they refer, such as ``tag``.
            written: names and ids, as the user wrote them.
        """
        words = {str(item).strip() for item in written}
        ids = {word for word in words if is_id(word)}
        self._expected[resource] = len(words - ids - {""})
        self._expected_ids[resource] = {int(word) for word in ids if int(word) <= _LARGEST_ID}

    def resolve(
        self, resource: str, option: str, written: t.Any, present: t.Sequence[Reference], *, verify: bool = True
    ) -> Reference:
        """Return the reference for a name or an id. Text that consists of digits is an id.

        Args:
            resource: the object to which the text refers, such as ``tag``.
            option: the option, for messages.
            written: the name or id, as the user wrote it.
            present: references that the record already has.
            verify: whether check mode has to check that an id exists; False if the caller reads the record itself.

        Raises:
            OptionError: no record has the name or, in check mode, the id.
            AmbiguousMatch: several records have the name.
        """
        word = str(written).strip()
        for reference in present:
            if word == str(reference.id) or (word == reference.name and not is_id(word)):
                return reference
        if is_id(word):
            return self._by_id(resource, option, int(word)) if verify else Reference(int(word), None)
        if resource == "user":
            return Reference(None, word)
        found = self.named(resource, word)
        what = _KINDS[resource]
        if not found and self._predicting:
            missing = Unresolved(option, what, word)
            self.unresolved += [missing] if missing not in self.unresolved else []
            return Reference(None, word)
        if not found:
            raise OptionError(
                f"{option}: there is no {what} named {word!r}.",
                hint="Check spelling and case, or give the id instead.",
            )
        if len(found) > 1:
            ids = ", ".join(str(reference.id) for reference in found)
            raise AmbiguousMatch(f"{option}: {word!r} matches several {what}s: {ids}.", hint="Give the id instead.")
        return found[0]

    def _by_id(self, resource: str, option: str, record_id: int) -> Reference:
        """Return the reference for an id. Only check mode checks that it exists; in a real run Qualys refuses it."""
        if self._predicting and resource != "user" and not self._exists(resource, record_id):
            raise OptionError(
                f"{option}: there is no {_KINDS[resource]} {record_id}, or this account may not see it.",
                hint="If an earlier task creates it, give its name instead.",
            )
        return Reference(record_id, None)

    def _exists(self, resource: str, record_id: int) -> bool:
        if record_id > _LARGEST_ID:
            # No id is larger than 64 bits, and Qualys refuses a search for one.
            return False
        with self._lock:
            if record_id not in self._ids[resource]:
                # One request looks up all ids that were announced.
                wanted = {record_id, *self._expected_ids.pop(resource, ())}
                found = look_up(self._client, resource, sorted(wanted))
                self._ids[resource] |= {wanted_id: wanted_id in found for wanted_id in wanted}
            return self._ids[resource][record_id]

    def named(self, resource: str, name: str) -> list[Reference]:
        """Return every record of a kind that has exactly this name."""
        with self._lock:
            if self._expected.get(resource, 0) > self._few:
                listed = self._listed(resource, name)
                if listed is not None:
                    return listed
            key = (resource, name)
            if key not in self._found:
                criteria = [{"field": "name", "operator": "EQUALS", "value": name}]
                page = self._client.page(resource, criteria, limit=10)
                self._found[key] = [Reference.of(raw) for raw in page.records if text(raw.get("name")) == name]
            return self._found[key]

    def _listed(self, resource: str, name: str) -> list[Reference] | None:
        """Return the records with this name from a listing of the kind.

        If the listing lacks the name, it is read once more, because the record may have been created since. Returns
        None if the name is still missing and the listing was not complete.
        """
        if resource not in self._index:
            self._index[resource] = _by_name(Listing(self._client, resource, [], MAX_PAGE).stream())
        if name not in self._index[resource] and resource not in self._whole:
            records, tally = Listing(self._client, resource, [], MAX_PAGE).read()
            self._index[resource] = _by_name(records)
            self._whole[resource] = tally.complete
        return self._index[resource].get(name, [] if self._whole.get(resource) else None)


def _by_name(records: t.Iterable[Raw]) -> dict[str, list[Reference]]:
    index: dict[str, list[Reference]] = {}
    for raw in records:
        index.setdefault(text(raw.get("name")) or "", []).append(Reference.of(raw))
    return index
