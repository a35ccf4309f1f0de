# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authentication record: its fields, and how they are read (docs/vendors/qualys_was.md 10).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._reconcile.spec import Field, Record, option_spec
from ..._records.times import canonical_time
from ..api.shapes import Raw, number, text, user_name
from ..resource.elements import GET, comment_list, comments, named, reference_list, stripped
from .auth_record_parts import (
    FORM_OPTION,
    OAUTH2_OPTION,
    SERVER_OPTION,
    compared,
    form_from_raw,
    oauth2_from_raw,
    server_from_raw,
    shown,
)


def _part(name: str, option: dict[str, t.Any]) -> Field:
    return Field(name=name, option=option, key=compared, show=shown, read=GET)


FIELDS: tuple[Field, ...] = (
    Field(name="name", option={"type": "str"}, normalise=stripped),
    _part("form", FORM_OPTION),
    _part("server", SERVER_OPTION),
    _part("oauth2", OAUTH2_OPTION),
    reference_list("tags", GET),
    comment_list(),
)

REFERENCES: dict[str, str] = {"tags": "tag"}
"""Fields that name other records, and the object that they name."""

OPTIONS: dict[str, dict[str, t.Any]] = {
    **option_spec(FIELDS),
    "update_secret": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
}
"""The options of a record, but for those that say which one is meant."""

READ_ONLY: tuple[str, ...] = ("id", "owner", "created", "updated", "created_by", "updated_by")
"""Keys of a result that are no options."""


def from_raw(raw: Raw, level: int = GET) -> Record:
    """An authentication record in option form, without its secrets, with the fields that a read of this level holds."""
    record: Record = {"id": number(raw.get("id")), "name": text(raw.get("name"))}
    if level >= GET:
        record |= {
            "form": form_from_raw(raw.get("formRecord")),
            "server": server_from_raw(raw.get("serverRecord")),
            "oauth2": oauth2_from_raw(raw.get("oauth2Record")),
            "tags": named(raw.get("tags")),
            "comments": comments(raw.get("comments")),
        }
    record |= {
        "owner": user_name(raw.get("owner")),
        "created": canonical_time(text(raw.get("createdDate"))),
        "updated": canonical_time(text(raw.get("updatedDate"))),
    }
    if level >= GET:
        record |= {"created_by": user_name(raw.get("createdBy")), "updated_by": user_name(raw.get("updatedBy"))}
    return record
