# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a web application, and how they are read and written (docs/vendors/qualys_was.md 8, 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import urlsplit

from ..._base.errors import OptionError
from ..._reconcile.plan import Change
from ..._reconcile.spec import Record, option_spec
from ..._records.redaction.values import MARKER
from ..._records.times import canonical_time
from ..api.shapes import Raw, items, number, score, text, truth, user_name
from ..api.xml import Attributed, Node
from ..resource.elements import GET, SEARCH, TEXT_LIST, VERBOSE, word
from ..resource.field import (
    Field,
    choice_field,
    comment_list,
    flag_field,
    name_field,
    read_fields,
    reference_field,
    reference_list,
    tag_list,
    text_field,
    text_list,
)

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
    """Return a URL in the form in which it is compared: host in lower case, ``/`` for an empty path."""
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        return value
    if not parts.netloc:
        return value
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=parts.path or "/").geturl()


def url_entry(value: t.Any) -> Record:
    """Return an entry of an allow or exclude list, which may be text or ``{value, regex}``.

    Raises:
        OptionError: the entry is neither.
    """
    if isinstance(value, str):
        return {"value": value, "regex": False}
    if not isinstance(value, dict) or not isinstance(value.get("value"), str) or set(value) - {"value", "regex"}:
        raise OptionError("an entry is neither text nor {value, regex}.", hint="Such as {value: ^/admin, regex: true}.")
    return {"value": value["value"], "regex": bool(truth(value.get("regex")))}


def _entry_key(entry: Record) -> t.Hashable:
    return entry["value"], entry["regex"]


def header_line(value: t.Any) -> str:
    """Return a header in the form in which it is compared.

    Raises:
        OptionError: it does not have the form ``Name: value``.
    """
    name, colon, content = str(value).partition(":")
    if not name.strip() or not colon:
        # Not quoted, because the text may contain a token.
        raise OptionError("headers: an entry does not have the form 'Name: value'.")
    return f"{name.strip()}: {content.strip()}"


def _header_name(line: str) -> str:
    return line.partition(":")[0].strip().lower()


def _header_removal(written: t.Any) -> t.Hashable:
    """Return the key for removing a header: its whole line or its name, so that its value need not be known."""
    return header_line(written) if ":" in str(written) else ("name", str(written).strip().lower())


def _show_header(value: str) -> str:
    """Return a header with only its name, because its value may be a token."""
    return f"{value.partition(':')[0]}: {MARKER}"


def _show_script(script: Record) -> Record:
    """Return a crawling script without its data, which may contain credentials."""
    return script | {"data": MARKER if script.get("data") else None}


def _script_removal(written: t.Any) -> t.Hashable:
    return str(written["name"] if isinstance(written, dict) else written).strip()


