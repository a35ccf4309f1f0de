# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web application: its fields, how they are read, and how a change is written (docs/vendors/qualys_was.md 8, 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import urlsplit

from ..._base.errors import OptionError
from ..._reconcile.plan import Change, Plan
from ..._reconcile.redact import MARKER
from ..._reconcile.spec import Field, Record, option_spec
from ..._records.times import canonical_time
from ..api.shapes import Raw, items, number, text, truth, user_name
from ..api.xml import Attributed, Node
from ..resource.elements import (
    COMMENTS,
    GET,
    TAGS,
    TEXT_LIST,
    VERBOSE,
    ListShape,
    comment_list,
    comments,
    list_node,
    named,
    plain_node,
    reference_key,
    reference_list,
    reference_node,
    stripped,
)
from ..resource.references import Reference, show_reference

_RAW_LIST: dict[str, t.Any] = {"type": "list", "elements": "raw"}
_SCRIPT_OPTIONS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "data": {"type": "str", "no_log": True},
    "starting_url": {"type": "str"},
    "starting_url_regex": {"type": "bool", "default": False},
    "regex": {"type": "str"},
    "requires_authentication": {"type": "bool", "default": False},
}
_SCANNER_OPTIONS: dict[str, t.Any] = {
    "type": {"type": "str", "choices": ["EXTERNAL", "INTERNAL", "scannerTags"]},
    "friendly_name": {"type": "str"},
}


def same_url(value: str) -> str:
    """The form in which URLs are compared: host in lower case, an empty path is ``/``."""
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        return value
    if not parts.netloc:
        return value
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=parts.path or "/").geturl()


def url_entry(value: t.Any) -> Record:
    """An entry of an allow or exclude list: a text, or ``{value, regex}``.

    Raises:
        OptionError: neither of them.
    """
    if isinstance(value, str):
        return {"value": value, "regex": False}
    if not isinstance(value, dict) or not isinstance(value.get("value"), str) or set(value) - {"value", "regex"}:
        raise OptionError("an entry is neither a text nor {value, regex}.", hint="{value: ^/admin, regex: true}")
    return {"value": value["value"], "regex": bool(truth(value.get("regex")))}


def _entry_key(entry: Record) -> t.Hashable:
    return entry["value"], entry["regex"]


def header_line(value: t.Any) -> str:
    """A header as it is compared.

    Raises:
        OptionError: it is not of the form ``Name: value``.
    """
    name, colon, content = str(value).partition(":")
    if not name.strip() or not colon:
        # The text itself may hold a token, so it is not quoted.
        raise OptionError("headers: an entry is not of the form 'Name: value'.")
    return f"{name.strip()}: {content.strip()}"


def _show_header(value: str) -> str:
    """Headers may carry tokens: only the name is shown."""
    return f"{value.partition(':')[0]}: {MARKER}"


def _show_script(script: Record) -> Record:
    """A crawling script may hold credentials."""
    return script | {"data": MARKER if script.get("data") else None}


