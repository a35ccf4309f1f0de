# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan or a schedule is aimed at, and with what (docs/vendors/qualys_was.md 12.2): options, checks, XML.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import OptionError
from ..api.shapes import Raw, text
from ..api.xml import Node
from ..resource.reference import Reference

if t.TYPE_CHECKING:
    from ..resource.references import References

TYPES = ("VULNERABILITY", "DISCOVERY")
DEFAULT_AUTH = "default"
NO_AUTH = "none"
"""Words of the option ``auth_record``; a record that is called so has to be given by its id."""

MATCHES = ("ALL", "ANY")
"""Whether an application needs all of several tags, or one of them."""

UNSAID = {"tags_match": "ALL", "excluded_tags_match": "ANY"}
"""Which of the two it is where neither is given."""

SCANNER_TYPES = ("EXTERNAL", "INTERNAL", "scannerTags")
SCANNER_OPTIONS: dict[str, dict[str, t.Any]] = {
    "type": {"type": "str", "choices": list(SCANNER_TYPES)},
    "friendly_name": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
}


@dataclasses.dataclass(frozen=True)
class Appliance:
    """Which appliance scans: the vendor's own, one by its name, or those with a tag."""

    type: str
    friendly_name: str | None = None
    tags: tuple[Reference, ...] = ()


@dataclasses.dataclass(frozen=True)
class Auth:
    """With which login: none, the application's default, or one record."""

    record: Reference | None = None
    default: bool = False

    @property
    def given(self) -> bool:
        """Whether the scan logs in at all."""
        return self.default or self.record is not None


@dataclasses.dataclass(frozen=True)
class ScanTarget:
    """What is scanned: applications by id, or those that have the tags. One of the two is set.

    Attributes:
        webapps: ids of applications.
        tags: ids of tags; an application needs all of them.
        auth: with which login.
        scanner: from where; None leaves it to the application.
        limited: whether the limit in the request beats the application's own.
        randomize: whether the applications are scanned in an order by chance; None leaves it to Qualys.
    """

    webapps: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()
    auth: Auth = Auth()
    scanner: Appliance | None = None
    limited: bool = False
    randomize: bool | None = None


def auth_of(written: str | None, references: References, present: t.Sequence[Reference] = ()) -> Auth:
    """What the option ``auth_record`` means: nothing, ``none`` and an empty text are no login.

    Raises:
        OptionError, AmbiguousMatch: the name resolves to no record, or to several.
    """
    word = str(written or "").strip()
    if word in ("", NO_AUTH):
        return Auth()
    if word == DEFAULT_AUTH:
        return Auth(default=True)
    return Auth(references.resolve("webappauthrecord", "auth_record", word, present))


def appliance_of(
    written: t.Mapping[str, t.Any] | None, references: References, present: t.Sequence[Reference] = ()
) -> Appliance | None:
    """What the option ``scanner`` means.

    Raises:
        OptionError, AmbiguousMatch: a member is missing or does not suit the type, or a tag does not resolve.
    """
    if not written or not any(written.values()):
        return None
    if not written.get("type"):
        raise OptionError("scanner: type is missing.", hint=f"It is one of {', '.join(SCANNER_TYPES)}.")
    kind, name, tags = written["type"], (written.get("friendly_name") or "").strip(), written.get("tags") or []
    if kind in SCANNER_TYPES and (kind == "INTERNAL") != bool(name):
        raise OptionError(
            "scanner: friendly_name goes with the type INTERNAL, and only with it.",
            hint="It is the name of the scanner appliance.",
        )
    if kind in SCANNER_TYPES and (kind == "scannerTags") != bool(tags):
        raise OptionError(
            "scanner: tags go with the type scannerTags, and only with it.",
            hint="They are the tags of the scanner appliances, by name or id.",
        )
    return Appliance(
        kind, name or None, tuple(references.resolve("tag", "scanner.tags", item, present) for item in tags)
    )


def proxy_of(written: t.Any, present: t.Sequence[Reference] = ()) -> Reference:
    """The proxy that the option ``scan_proxy`` names. Qualys has no search for proxies.

    Raises:
        OptionError: it is neither an id nor the name of one that is there already.
    """
    word = str(written).strip()
    held = next((found for found in present if word in (str(found.id), found.name)), None)
    if held is not None:
        return held
    if not (word.isascii() and word.isdigit()):
        raise OptionError(
            f"scan_proxy: {word!r} is not an id, and Qualys has no look-up for the names of proxies.",
            hint="Give the id, which Qualys' own pages show.",
        )
    return Reference(int(word), None)


def check_auth(auth: Auth, webapp: Raw) -> None:
    """Refuse a default that the application does not have: Qualys may then scan without any login.

    Raises:
        OptionError: it has neither a default record nor any record.
    """
    config = webapp.get("config")
    default = config.get("defaultAuthRecord") if isinstance(config, dict) else None
    attached = webapp.get("authRecords")
    count = attached.get("count") if isinstance(attached, dict) else None
    if auth.default and not default and str(count or 0) == "0":
        raise OptionError(
            f"auth_record: the web application {text(webapp.get('name'))!r} has no authentication record, so there is"
            " no default one.",
            hint="Attach one to the application, or give auth_record by name or id.",
        )


def _ids(item: str, ids: t.Iterable[int]) -> Node:
    # One element for each id: several ids in one element are read as one, or refused.
    return {"set": {item: [{"id": found} for found in ids]}}


def target_node(target: ScanTarget) -> dict[str, Node]:
    """The element ``target``."""
    node: dict[str, Node] = {}
    if target.tags:
        node["tags"] = {"included": {"option": "ALL", "tagList": _ids("Tag", target.tags)}}
    elif len(target.webapps) == 1:
        node["webApp"] = {"id": target.webapps[0]}
    else:
        node["webApps"] = _ids("WebApp", target.webapps)
    if target.auth.record is not None:
        node["webAppAuthRecord"] = {"id": target.auth.record.id}
    elif target.auth.default:
        node["webAppAuthRecord"] = {"isDefault": True}
    if target.scanner is not None:
        node |= _scanner_nodes(target.scanner)
    if target.limited:
        node["cancelOption"] = "SPECIFIC"
    if target.randomize is not None:
        node["randomizeScan"] = target.randomize
    return node


def _scanner_nodes(scanner: Appliance) -> dict[str, Node]:
    appliance: dict[str, Node] = {"type": scanner.type}
    if scanner.friendly_name:
        appliance["friendlyName"] = scanner.friendly_name
    node: dict[str, Node] = {"scannerAppliance": appliance}
    if scanner.tags:
        node["scannerTags"] = _ids("Tag", (reference.id or 0 for reference in scanner.tags))
    return node
