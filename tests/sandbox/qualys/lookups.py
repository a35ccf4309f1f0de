# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ups: tags (version 2.0), option profiles, DNS overrides."""

from __future__ import annotations

from ..tables import Record, Table
from . import tag_writes
from .common import Tree, at, comments_view, listed, owner_fields, tag_names, tags_view, users_view
from .criteria import Field
from .search import read_operations
from .state import State
from .tree import QList
from .world import Resource, World


def resources(world: World) -> list[Resource]:
    """The look-up objects."""
    return [_tags(world), _option_profiles(world), _dns_overrides(world)]


def _generations(*tables: Table) -> int:
    # Generations only grow, so their sum changes whenever one of them does.
    return sum(table.generation for table in tables)


def _tags(world: World) -> Resource:
    state = world.state
    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "parent": Field("integer", at("parentTagId")),
        "ruleType": Field("keyword", at("ruleType"), tag_writes.RULE_TYPES),
        "provider": Field("keyword", at("provider"), ("EC2", "AZURE", "GCP", "IBM", "OCI")),
        "color": Field("text", at("color")),
        "criticalityScore": Field("integer", at("criticalityScore")),
    }

    def view(record: Record, _detail: str) -> Tree:
        children = [
            {"id": other["id"], "name": other["name"]}
            for other in state.tags.in_order()
            if other.get("parentTagId") == record["id"]
        ]
        names = ("id", "name", "parentTagId", "color", "ruleType", "ruleText", "criticalityScore", "description")
        tree: Tree = {name: record[name] for name in (*names, "created", "modified") if name in record}
        if children:
            tree["children"] = QList("TagSimple", children)
        return tree

    return Resource(
        world, "2.0", "am", "tag", "Tag", state.tags, fields, view,
        lambda _record: _generations(state.tags), {**read_operations(), **tag_writes.operations()},
    )  # fmt: skip


def _option_profiles(world: World) -> Resource:
    state = world.state

    def used(record: object) -> bool:
        key = record["id"]  # type: ignore[index]
        return any((app.get("defaultProfile") or {}).get("id") == key for app in state.webapps.values())

    def scheduled(record: object) -> bool:
        key = record["id"]  # type: ignore[index]
        return any((item.get("profile") or {}).get("id") == key for item in state.schedules.values())

    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "tags.name": Field("text", tag_names(state)),
        "tags.id": Field("integer", listed()),
        "createdDate": Field("date", at("createdDate")),
        "updatedDate": Field("date", at("updatedDate")),
        "usedByWebApps": Field("boolean", used),
        "usedBySchedules": Field("boolean", scheduled),
        **owner_fields(state),
    }

    def view(record: Record, detail: str) -> Tree:
        tree: Tree = {"id": record["id"], "name": record["name"], "isDefault": record["isDefault"]}
        tree["owner"] = state.user(record["owner"]["id"])
        tree["tags"] = tags_view(state, record)
        if detail == "full":
            tree.update(record["options"])
            tree["comments"] = comments_view(state, record)
        tree.update(users_view(state, record))
        return tree

    return Resource(
        world, "3.0", "was", "optionprofile", "OptionProfile", state.option_profiles, fields, view,
        lambda _record: _generations(state.tags, state.users), read_operations(),
    )  # fmt: skip


def _dns_overrides(world: World) -> Resource:
    state: State = world.state
    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "tags.name": Field("text", tag_names(state)),
        "tags.id": Field("integer", listed()),
        "createdDate": Field("date", at("createdDate")),
        "updatedDate": Field("date", at("updatedDate")),
        **owner_fields(state),
    }

    def view(record: Record, detail: str) -> Tree:
        tree: Tree = {"id": record["id"], "name": record["name"], "owner": state.user(record["owner"]["id"])}
        tree["tags"] = tags_view(state, record)
        if detail == "full":
            tree["mappings"] = QList("DnsMapping", record["mappings"])
            tree["comments"] = comments_view(state, record)
        tree.update(users_view(state, record))
        return tree

    return Resource(
        world, "3.0", "was", "dnsoverride", "DnsOverride", state.dns_overrides, fields, view,
        lambda _record: _generations(state.tags, state.users), read_operations(),
    )  # fmt: skip
