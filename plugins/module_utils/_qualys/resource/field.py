# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of Qualys records: how an option is read, compared and written, and what it refers to.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._reconcile import spec
from ..._reconcile.plan import Change, Plan
from ..._reconcile.spec import Record
from ..api.shapes import Raw, truth
from ..api.xml import Node
from .elements import (
    GET,
    TEXT_LIST,
    comment_node,
    comments,
    named,
    one,
    plain_node,
    reference_id_node,
    reference_node,
    stripped,
    texts,
    word,
)
from .reference import reference_key, show_reference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field(spec.Field):
    """One option of a Qualys record.

    Attributes:
        element: Qualys' element.
        reader: returns the value to compare from a record as Qualys sent it.
        writer: returns the XML of a value, or of one item of a list.
        item: for a list, the element of one item.
        remover: returns the XML that removes one item; None if Qualys has no "remove" for this list.
        whole: whether an update may set the whole list. False if the items have parts that this collection does not
            manage: setting the list would drop these, so items are only added and removed.
        refers: the Qualys object to which the value refers, such as ``tag``; empty for none.
        plain_reference: whether the value is a reference or a list of references. Other references, such as those
            inside a mapping, are resolved by the :class:`.Resource`.
    """

    element: str
    reader: t.Callable[[Raw], t.Any]
    writer: t.Callable[[t.Any], Node] = plain_node
    item: str = ""
    remover: t.Callable[[t.Any], Node] | None = None
    whole: bool = True
    refers: str = ""
    plain_reference: bool = True

    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        """Return the XML that writes a change of this field.

        Args:
            change: the change.
            raw: the record as Qualys sent it; empty for a create.
            create: whether the record is new.
        """
        if self.kind == "scalar":
            return None if change.after is None else self.writer(change.after)
        return self._list_node(change, create=create)

    def _list_node(self, change: Change, *, create: bool) -> Node:
        whole = list(change.after.items()) if isinstance(change.after, dict) else change.after
        # If Qualys has no "remove", the whole list is set only when an item is removed, because setting comments would
        # change the author and date of each.
        if create or (change.removed if self.remover is None else change.replace and whole and self.whole):
            return {"set": {self.item: [self.writer(item) for item in whole]}}
        # It is not documented whether an empty "set" clears a list; removing each item always does.
        node: dict[str, Node] = {}
        if change.added:
            node["add"] = {self.item: [self.writer(item) for item in change.added]}
        if change.removed and self.remover is not None:
            node["remove"] = {self.item: [self.remover(item) for item in change.removed]}
        return node


Fields = t.Sequence[Field]


def read_fields(fields: Fields, raw: Raw, level: int) -> Record:
    """Return the fields of a record that a read of this level includes."""
    return {field.name: field.reader(raw) for field in fields if field.read <= level}


def write_fields(plan: Plan, raw: Raw | None) -> dict[str, Node]:
    """Return an element for each change of a plan."""
    create = plan.action == "create"
    changes = ((t.cast(Field, change.field), change) for change in plan.changes)
    return {field.element: field.node(change, raw or {}, create=create) for field, change in changes}


# Common kinds of fields. Each function accepts further attributes of a field.


def text_field(name: str, element: str, *, read: int = GET, **more: t.Any) -> Field:
    """Return a field for text. Empty text is the same as none."""
    settings: dict[str, t.Any] = {
        "option": {"type": "str"},
        "normalise": stripped,
        "reader": lambda raw: word(raw.get(element)),
    }
    return Field(name=name, element=element, read=read, **(settings | more))


def name_field() -> Field:
    """Return the field for the name of a record. White space around a name is ignored, so adding it is no rename."""
    return text_field("name", "name", read=0, key=stripped)


def choice_field(name: str, element: str, choices: t.Sequence[str], *, read: int = GET, **more: t.Any) -> Field:
    """Return a field for one of several words."""
    return text_field(name, element, read=read, option={"type": "str", "choices": list(choices)}, **more)


def flag_field(name: str, element: str, *, read: int = GET, default: bool | None = False) -> Field:
    """Return a field for a boolean.

    A boolean that an answer omits is false (docs/vendors/qualys_was.md 3.2), unless ``default`` is None.
    """
    return Field(
        name=name,
        element=element,
        option={"type": "bool"},
        reader=lambda raw: truth(raw.get(element)),
        writer=bool,
        read=read,
        default=default,
    )


def reference_field(name: str, element: str, refers: str, *, read: int = GET, **more: t.Any) -> Field:
    """Return a field for another record, by name or id."""
    settings: dict[str, t.Any] = {
        "reader": lambda raw: one(raw.get(element)),
        "writer": reference_node,
        "show": show_reference,
    }
    return Field(
        name=name,
        element=element,
        option={"type": "str"},
        key=reference_key,
        refers=refers,
        read=read,
        **(settings | more),
    )


def reference_list(
    name: str, element: str, item: str, refers: str, *, read: int = GET, cls: type[Field] = Field, **more: t.Any
) -> Field:
    """Return a field for a list of other records, by name or id."""
    settings: dict[str, t.Any] = {"reader": lambda raw: named(raw.get(element)), "writer": reference_id_node}
    return cls(
        name=name,
        element=element,
        kind="list",
        option=TEXT_LIST,
        key=reference_key,
        show=show_reference,
        item=item,
        remover=reference_id_node,
        refers=refers,
        read=read,
        **(settings | more),
    )


def tag_list(name: str = "tags", element: str = "tags", *, read: int = GET) -> Field:
    """Return a field for tags."""
    return reference_list(name, element, "Tag", "tag", read=read)


def text_list(name: str, element: str, item: str, **more: t.Any) -> Field:
    """Return a field for texts without order."""
    settings: dict[str, t.Any] = {
        "option": TEXT_LIST,
        "normalise": stripped,
        "reader": lambda raw: texts(raw.get(element)),
    }
    return Field(name=name, element=element, kind="list", item=item, remover=plain_node, read=GET, **(settings | more))


def comment_list() -> Field:
    """Return the field for comments, which Qualys does not allow to remove individually."""
    return Field(
        name="comments",
        element="comments",
        kind="list",
        option=TEXT_LIST,
        normalise=stripped,
        reader=lambda raw: comments(raw.get("comments")),
        item="Comment",
        writer=comment_node,
        read=GET,
    )
