# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""References by name or id: tags, authentication records, option profiles, DNS overrides, users.

This module is private to the collection and may change at any time.

A reference that the record already holds needs no request: its name came with the record. Other names are looked up
once for a run. In check mode a name that does not exist is no error: what has it may be what a task before creates.
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
    """What messages call a kind of record that is referred to."""
    return _KINDS.get(resource, resource)


_FEW = 10
"""Names that are looked up one by one. For more, all records of the kind are read once: names take no ``IN``."""
_LARGEST_ID = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Unresolved:
    """A name that check mode did not find: the option, what is meant to have the name, and the name."""

    option: str
    kind: str
    name: str

    @property
    def warning(self) -> str:
        """What the user should see."""
        return (
            f"{self.option}: there is no {self.kind} named {self.name!r}. A real run fails here unless a task before"
            " creates it."
        )

    def to_dict(self) -> dict[str, str]:
        """As a row of a result."""
        return dataclasses.asdict(self)


class References:
    """Resolves what users write to references. One for a run; safe to be used from many threads.

    Args:
        client: the account.
        few: how many expected names of one kind are looked up one by one.
        predicting: whether nothing is written, so that a name may belong to what a real run creates before.

    Attributes:
        unresolved: where predicting, the names that do not exist.
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
        """The same, with a list of unresolved names of its own: for one of many records."""
        own = copy.copy(self)
        own.unresolved = []
        return own

    def tell(self, result: Result) -> Result:
        """The result, to which the unresolved names and a warning for each are added."""
        if self.unresolved:
            result.values["unresolved"] = [missing.to_dict() for missing in self.unresolved]
            result.warnings += [missing.warning for missing in self.unresolved]
        return result

    def expect(self, resource: str, written: t.Iterable[t.Any]) -> None:
        """Announce what may have to be resolved, so that many names are read at once.

        Args:
            resource: what is referred to, such as ``tag``.
            written: what the user wrote, ids included.
        """
        words = {str(item).strip() for item in written}
        ids = {word for word in words if is_id(word)}
        self._expected[resource] = len(words - ids - {""})
        self._expected_ids[resource] = {int(word) for word in ids if int(word) <= _LARGEST_ID}

    def resolve(
        self, resource: str, option: str, written: t.Any, present: t.Sequence[Reference], *, verify: bool = True
    ) -> Reference:
        """The reference that a text stands for: digits are an id, everything else is a name.

        Args:
            resource: what is referred to, such as ``tag``.
            option: the option, for messages.
            written: what the user wrote.
            present: references that the record holds already.
            verify: whether check mode asks if an id exists; not where the caller reads the record itself.

        Raises:
            OptionError: no record has that name.
            AmbiguousMatch: several have.
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
                hint="Names are compared exactly; an id can be given instead.",
            )
        if len(found) > 1:
            ids = ", ".join(str(reference.id) for reference in found)
            raise AmbiguousMatch(f"{option}: {word!r} names several {what}s: {ids}.", hint="Give the id instead.")
        return found[0]

    def _by_id(self, resource: str, option: str, record_id: int) -> Reference:
        """The reference with an id. A real run leaves it to Qualys to refuse one that does not exist."""
        if self._predicting and resource != "user" and not self._exists(resource, record_id):
            raise OptionError(
                f"{option}: there is no {_KINDS[resource]} {record_id}, or these credentials may not see it.",
                hint="What a task before creates is named by its name.",
            )
        return Reference(record_id, None)

    def _exists(self, resource: str, record_id: int) -> bool:
        if record_id > _LARGEST_ID:
            # Nothing has one beyond 64 bits, and a search for it is refused.
            return False
        with self._lock:
            if record_id not in self._ids[resource]:
                # All that may be asked for at once.
                wanted = {record_id, *self._expected_ids.pop(resource, ())}
                found = look_up(self._client, resource, sorted(wanted))
                self._ids[resource] |= {wanted_id: wanted_id in found for wanted_id in wanted}
            return self._ids[resource][record_id]

    def named(self, resource: str, name: str) -> list[Reference]:
        """Every record of a kind that has exactly this name."""
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
        """The same by the whole listing, which is read again once, for what has come into being meanwhile.

        Returns None where the listing lacks the name and Qualys did not send all that it announced.
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