def _attribute_value(value: t.Any) -> str:
    """Attributes are text; YAML may have made something else of what the user wrote."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hours(value: t.Any) -> int | None:
    """Zero hours means: no limit."""
    return int(value) or None


def scanner(value: t.Any) -> Record | None:
    """The scanner; None for an empty one, which Ansible hands over with all its members as None."""
    kind, name = value.get("type") or None, value.get("friendly_name") or None
    if kind is None and name is not None:
        raise OptionError("default_scanner: type is missing.", hint="An appliance with a name is of the type INTERNAL.")
    return None if kind is None else {"type": kind, "friendly_name": name}


def _url_list(name: str) -> Field:
    return Field(name=name, kind="list", option=_RAW_LIST, normalise=url_entry, key=_entry_key, read=GET)


FIELDS: tuple[Field, ...] = (
    Field(name="name", option={"type": "str"}, normalise=stripped),
    Field(name="url", option={"type": "str"}, normalise=stripped, key=same_url),
    Field(name="owner", option={"type": "str"}, key=reference_key, show=show_reference, read=GET),
    Field(name="scope", option={"type": "str", "choices": ["ALL", "LIMIT", "SUBDOMAIN", "DOMAINS"]}, read=GET),
    Field(name="sub_domain", option={"type": "str"}, normalise=stripped, read=GET),
    Field(name="domains", kind="list", option=TEXT_LIST, normalise=stripped, read=GET),
    Field(name="uris", kind="list", option=TEXT_LIST, normalise=stripped, read=GET),
    reference_list("tags", VERBOSE),
    reference_list("scanner_tags", GET),
    Field(
        name="default_scanner",
        option={"type": "dict", "options": _SCANNER_OPTIONS},
        normalise=scanner,
        key=repr,
        read=GET,
    ),
    reference_list("auth_records", GET),
    Field(name="default_profile", option={"type": "str"}, key=reference_key, show=show_reference, read=GET),
    Field(name="attributes", kind="mapping", option={"type": "dict"}, normalise=_attribute_value, read=GET),
    Field(
        name="headers",
        kind="list",
        option=TEXT_LIST | {"no_log": True},
        normalise=header_line,
        show=_show_header,
        read=GET,
    ),
    _url_list("url_allowlist"),
    _url_list("url_excludelist"),
    _url_list("post_data_excludelist"),
    _url_list("logout_regex_list"),
    Field(name="use_robots", option={"type": "str"}, read=GET),
    Field(name="use_sitemap", option={"type": "bool"}, read=GET),
    Field(name="cancel_after", option={"type": "int"}, normalise=_hours, read=GET),
    reference_list("dns_overrides", GET),
    Field(
        name="crawling_scripts",
        kind="list",
        option={"type": "list", "elements": "dict", "options": _SCRIPT_OPTIONS},
        key=lambda script: script["name"],
        show=_show_script,
        read=GET,
    ),
    comment_list(),
)

OPTIONS = option_spec(FIELDS)
"""Ansible's specification of the options that the fields stand for."""

REFERENCES: dict[str, str] = {
    "tags": "tag",
    "scanner_tags": "tag",
    "auth_records": "webappauthrecord",
    "default_profile": "optionprofile",
    "dns_overrides": "dnsoverride",
    "owner": "user",
}
"""Fields that name other records, and the object that they name."""

READ_ONLY: tuple[str, ...] = (
    "id",
    "risk_score",
    "created",
    "updated",
    "created_by",
    "updated_by",
    "last_scan",
    "is_scheduled",
    "crawling_script_ids",
)
"""Keys of a result that are no options."""


# Reading


def _one(value: t.Any) -> Reference | None:
    return Reference.of(value) if isinstance(value, dict) and value else None


def _texts(collection: t.Any) -> list[str]:
    return [found for item in items(collection) if (found := text(item)) is not None]


def _entries(raw: Raw, *names: str) -> list[Record]:
    """Allow and exclude lists have other names at older tenants (docs/vendors/qualys_was.md 9.3)."""
    collection = next((raw[name] for name in names if name in raw), None)
    found: list[Record] = []
    for item in items(collection):
        value = text(item)
        if value is not None:
            found.append({"value": value, "regex": isinstance(item, dict) and bool(truth(item.get("regex")))})
    return found


def _attributes(collection: t.Any) -> dict[str, str]:
    pairs = ((text(item.get("name")), text(item.get("value"))) for item in items(collection) if isinstance(item, dict))
    return {name: value or "" for name, value in pairs if name}


def _scripts(collection: t.Any) -> list[Record]:
    return [
        {
            "name": text(item.get("name")),
            "data": text(item.get("data")),
            "starting_url": text(item.get("startingUrl")),
            "starting_url_regex": bool(truth(item.get("startingUrlRegex"))),
            "regex": text(item.get("regex")),
            "requires_authentication": bool(truth(item.get("requiresAuthentication"))),
        }
        for item in items(collection)
        if isinstance(item, dict)
    ]


def _script_ids(collection: t.Any) -> list[Record]:
    """Beside the scripts and not in them: the id is what a download asks for, and no user chooses it."""
    scripts = (item for item in items(collection) if isinstance(item, dict))
    return [{"id": number(item.get("id")), "name": text(item.get("name"))} for item in scripts]


def _default_scanner(value: t.Any) -> Record | None:
    if not isinstance(value, dict) or not value.get("type"):
        return None
    return {"type": text(value["type"]), "friendly_name": text(value.get("friendlyName"))}


