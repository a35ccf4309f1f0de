# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target of a scan or a schedule, with login and scanner: options, checks, XML (docs/vendors/qualys_was.md 12.2).

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
"""Words of the option ``auth_record``. A record with such a name has to be given by its id."""

MATCHES = ("ALL", "ANY")
"""Whether an application must have all of several tags, or any of them."""

UNSAID = {"tags_match": "ALL", "excluded_tags_match": "ANY"}
"""The defaults of these options."""

SCANNER_TYPES = ("EXTERNAL", "INTERNAL", "scannerTags")
SCANNER_OPTIONS: dict[str, dict[str, t.Any]] = {
    "type": {"type": "str", "choices": list(SCANNER_TYPES)},
    "friendly_name": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
}


@dataclasses.dataclass(frozen=True)
class Appliance:
    """The scanner: the vendor's own appliances, one appliance by its name, or those with some tags."""

    type: str
    friendly_name: str | None = None
    tags: tuple[Reference, ...] = ()


@dataclasses.dataclass(frozen=True)
class Auth:
    """The login of a scan: none, the application's default, or one record."""

    record: Reference | None = None
    default: bool = False

    @property
    def given(self) -> bool:
        """Whether the scan logs in at all."""
        return self.default or self.record is not None


@dataclasses.dataclass(frozen=True)
class ScanTarget:
    """The applications to scan, by id or by tags, and how. Either ``webapps`` or ``tags`` is set.

    Attributes:
        webapps: ids of applications.
        tags: ids of tags, all of which an application must have.
        auth: the login.
        scanner: the scanner; None for the application's default.
        limited: whether the limit in the request overrides the application's own.
        randomize: whether to scan the applications in random order; None leaves this to Qualys.
    """

    webapps: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()
    auth: Auth = Auth()
    scanner: Appliance | None = None
    limited: bool = False
    randomize: bool | None = None


def auth_of(written: str | None, references: References, present: t.Sequence[Reference] = ()) -> Auth:
    """Return the login for the option ``auth_record``. If it is not given, empty or ``none``, there is no login.

    Raises:
        OptionError: no record has the name.
        AmbiguousMatch: several records have the name.
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
    """Return the scanner for the option ``scanner``; None if it is not given or empty.

    Raises:
        OptionError: a member is missing or not allowed for the type, or a tag does not exist.
        AmbiguousMatch: several tags have the name.
    """
    if not written or not any(written.values()):
        return None
    if not written.get("type"):
        raise OptionError("scanner: type is missing.", hint=f"Give one of {', '.join(SCANNER_TYPES)}.")
    kind, name, tags = written["type"], (written.get("friendly_name") or "").strip(), written.get("tags") or []
    if kind in SCANNER_TYPES and (kind == "INTERNAL") != bool(name):
        raise OptionError(
            "scanner: friendly_name is required with the type INTERNAL, and not allowed with any other.",
            hint="It is the name of the scanner appliance.",
        )
    if kind in SCANNER_TYPES and (kind == "scannerTags") != bool(tags):
        raise OptionError(
            "scanner: tags is required with the type scannerTags, and not allowed with any other.",
            hint="Give tags of scanner appliances, by name or id.",
        )
    return Appliance(
        kind, name or None, tuple(references.resolve("tag", "scanner.tags", item, present) for item in tags)
    )


def proxy_of(written: t.Any, present: t.Sequence[Reference] = ()) -> Reference:
    """Return the proxy for the option ``scan_proxy``. Qualys has no search for proxies.

    Raises:
        OptionError: the value is neither an id nor the name of a present proxy of the record.
    """
    word = str(written).strip()
    held = next((found for found in present if word in (str(found.id), found.name)), None)
    if held is not None:
        return held
    if not (word.isascii() and word.isdigit()):
        raise OptionError(
            f"scan_proxy: {word!r} is not an id, and Qualys has no search for proxies by name.",
            hint="Give the id, which the Qualys user interface shows.",
        )
    return Reference(int(word), None)


def check_auth(auth: Auth, webapp: Raw) -> None:
    """Refuse the default login for an application that has none, because Qualys may then scan without a login.

    Raises:
        OptionError: the application has no authentication record.
    """
    config = webapp.get("config")
    default = config.get("defaultAuthRecord") if isinstance(config, dict) else None
    attached = webapp.get("authRecords")
    count = attached.get("count") if isinstance(attached, dict) else None
    if auth.default and not default and str(count or 0) == "0":
        raise OptionError(
            f"auth_record: the web application {text(webapp.get('name'))!r} has no authentication record, so it has no"
            " default either.",
            hint="Attach one to the application, or give auth_record by name or id.",
        )


def _ids(item: str, ids: t.Iterable[int]) -> Node:
    # One element per id: Qualys reads several ids in one element as one id, or refuses them.
    return {"set": {item: [{"id": found} for found in ids]}}


def target_node(target: ScanTarget) -> dict[str, Node]:
    """Return the element ``target``."""
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
