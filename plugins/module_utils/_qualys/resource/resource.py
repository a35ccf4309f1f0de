# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class for a kind of record that can be written: its names, its fields, and where it differs from other kinds.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._reconcile.plan import Change, Plan, holds
from ..._reconcile.spec import Record
from ..api.client import QualysClient
from ..api.shapes import Raw
from ..api.xml import Node
from .elements import GET
from .field import Field, Fields, read_fields, write_fields
from .references import References

Written = t.Mapping[str, t.Any]
"""The options for one record, as the user wrote them."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Options and record, ready to be compared.

    Attributes:
        options: the given options.
        before: the present record, as it is compared and shown; None if there is none.
        values: further values for the result.
        warnings: warnings about the options.
    """

    options: Record
    before: Record | None
    values: Record = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Resource:
    """A kind of record. Subclasses set the attributes, and override the methods in which they differ.

    Attributes:
        object: its name in paths.
        element: its element in request bodies.
        option: key of one record in results; with an ``s``, the key of many, and the option of the plural module.
        word: the noun for one record in messages; the plural adds an ``s``.
        short: a shorter noun, for messages in which the kind is clear.
        fields: its fields.
        needed: the fields that every record must have.
        verbose: whether a verbose search returns more fields than a short one.
        identity: the keys, with their elements, that are shown of a deleted record.
        on_create: the options that are written on a create only, with their elements.
        narrow_hint: the hint for a name that several records have.
        proven_by_get: whether only a get can show the outcome of an update, whatever its fields are.
    """

    object: str
    element: str
    option: str
    word: str
    short: str
    fields: Fields
    needed: tuple[str, ...] = ("name",)
    verbose: bool = False
    identity: t.ClassVar[t.Mapping[str, str]] = {"name": "name"}
    on_create: t.ClassVar[t.Mapping[str, str]] = {}
    narrow_hint: str = "Give id."
    proven_by_get: bool = False

    @property
    def article(self) -> str:
        """The indefinite article of the word."""
        return "an" if self.word[0] in "aeiou" else "a"

    def label(self, options: Written) -> str:
        """Return what messages call the record that the options select."""
        if options.get("id") is not None:
            return f"{self.word} {options['id']}"
        return f"{self.word} {str(options['name']).strip()!r}"

    def referring(self) -> list[Field]:
        """Return the fields that are references or lists of references."""
        return [field for field in self.fields if field.refers and field.plain_reference]

    # Reading and writing

    def from_raw(self, raw: Raw, level: int = GET) -> Record:
        """Return a record in option form, with the fields that a read of this level includes."""
        return read_fields(self.fields, raw, level)

    def write_data(self, plan: Plan, raw: Raw | None) -> dict[str, Node]:
        """Return the ``data`` of a create or an update. ``raw`` is the record as Qualys sent it."""
        return {self.element: write_fields(plan, raw)}

    def delete_data(self, _options: Written) -> dict[str, Node] | None:
        """Return the ``data`` of a delete; None for a delete without a body."""
        return None

    def carry_out(self, send: t.Callable[[Plan], int], client: QualysClient, plan: Plan) -> int:
        """Write a plan, and return the id of the record. Subclasses can send operations other than create and update.

        Args:
            send: creates or updates the record for a plan, and returns its id.
            client: the account.
            plan: the plan.
        """
        return send(plan)

    # From the options to the plan

    def narrow(self, candidates: list[Raw], _options: Written) -> list[Raw]:
        """Return those of several records with the same name that match the other options."""
        return candidates

    def check(self, _options: Written, _before: Record | None) -> None:
        """Refuse invalid or contradictory options, except values that the record already has.

        Args:
            _options: the options as the user wrote them.
            _before: the present record; None if there is none.

        Raises:
            OptionError: an option is malformed, or options contradict each other.
        """

    def as_shown(self, options: Written, before: Record | None) -> set[str]:
        """Return the names of the options whose values equal those that the record shows."""
        held = before or {}
        return {field.name for field in self.fields if field.is_shown(held.get(field.name), options.get(field.name))}

    def resolve(self, options: Written, _before: Record | None, _references: References) -> Written:
        """Return the options with those references resolved that are not fields, such as references in a mapping."""
        return options

    def prepare(self, _options: Written, prepared: Record, before: Record | None) -> Prepared:
        """Return options and record as they are compared. This is the last step before the plan.

        Args:
            _options: the options as the user wrote them.
            prepared: the options that were given, with references resolved.
            before: the present record; None if there is none.
        """
        return Prepared(prepared, before)

    def check_plan(self, _plan: Plan) -> None:
        """Refuse a plan whose result would be invalid.

        Raises:
            OptionError: the record would lack something that Qualys requires.
        """

    # After a write

    def secrets(self, _plan: Plan) -> t.Iterable[str]:
        """Return the secrets that a plan writes or replaces. They are removed from errors."""
        return ()

    def held(self, _raw: Raw) -> t.Iterable[str]:
        """Return secrets in Qualys' record that the plan does not include. They are removed from errors too."""
        return ()

    def holds(self, change: Change, present: Record) -> bool:
        """Return whether a record that was read after the write has the new value, as far as that can be read."""
        return holds(change, present)

    def settled(self, plan: Plan, present: Record) -> bool:
        """Return whether a record shows that an update with an unknown outcome has happened."""
        return all(self.holds(change, present) for change in plan.changes)

    def verify(self, _plan: Plan, _present: Record) -> None:
        """Check a record after its update beyond the changes of the plan.

        Raises:
            VendorError: the update removed something that the plan did not remove.
        """
