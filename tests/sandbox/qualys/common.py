# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria getters and view pieces that several objects share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tables import Record
from .criteria import Field, Getter
from .state import State
from .tree import QList

Tree = dict[str, Any]


def at(*path: str) -> Getter:
    """A getter of a nested value; None when any step is missing."""
    if len(path) == 1:
        name = path[0]
        return lambda record: record.get(name)

    def get(record: Mapping[str, Any]) -> Any:
        value: Any = record
        for step in path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(step)
        return value

    return get


def tag_names(state: State, name: str = "tags") -> Getter:
    """A getter of the names of the tags of a record."""
    return lambda record: [state.tags[key]["name"] for key in record.get(name) or () if key in state.tags]


def listed(name: str = "tags") -> Getter:
    """A getter of a list of ids; None when empty."""
    return lambda record: record.get(name) or None


def owner_fields(state: State) -> dict[str, Field]:
    """owner.id, owner.name and owner.username."""

    def user(part: str) -> Getter:
        return lambda record: state.user(record["owner"]["id"]).get(part) if record.get("owner") else None

    def full_name(record: Mapping[str, Any]) -> str | None:
        person = state.user(record["owner"]["id"]) if record.get("owner") else {}
        return f"{person.get('firstName')} {person.get('lastName')}" if person else None

    return {
        "owner.id": Field("integer", at("owner", "id")),
        "owner.name": Field("text", full_name),
        "owner.username": Field("text", user("username")),
    }


def references(item: str, state: State, table_name: str, keys: Sequence[int]) -> QList:
    """A collection of ``{id, name}``."""
    table = getattr(state, table_name)
    return QList(item, [state.named(table, key) for key in keys])


def tags_view(state: State, record: Record, name: str = "tags") -> QList:
    """The tags of a record."""
    return references("Tag", state, "tags", record.get(name) or [])


def users_view(state: State, record: Record) -> Tree:
    """createdDate, createdBy, updatedDate, updatedBy, where known."""
    view: Tree = {}
    for prefix in ("created", "updated"):
        if record.get(f"{prefix}By"):
            view[f"{prefix}By"] = state.user(record[f"{prefix}By"]["id"])
        view[f"{prefix}Date"] = record.get(f"{prefix}Date")
    return view


def comments_view(state: State, record: Record) -> QList:
    """The comments of a record, each with its author."""
    values = [
        {
            "contents": item["contents"],
            "author": state.user(item["author"]["id"]),
            "createdDate": item["createdDate"],
        }
        for item in record.get("comments") or []
    ]
    return QList("Comment", values)
