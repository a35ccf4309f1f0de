# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of an authentication record, and how they are read (docs/vendors/qualys_was.md 10).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._reconcile.plan import Change
from ..._reconcile.spec import Record, option_spec
from ..._records.times import canonical_time
from ..api.shapes import Raw, number, text, user_name
from ..api.xml import Node
from ..resource.elements import GET
from ..resource.field import Field, comment_list, name_field, read_fields, tag_list
from .auth_record_parts import (
    FORM_OPTION,
    OAUTH2_OPTION,
    SERVER_OPTION,
    Part,
    compared,
    form_from_raw,
    oauth2_from_raw,
    server_from_raw,
    shown,
)
from .auth_record_write import PartWriter, form_node, oauth2_node, server_node


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartField(Field):
    """One of the three parts of a record. Its XML depends on the present part.

    Attributes:
        part_writer: returns the XML for the present part, the desired part, and Qualys' own part.
    """

    part_writer: PartWriter

    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        """See :meth:`Field.node`."""
        held = raw.get(self.element)
        return self.part_writer(change.before, change.after, held if isinstance(held, dict) else {})


def _part(
    name: str, option: dict[str, t.Any], reader: t.Callable[[t.Any], Part | None], writer: PartWriter
) -> PartField:
    element = f"{name}Record"
    return PartField(
        name=name,
        element=element,
        option=option,
        key=compared,
        show=shown,
        reader=lambda raw: reader(raw.get(element)),
        part_writer=writer,
        read=GET,
    )


FIELDS: tuple[Field, ...] = (
    name_field(),
    _part("form", FORM_OPTION, form_from_raw, form_node),
    _part("server", SERVER_OPTION, server_from_raw, server_node),
    _part("oauth2", OAUTH2_OPTION, oauth2_from_raw, oauth2_node),
    tag_list(),
    comment_list(),
)

PARTS: tuple[str, ...] = tuple(field.name for field in FIELDS if isinstance(field, PartField))
"""Names of the parts."""

OPTIONS: dict[str, dict[str, t.Any]] = {
    **option_spec(FIELDS),
    "update_secret": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
}
"""The options of a record, except those that identify it."""

READ_ONLY: tuple[str, ...] = ("id", "owner", "created", "updated", "created_by", "updated_by")
"""Keys of a result that are not options."""


def from_raw(raw: Raw, level: int = GET) -> Record:
    """Return an authentication record in option form, with the fields that a read of this level includes."""
    record: Record = {"id": number(raw.get("id"))} | read_fields(FIELDS, raw, level)
    record |= {
        "owner": user_name(raw.get("owner")),
        "created": canonical_time(text(raw.get("createdDate"))),
        "updated": canonical_time(text(raw.get("updatedDate"))),
    }
    if level >= GET:
        record |= {"created_by": user_name(raw.get("createdBy")), "updated_by": user_name(raw.get("updatedBy"))}
    return record
