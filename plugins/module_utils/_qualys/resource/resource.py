# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kind of record that can be written: what it is called, what it has, and where it differs from the other kinds.

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
"""What a user wrote about one record."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Options that can be compared with what there is.

    Attributes:
        options: the given options.
        before: the record as it is compared and shown, None when there is none.
        values: what the module returns besides.
        warnings: what the user should know about the options.
    """

    options: Record
    before: Record | None
    values: Record = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Resource:
    """A kind of record. A kind of its own sets the attributes, and overrides the methods in which it differs.

    Attributes:
        object: its name in paths.
        element: its element in request bodies.
        option: key of one record in results; with an ``s``, of many, and the option of the module for many.
        word: what messages call it; with an ``s``, many.
        short: the same in one word, where it is clear what is meant.
        fields: its fields.
        needed: fields without which none can be.
        verbose: whether a verbose search says more than a short one.
        identity: keys and elements of what is shown of a record that is deleted.
        on_create: options that are written on a create only, and their elements.
        narrow_hint: what to do when the name is not enough.
        proven_by_get: whether only a get shows what became of an update, whatever its fields are.
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
        """How messages call the record that the options are about."""
        if options.get("id") is not None:
            return f"{self.word} {options['id']}"
        return f"{self.word} {str(options['name']).strip()!r}"

    def referring(self) -> list[Field]:
        """The fields that are references, or lists of them."""
        return [field for field in self.fields if field.refers and field.plain_reference]

    # Reading and writing

    def from_raw(self, raw: Raw, level: int = GET) -> Record:
        """A record in option form, from Qualys' record and the level at which it was read."""
        return read_fields(self.fields, raw, level)

    def write_data(self, plan: Plan, raw: Raw | None) -> dict[str, Node]:
        """The ``data`` of a create or an update, from the plan and the record as Qualys holds it."""
        return {self.element: write_fields(plan, raw)}

    def delete_data(self, _options: Written) -> dict[str, Node] | None:
        """The ``data`` of a delete; None for none."""
        return None

    def carry_out(self, send: t.Callable[[Plan], int], client: QualysClient, plan: Plan) -> int:
        """Write a plan. A kind with operations besides create and update sends those here.

        Args:
            send: creates or updates the record as a plan says, and returns its id.
            client: the account.
            plan: what to write.
        """
        return send(plan)

    # From the options to the plan

    def narrow(self, candidates: list[Raw], _options: Written) -> list[Raw]:
        """Of several records of one name, those that the options mean."""
        return candidates

    def check(self, _options: Written, _before: Record | None) -> None:
        """Refuse options that do not go together, but for what is given just as the record shows it.

        Args:
            _options: as the user wrote them.
            _before: the present record.

        Raises:
            OptionError: options contradict each other, or are malformed.
        """

    def as_shown(self, options: Written, before: Record | None) -> set[str]:
        """The names of the options that are given just as the record shows them."""
        held = before or {}
        return {field.name for field in self.fields if field.is_shown(held.get(field.name), options.get(field.name))}

    def resolve(self, options: Written, _before: Record | None, _references: References) -> Written:
        """The options with references resolved that are none of ``fields``, such as those within a mapping."""
        return options

    def prepare(self, _options: Written, prepared: Record, before: Record | None) -> Prepared:
        """The last step before the plan.

        Args:
            _options: as the user wrote them.
            prepared: those that were given, with references resolved.
            before: the present record.
        """
        return Prepared(prepared, before)

    def check_plan(self, _plan: Plan) -> None:
        """Refuse a plan whose outcome could not be.

        Raises:
            OptionError: something that every record has would be missing.
        """

    # After a write

    def secrets(self, _plan: Plan) -> t.Iterable[str]:
        """The secrets that a plan writes or replaces, which no error may quote."""
        return ()

    def held(self, _raw: Raw) -> t.Iterable[str]:
        """The secrets of Qualys' record, where the plan does not know them; no error may quote them either."""
        return ()

    def holds(self, change: Change, present: Record) -> bool:
        """Whether a record that was read again has what a change was to bring about, as far as it can be read."""
        return holds(change, present)

    def settled(self, plan: Plan, present: Record) -> bool:
        """Whether a record that was read again shows that an update in doubt has happened."""
        return all(self.holds(change, present) for change in plan.changes)

    def verify(self, _plan: Plan, _present: Record) -> None:
        """Look at a record after its update for what the changes alone do not tell.

        Raises:
            VendorError: something was lost.
        """