def _attribute_value(value: t.Any) -> str:
    """Return the value of an attribute as text. YAML may have read another type."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hours(value: t.Any) -> int | None:
    """Return a limit in hours; None for zero, which means no limit."""
    return int(value) or None


_NAMELESS = ("EXTERNAL", "scannerTags")


def scanner(value: t.Any) -> Record | None:
    """Return the scanner; None for an empty mapping, to which Ansible has added its members as nulls."""
    kind, name = value.get("type") or None, value.get("friendly_name") or None
    if kind is None and name is not None:
        raise OptionError("default_scanner: type is missing.", hint="An appliance with a name has the type INTERNAL.")
    return None if kind is None else {"type": kind, "friendly_name": name}


def _scanner_key(value: Record) -> t.Hashable:
    # Only internal appliances have a name. A name that Qualys keeps for another type has no effect.
    return value["type"], None if value["type"] in _NAMELESS else value["friendly_name"]


# Reading


def _entries(raw: Raw, *names: str) -> list[Record]:
    """Return an allow or exclude list, which has another name at older tenants (docs/vendors/qualys_was.md 9.3)."""
    collection = next((raw[name] for name in names if name in raw), None)
    found: list[Record] = []
    for item in items(collection):
        value = text(item)
        if value is not None:
            found.append({"value": value, "regex": isinstance(item, dict) and bool(truth(item.get("regex")))})
    return found


def _attributes(raw: Raw) -> dict[str, str]:
    found = (item for item in items(raw.get("attributes")) if isinstance(item, dict))
    pairs = ((text(item.get("name")), text(item.get("value"))) for item in found)
    return {name: value or "" for name, value in pairs if name}


def _scripts(raw: Raw) -> list[Record]:
    return [
        {
            "name": text(item.get("name")),
            "data": text(item.get("data")),
            "starting_url": text(item.get("startingUrl")),
            "starting_url_regex": bool(truth(item.get("startingUrlRegex"))),
            "regex": text(item.get("regex")),
            "requires_authentication": bool(truth(item.get("requiresAuthentication"))),
        }
        for item in items(raw.get("crawlingScripts"))
        if isinstance(item, dict)
    ]


def _script_ids(collection: t.Any) -> list[Record]:
    """Return id and name of each script, separately: downloads need the id, but it is not an option."""
    scripts = (item for item in items(collection) if isinstance(item, dict))
    return [{"id": number(item.get("id")), "name": text(item.get("name"))} for item in scripts]


def _default_scanner(raw: Raw) -> Record | None:
    value = raw.get("defaultScanner")
    if not isinstance(value, dict) or not value.get("type"):
        return None
    return {"type": text(value["type"]), "friendly_name": word(value.get("friendlyName"))}


def _config(raw: Raw) -> Raw:
    config = raw.get("config")
    return config if isinstance(config, dict) else {}


def _config_hours(raw: Raw) -> int | None:
    return number(_config(raw).get("cancelScansAfterNHours")) or None


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
        # Qualys returns the status beside the scan and not in it.
        "status": text(value.get("status")) or text(raw.get("lastScanStatus")),
        "results_status": text(summary.get("resultsStatus")),
        "auth_status": text(summary.get("authStatus")),
    }


# Writing


def _entry_node(entry: Record) -> Node:
    return Attributed(entry["value"], (("regex", "true" if entry["regex"] else "false"),))


def _script_node(script: Record) -> Node:
    node: dict[str, Node] = {"name": script["name"]}
    for ours, theirs in (("data", "data"), ("regex", "regex"), ("starting_url", "startingUrl")):
        if script.get(ours) is not None:
            node[theirs] = script[ours]
    node["requiresAuthentication"] = bool(script.get("requires_authentication"))
    node["startingUrlRegex"] = bool(script.get("starting_url_regex"))
    return node


class _Scripts(Field):
    """Qualys identifies scripts by id, options by name: scripts to remove or replace are removed by their ids."""

    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        names = {script["name"] for script in (*change.removed, *change.added)}
        ids = (script["id"] for script in _script_ids(raw.get("crawlingScripts")) if script["name"] in names)
        removed = tuple(found for found in ids if found is not None)
        return super().node(dataclasses.replace(change, removed=removed), raw, create=create)


class _Attributes(Field):
    """An attribute may have a category, which is not managed here and kept."""

    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        held = (item for item in items(raw.get("attributes")) if isinstance(item, dict))
        categories = {text(item.get("name")): item["category"] for item in held if text(item.get("category"))}

        def write(pair: t.Any) -> Node:
            node: dict[str, Node] = {"name": pair[0], "value": pair[1]}
            return node | ({"category": text(categories[pair[0]])} if pair[0] in categories else {})

        return dataclasses.replace(self, writer=write)._list_node(change, create=create)


class _DefaultScanner(Field):
    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        if change.after is None:
            return None
        node: dict[str, Node] = {"type": change.after["type"]}
        if change.after["friendly_name"]:
            node["friendlyName"] = change.after["friendly_name"]
        elif change.before is not None and change.before["friendly_name"]:
            node["friendlyName"] = None
        return node


class _CancelAfter(Field):
    """A member of ``config``, which is written as a whole, because omitted members may be cleared.

    See docs/vendors/qualys_was.md 9.4.
    """

    def node(self, change: Change, raw: Raw, *, create: bool) -> Node:
        # An empty element removes the limit; an omitted one may leave it as it is.
        node: dict[str, Node] = {} if create and change.after is None else {"cancelScansAfterNHours": change.after}
        for reference in ("defaultAuthRecord", "defaultDnsOverride"):
            value = _config(raw).get(reference)
            if isinstance(value, dict) and value.get("id") is not None:
                node[reference] = {"id": str(value["id"])}
        return node


# The fields


def _url_list(name: str, *elements: str) -> Field:
    return Field(
        name=name,
        element=elements[0],
        kind="list",
        option=_RAW_LIST,
        normalise=url_entry,
        key=_entry_key,
        # Qualys identifies entries by their text alone, whether or not it is a regular expression.
        removal=lambda written: ("text", written) if isinstance(written, str) else _entry_key(url_entry(written)),
        aliases=lambda entry: (("text", entry["value"]),),
        slot=lambda entry: entry["value"],
        add_notes=("An added entry replaces the one with the same text.",),
        remove_notes=("The text of an entry is enough, whether or not it is a regular expression.",),
        reader=lambda raw: _entries(raw, *elements),
        item="UrlEntry",
        writer=_entry_node,
        remover=_entry_node,
        read=GET,
    )


FIELDS: tuple[Field, ...] = (
    name_field(),
    text_field("url", "url", read=SEARCH, key=same_url),
    reference_field("owner", "owner", "user"),
    choice_field("scope", "scope", ["ALL", "LIMIT", "SUBDOMAIN", "DOMAINS"], default="ALL"),
    text_field("sub_domain", "subDomain"),
    text_list("domains", "domains", "Domain"),
    text_list("uris", "uris", "Url"),
    tag_list(read=VERBOSE),
    tag_list("scanner_tags", "defaultScannerTags"),
    _DefaultScanner(
        name="default_scanner",
        element="defaultScanner",
        option={"type": "dict", "options": _SCANNER_OPTIONS},
        normalise=scanner,
        key=_scanner_key,
        reader=_default_scanner,
        read=GET,
    ),
    reference_list("auth_records", "authRecords", "WebAppAuthRecord", "webappauthrecord"),
    reference_field("default_profile", "defaultProfile", "optionprofile"),
    _Attributes(
        name="attributes",
        element="attributes",
        kind="mapping",
        option={"type": "dict"},
        normalise=_attribute_value,
        reader=_attributes,
        item="Attribute",
        remover=lambda pair: {"name": pair[0]},
        whole=False,
        read=GET,
    ),
    text_list(
        "headers",
        "headers",
        "WebAppHeader",
        option=TEXT_LIST | {"no_log": True},
        normalise=header_line,
        show=_show_header,
        removal=_header_removal,
        aliases=lambda line: (("name", _header_name(line)),),
        slot=_header_name,
        add_notes=("An added header replaces those of the same name.",),
        remove_notes=("A name without a value removes every header of that name.",),
    ),
    _url_list("url_allowlist", "urlAllowlist", "urlWhitelist"),
    _url_list("url_excludelist", "urlExcludelist", "urlBlacklist"),
    _url_list("post_data_excludelist", "postDataExcludelist", "postDataBlacklist"),
    _url_list("logout_regex_list", "logoutRegexList"),
    text_field("use_robots", "useRobots", default="IGNORE"),
    flag_field("use_sitemap", "useSitemap"),
    _CancelAfter(
        name="cancel_after", element="config", option={"type": "int"}, normalise=_hours, reader=_config_hours, read=GET
    ),
    reference_list("dns_overrides", "dnsOverrides", "DnsOverride", "dnsoverride"),
    _Scripts(
        name="crawling_scripts",
        element="crawlingScripts",
        kind="list",
        option={"type": "list", "elements": "dict", "options": _SCRIPT_OPTIONS},
        removal_option=TEXT_LIST,
        removal=_script_removal,
        key=lambda script: script["name"],
        show=_show_script,
        reader=_scripts,
        item="SeleniumScript",
        writer=_script_node,
        remover=lambda script_id: {"id": script_id},
        whole=False,
        read=GET,
    ),
    comment_list(),
)

OPTIONS = option_spec(FIELDS)
"""Ansible's specification of the options for the fields."""

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
"""Keys of a result that are not options."""


def from_raw(raw: Raw, level: int = GET) -> Record:
    """Return a web application in option form, with the fields that a read of this level includes."""
    record: Record = {"id": number(raw.get("id"))}
    record |= read_fields(FIELDS, raw, level)
    record |= {
        "risk_score": score(raw.get("riskScore")),
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
