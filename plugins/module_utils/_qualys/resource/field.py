# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One option of a Qualys record, described once: how it is read, compared, written, and what it refers to.

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
        reader: from Qualys' record to the value that is compared.
        writer: from a value, or from one item of a list, to its XML.
        item: the element of one item, for a list.
        remover: from one item to the XML that removes it; None where Qualys has no "remove".
        whole: whether an update may set the whole list. A list whose items hold more than is managed here is only
            ever edited, because setting it would drop the rest.
        refers: the Qualys object that the value names, such as ``tag``; empty for none.
        plain_reference: whether the value is a reference, or a list of them; others are resolved by the kind itself.
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
        """The XML that carries out a change of this field.

        Args:
            change: what differs.
            raw: the record as Qualys holds it; empty for a create.
            create: whether the record is new.
        """
        if self.kind == "scalar":
            return None if change.after is None else self.writer(change.after)
        return self._list_node(change, create=create)

    def _list_node(self, change: Change, *, create: bool) -> Node:
        whole = list(change.after.items()) if isinstance(change.after, dict) else change.after
        # Where nothing can be removed, the whole is set only when something goes: a comment keeps its author and date.
        if create or (change.removed if self.remover is None else change.replace and whole and self.whole):
            return {"set": {self.item: [self.writer(item) for item in whole]}}
        # Whether an empty "set" clears a list is not documented; removing each item always does.
        node: dict[str, Node] = {}
        if change.added:
            node["add"] = {self.item: [self.writer(item) for item in change.added]}
        if change.removed and self.remover is not None:
            node["remove"] = {self.item: [self.remover(item) for item in change.removed]}
        return node


Fields = t.Sequence[Field]


def read_fields(fields: Fields, raw: Raw, level: int) -> Record:
    """The fields of a record that a read of this level holds."""
    return {field.name: field.reader(raw) for field in fields if field.read <= level}


def write_fields(plan: Plan, raw: Raw | None) -> dict[str, Node]:
    """One element for each change of a plan."""
    create = plan.action == "create"
    changes = ((t.cast(Field, change.field), change) for change in plan.changes)
    return {field.element: field.node(change, raw or {}, create=create) for field, change in changes}


# Kinds of fields that most records have. Each passes further attributes on.


def text_field(name: str, element: str, *, read: int = GET, **more: t.Any) -> Field:
    """A text; an empty one is none."""
    settings: dict[str, t.Any] = {
        "option": {"type": "str"},
        "normalise": stripped,
        "reader": lambda raw: word(raw.get(element)),
    }
    return Field(name=name, element=element, read=read, **(settings | more))


def name_field() -> Field:
    """The name of a record. White space around it makes no difference, so that it is never a rename."""
    return text_field("name", "name", read=0, key=stripped)


def choice_field(name: str, element: str, choices: t.Sequence[str], *, read: int = GET, **more: t.Any) -> Field:
    """One of several words."""
    return text_field(name, element, read=read, option={"type": "str", "choices": list(choices)}, **more)


def flag_field(name: str, element: str, *, read: int = GET, default: bool | None = False) -> Field:
    """A boolean; one that a reply leaves out is false (docs/vendors/qualys_was.md 3.2), unless ``default`` is None."""
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
    """Another record, by name or id."""
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
    """Other records, by name or id."""
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
    """Tags."""
    return reference_list(name, element, "Tag", "tag", read=read)


def text_list(name: str, element: str, item: str, **more: t.Any) -> Field:
    """Texts without order."""
    settings: dict[str, t.Any] = {
        "option": TEXT_LIST,
        "normalise": stripped,
        "reader": lambda raw: texts(raw.get(element)),
    }
    return Field(name=name, element=element, kind="list", item=item, remover=plain_node, read=GET, **(settings | more))


def comment_list() -> Field:
    """The comments of a record, which Qualys lets nobody remove one by one."""
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
