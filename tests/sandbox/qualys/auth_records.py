# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication records: criteria and view (docs/vendors/qualys_was.md 10)."""

from __future__ import annotations

from typing import Any

from ..tables import Record
from . import auth_writes
from .common import Tree, at, comments_view, listed, tag_names, tags_view, users_view
from .criteria import Field
from .search import read_operations
from .tree import QList
from .world import Resource, World

MASK = "********"
CONTENTS = (
    "FORM_STANDARD", "FORM_CUSTOM", "FORM_SELENIUM", "SERVER_BASIC", "SERVER_DIGEST", "SERVER_NTLM", "CERTIFICATE",
    "OAUTH2_AUTH_CODE", "OAUTH2_IMPLICIT", "OAUTH2_PASSWORD", "OAUTH2_CLIENT_CREDS",
)  # fmt: skip
AUTH_STATUSES = ("NONE", "NOT_USED", "SUCCESSFUL", "FAILED", "PARTIAL")


def contents_of(record: Any) -> list[str]:
    """The words that the criterion ``contents`` matches."""
    words: list[str] = []
    form, server, oauth2 = record.get("formRecord"), record.get("serverRecord"), record.get("oauth2Record")
    if form and form["type"] != "NONE":
        words.append(f"FORM_{form['type']}")
    if server:
        words.extend(sorted({f"SERVER_{item['type']}" for item in server.get("fields", ())}))
        words.extend(["CERTIFICATE"] if server.get("certificate") else [])
    if oauth2 and oauth2["grantType"] != "NONE":
        words.append(f"OAUTH2_{oauth2['grantType']}")
    return words


def resource(world: World) -> Resource:
    """The object ``webappauthrecord``."""
    state = world.state

    def used(record: Any) -> bool:
        return bool(auth_writes.users_of(world, record["id"]))

    def last_status(record: Any) -> str:
        return str((record.get("lastScan") or {}).get("authStatus", "NONE"))

    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "tags": Field("integer", listed(), extra=("NONE",)),
        "tags.name": Field("text", tag_names(state)),
        "tags.id": Field("integer", listed()),
        "createdDate": Field("date", at("createdDate")),
        "updatedDate": Field("date", at("updatedDate")),
        "lastScan.date": Field("date", at("lastScan", "date")),
        "lastScan.authStatus": Field("keyword", last_status, AUTH_STATUSES),
        "isUsed": Field("boolean", used),
        "contents": Field("keyword", contents_of, CONTENTS),
    }

    def stamp(_record: Record) -> int:
        return world.switches.generation + state.tags.generation + state.users.generation

    def view(record: Record, detail: str) -> Tree:
        return _view(world, record, full=detail == "full")

    return Resource(
        world, "3.0", "was", "webappauthrecord", "WebAppAuthRecord", state.auth_records, fields, view,
        stamp, {**read_operations(), **auth_writes.operations()},
    )  # fmt: skip


def _view(world: World, record: Record, *, full: bool) -> Tree:
    state = world.state
    tree: Tree = {"id": record["id"], "name": record["name"], "owner": state.user(record["owner"]["id"])}
    if not full:
        tree["tags"] = {"count": len(record["tags"])}
        tree.update({name: record.get(name) for name in ("createdDate", "updatedDate")})
        return tree
    secrets = Secrets(world.switches["secret_read_mode"], world.switches["plain_read_mode"])
    if record.get("formRecord"):
        tree["formRecord"] = _form(record["formRecord"], secrets)
    if record.get("serverRecord"):
        tree["serverRecord"] = _server(record["serverRecord"], secrets)
    if record.get("oauth2Record"):
        tree["oauth2Record"] = _oauth2(record["oauth2Record"], secrets)
    tree["tags"] = tags_view(state, record)
    tree["comments"] = comments_view(state, record)
    tree.update(users_view(state, record))
    return tree


class Secrets:
    """How secret values are read back."""

    def __init__(self, mode: str, plain: str) -> None:
        self._mode = mode
        self._plain = plain

    def plain(self, value: Any) -> Any:
        """A value that is no secret as a get shows it; None leaves it out."""
        if value is None or self._plain == "shown":
            return value
        return MASK if self._plain == "masked" else None

    def read(self, value: str | None, *, secured: bool) -> str | None:
        """The value as a get shows it; None leaves it out."""
        if value is None or self._mode == "absent":
            return None
        if self._mode == "clear_unless_secured" and not secured:
            return value
        return MASK


def _form(form: dict[str, Any], secrets: Secrets) -> Tree:
    tree: Tree = {name: form[name] for name in ("type", "sslOnly", "authVault") if name in form}
    if form.get("seleniumScript"):
        tree["seleniumScript"] = form["seleniumScript"]
    if "seleniumCreds" in form:
        tree["seleniumCreds"] = form["seleniumCreds"]
    values = []
    for item in form.get("fields", ()):
        is_secret = item["secured"] or item["name"].lower() == "password"
        value = secrets.read(item["value"], secured=item["secured"]) if is_secret else secrets.plain(item["value"])
        values.append({"id": item["id"], "name": item["name"], "secured": item["secured"], "value": value})
    tree["fields"] = QList("WebAppAuthFormRecordField", values)
    return tree


def _server(server: dict[str, Any], secrets: Secrets) -> Tree:
    tree: Tree = {name: server[name] for name in ("sslOnly", "authVault") if name in server}
    if server.get("certificate"):
        certificate = server["certificate"]
        tree["certificate"] = {
            "name": certificate["name"],
            "contents": secrets.read(certificate.get("contents"), secured=True),
            "passphrase": secrets.read(certificate.get("passphrase"), secured=True),
        }
    values = []
    for item in server.get("fields", ()):
        value = {name: item.get(name) for name in ("id", "type", "domain", "username")}
        value["username"] = secrets.plain(value["username"])
        value["password"] = secrets.read(item.get("password"), secured=False)
        values.append(value)
    tree["fields"] = QList("WebAppAuthServerRecordField", values)
    return tree


def _oauth2(oauth2: dict[str, Any], secrets: Secrets) -> Tree:
    tree: Tree = {}
    for name, value in oauth2.items():
        secret = name in ("clientSecret", "password")
        tree[name] = secrets.read(value, secured=False) if secret else value
        if name == "username":
            tree[name] = secrets.plain(value)
    return tree