def _last_scan(raw: Raw) -> Record | None:
    value = raw.get("lastScan")
    if not isinstance(value, dict):
        return None
    summary = value.get("summary")
    summary = summary if isinstance(summary, dict) else {}
    return {
        "id": number(value.get("id")),
        "name": text(value.get("name")),
        "date": canonical_time(text(value.get("launchedDate")) or text(value.get("date"))),
        # The status stands beside the scan, and not in it.
        "status": text(value.get("status")) or text(raw.get("lastScanStatus")),
        "results_status": text(summary.get("resultsStatus")),
        "auth_status": text(summary.get("authStatus")),
    }


def _config_hours(raw: Raw) -> int | None:
    config = raw.get("config")
    return number(config.get("cancelScansAfterNHours")) if isinstance(config, dict) else None


_READERS: tuple[tuple[str, t.Callable[[Raw], t.Any]], ...] = (
    ("name", lambda raw: text(raw.get("name"))),
    ("url", lambda raw: text(raw.get("url"))),
    ("owner", lambda raw: _one(raw.get("owner"))),
    ("scope", lambda raw: text(raw.get("scope"))),
    ("sub_domain", lambda raw: text(raw.get("subDomain"))),
    ("domains", lambda raw: _texts(raw.get("domains"))),
    ("uris", lambda raw: _texts(raw.get("uris"))),
    ("tags", lambda raw: named(raw.get("tags"))),
    ("scanner_tags", lambda raw: named(raw.get("defaultScannerTags"))),
    ("default_scanner", lambda raw: _default_scanner(raw.get("defaultScanner"))),
    ("auth_records", lambda raw: named(raw.get("authRecords"))),
    ("default_profile", lambda raw: _one(raw.get("defaultProfile"))),
    ("attributes", lambda raw: _attributes(raw.get("attributes"))),
    ("headers", lambda raw: _texts(raw.get("headers"))),
    ("url_allowlist", lambda raw: _entries(raw, "urlAllowlist", "urlWhitelist")),
    ("url_excludelist", lambda raw: _entries(raw, "urlExcludelist", "urlBlacklist")),
    ("post_data_excludelist", lambda raw: _entries(raw, "postDataExcludelist", "postDataBlacklist")),
    ("logout_regex_list", lambda raw: _entries(raw, "logoutRegexList")),
    ("use_robots", lambda raw: text(raw.get("useRobots"))),
    ("use_sitemap", lambda raw: truth(raw.get("useSitemap"))),
    ("cancel_after", _config_hours),
    ("dns_overrides", lambda raw: named(raw.get("dnsOverrides"))),
    ("crawling_scripts", lambda raw: _scripts(raw.get("crawlingScripts"))),
    ("comments", lambda raw: comments(raw.get("comments"))),
)
_LEVELS = {field.name: field.read for field in FIELDS}


def from_raw(raw: Raw, level: int = GET) -> Record:
    """A web application in option form, with the fields that a read of this level holds."""
    record: Record = {"id": number(raw.get("id"))}
    record |= {name: read(raw) for name, read in _READERS if _LEVELS[name] <= level}
    record |= {
        "risk_score": number(raw.get("riskScore")),
        "created": canonical_time(text(raw.get("createdDate"))),
        "updated": canonical_time(text(raw.get("updatedDate"))),
    }
    if level >= GET:
        record |= {
            "created_by": user_name(raw.get("createdBy")),
            "updated_by": user_name(raw.get("updatedBy")),
            "last_scan": _last_scan(raw),
            "is_scheduled": truth(raw.get("isScheduled")),
            "crawling_script_ids": _script_ids(raw.get("crawlingScripts")),
        }
    return record


# Writing


def _owner_node(reference: Reference | None) -> Node:
    if reference is None:
        return None
    return {"id": reference.id} if reference.id is not None else {"username": reference.name}


def _entry_node(entry: Record) -> Node:
    return Attributed(entry["value"], (("regex", "true" if entry["regex"] else "false"),))


def _attribute_node(pair: t.Any) -> Node:
    name, value = pair
    return {"name": name, "value": value}


def _script_node(script: Record) -> Node:
    node: dict[str, Node] = {"name": script["name"]}
    for ours, theirs in (("data", "data"), ("regex", "regex"), ("starting_url", "startingUrl")):
        if script.get(ours) is not None:
            node[theirs] = script[ours]
    node["requiresAuthentication"] = bool(script.get("requires_authentication"))
    node["startingUrlRegex"] = bool(script.get("starting_url_regex"))
    return node


def _script_id_node(script_id: int) -> Node:
    return {"id": script_id}


_LISTS: dict[str, ListShape] = {
    "uris": ListShape("uris", "Url", plain_node, plain_node),
    "domains": ListShape("domains", "Domain", plain_node, plain_node),
    "tags": TAGS,
    "scanner_tags": ListShape("defaultScannerTags", "Tag", reference_node, reference_node),
    "auth_records": ListShape("authRecords", "WebAppAuthRecord", reference_node, reference_node),
    "dns_overrides": ListShape("dnsOverrides", "DnsOverride", reference_node, reference_node),
    "attributes": ListShape("attributes", "Attribute", _attribute_node, lambda pair: {"name": pair[0]}),
    "headers": ListShape("headers", "WebAppHeader", plain_node, plain_node),
    "url_allowlist": ListShape("urlAllowlist", "UrlEntry", _entry_node, _entry_node),
    "url_excludelist": ListShape("urlExcludelist", "UrlEntry", _entry_node, _entry_node),
    "post_data_excludelist": ListShape("postDataExcludelist", "UrlEntry", _entry_node, _entry_node),
    "logout_regex_list": ListShape("logoutRegexList", "UrlEntry", _entry_node, _entry_node),
    "crawling_scripts": ListShape("crawlingScripts", "SeleniumScript", _script_node, _script_id_node, whole=False),
    "comments": COMMENTS,
}

_SCALARS: dict[str, tuple[str, t.Callable[[t.Any], Node]]] = {
    "name": ("name", plain_node),
    "url": ("url", plain_node),
    "owner": ("owner", _owner_node),
    "scope": ("scope", plain_node),
    "sub_domain": ("subDomain", plain_node),
    "default_profile": ("defaultProfile", reference_node),
    "use_robots": ("useRobots", plain_node),
    "use_sitemap": ("useSitemap", bool),
}


def write_data(plan: Plan, raw: Raw | None) -> dict[str, Node]:
    """The ``WebApp`` element that carries out a plan.

    Args:
        plan: a create or an update.
        raw: the application as Qualys holds it; needed for parts that can only be written as a whole.
    """
    webapp: dict[str, Node] = {}
    for change in plan.changes:
        name = change.field.name
        if name in _LISTS:
            if name == "crawling_scripts":
                change = _with_script_ids(change, raw or {})
            webapp[_LISTS[name].element] = list_node(_LISTS[name], change, create=plan.action == "create")
        elif name == "cancel_after":
            webapp["config"] = _config_node(raw or {}, change.after)
        elif name == "default_scanner":
            webapp["defaultScanner"] = _scanner_node(change.after)
        else:
            element, node = _SCALARS[name]
            webapp[element] = None if change.after is None else node(change.after)
    return {"WebApp": webapp}


def _with_script_ids(change: Change, raw: Raw) -> Change:
    """Qualys tells scripts apart by id, users by name: one that goes, or gets new content, is removed by its id."""
    names = {script["name"] for script in (*change.removed, *change.added)}
    held = (item for item in items(raw.get("crawlingScripts")) if isinstance(item, dict))
    ids = (number(item.get("id")) for item in held if text(item.get("name")) in names)
    return dataclasses.replace(change, removed=tuple(found for found in ids if found is not None))


def _scanner_node(held: Record | None) -> Node:
    if held is None:
        return None
    node: dict[str, Node] = {"type": held["type"]}
    if held["friendly_name"]:
        node["friendlyName"] = held["friendly_name"]
    return node


def _config_node(raw: Raw, hours: int | None) -> Node:
    """The whole ``config``: one that leaves out a part may clear that part (docs/vendors/qualys_was.md 9.4)."""
    present = raw.get("config")
    present = present if isinstance(present, dict) else {}
    node: dict[str, Node] = {}
    if hours is not None:
        node["cancelScansAfterNHours"] = hours
    for reference in ("defaultAuthRecord", "defaultDnsOverride"):
        value = present.get(reference)
        if isinstance(value, dict) and value.get("id") is not None:
            node[reference] = {"id": str(value["id"])}
    return node
