# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web applications as hosts of an inventory: options, reading, host names.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
import typing as t
import unicodedata
from collections import Counter

from ..._base.errors import OptionError
from ..._reconcile.apply import every
from ..._reconcile.plan import shown_record
from ..api.client import QualysClient
from ..api.connection import with_environment
from ..api.criteria import build
from ..api.shapes import Raw
from ..api.targets import read_complete
from ..findings.finding_fields import SEVERITY_LEVELS
from ..findings.severity_counts import count_severities
from ..resource.elements import GET, SEARCH, VERBOSE
from ..resource.resource_info import LEVELS
from .webapp import RESOURCE
from .webapp_fields import FIELDS, READ_ONLY, from_raw

Webapp = dict[str, t.Any]

SEVERITIES = "severities"
"""The field that requires reading findings."""
# Keys that every search includes, although they are not options.
_IN_SEARCH = ("id", "risk_score", "created", "updated")
_FIELD_LEVELS: dict[str, int] = {
    **dict.fromkeys(READ_ONLY, GET),
    **dict.fromkeys(_IN_SEARCH, SEARCH),
    **{field.name: field.read for field in FIELDS},
}
_FILTER_KEYS = frozenset({"field", "operator", "value", "name"})
_ACCOUNT = ("platform", "api_url", "username", "client_id")
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 120
# These names have a special meaning in Ansible: an application called localhost must not become this machine.
_TAKEN = frozenset({"all", "ungrouped", "localhost", "127.0.0.1", "::1"})


def check_option_names(given: t.Iterable[t.Any], known: t.Collection[str], plugin: str) -> None:
    """Check the names of the options in a configuration file, because Ansible ignores unknown ones.

    Raises:
        OptionError: an option is unknown.
    """
    for name in sorted(set(map(str, given)) - set(known)):
        similar = difflib.get_close_matches(name, known, 1)
        raise OptionError(f"{name} is not an option of {plugin}.{f' Did you mean {similar[0]}?' if similar else ''}")


@dataclasses.dataclass(frozen=True)
class Selection:
    """The applications to read, and the fields to show.

    Args:
        filters: criteria, as in modules; None for all applications.
        filters_strict: whether unknown search fields are refused.
        detail: a key of ``LEVELS``.
        severities: whether to count open findings.
        fields: the fields to show; None for the defaults of the level.

    Raises:
        OptionError: a field is unknown, or requires another option.
    """

    filters: list[t.Any] | None
    filters_strict: bool
    detail: str
    severities: bool
    fields: list[t.Any] | None

    def __post_init__(self) -> None:
        for index, entry in enumerate(self.filters or []):
            if not isinstance(entry, dict) or "field" not in entry or set(entry) - _FILTER_KEYS:
                raise OptionError(f"filters[{index}] is not a mapping of field, operator and value.")
        for name in map(str, self.fields or []):
            self._check_field(name)

    def _check_field(self, name: str) -> None:
        if name == SEVERITIES:
            if not self.severities:
                raise OptionError("fields: severities requires the option severities: true.")
            return
        if name not in _FIELD_LEVELS:
            allowed = ", ".join(sorted({*_FIELD_LEVELS, SEVERITIES}))
            raise OptionError(f"fields: {name} is not a field of a web application. Use one of {allowed}.")
        if _FIELD_LEVELS[name] > self.level:
            needed = "full" if _FIELD_LEVELS[name] == GET else "verbose"
            raise OptionError(f"fields: {name} requires detail: {needed}.")

    @property
    def level(self) -> int:
        """The level of the read, one of the values of ``LEVELS``."""
        return LEVELS[self.detail]

    @property
    def shown(self) -> list[str]:
        """The fields that become variables."""
        if self.fields is not None:
            return [str(name) for name in self.fields]
        shown = ["id", "name", "url"]
        shown += ["tags"] if self.level >= VERBOSE else []
        shown += ["last_scan"] if self.level >= GET else []
        return shown + ([SEVERITIES] if self.severities else [])

    def fingerprint(self, connection: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> str:
        """Return a key for cached results, which differs for other accounts and options. Secrets are not part of it."""
        account = with_environment(connection, environ)
        parts = {name: account[name] for name in _ACCOUNT}
        options = {name: getattr(self, name) for name in ("filters", "filters_strict", "detail", "severities")}
        whole = json.dumps([parts, options, self.shown], default=str, sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()


def read_hosts(client: QualysClient, selection: Selection) -> tuple[list[Webapp], int]:
    """Read the applications of a selection.

    Returns:
        The applications with id, name, tags and the fields to show; and how many vanished while they were read.

    Raises:
        OptionError: a filter is invalid.
        IncompleteRead: Qualys sent another number of records than it announced, in two attempts.
    """
    criteria = build(selection.filters, RESOURCE, strict=selection.filters_strict)
    raws = read_complete(client, RESOURCE, criteria, "web applications", verbose=selection.level >= VERBOSE)
    announced = len(raws)
    if selection.level >= GET:
        raws = _in_full(client, raws)
    kept = {"id", "name", "tags", *selection.shown}
    records = (shown_record(FIELDS, from_raw(raw, selection.level)) or {} for raw in raws)
    webapps = [{name: value for name, value in record.items() if name in kept} for record in records]
    if selection.severities:
        _add_severities(client, webapps, all_of_them=not selection.filters)
    return webapps, announced - len(raws)


def _in_full(client: QualysClient, raws: list[Raw]) -> list[Raw]:
    found = every(raws, lambda raw: client.get(RESOURCE, raw["id"]), workers=client.workers)
    return [raw for raw in found if raw is not None]


def _add_severities(client: QualysClient, webapps: list[Webapp], *, all_of_them: bool) -> None:
    counts = count_severities(client, None if all_of_them else [webapp["id"] for webapp in webapps])
    for webapp in webapps:
        found = counts[webapp["id"]]
        webapp[SEVERITIES] = {name: found[name] for name in SEVERITY_LEVELS.values()}


def host_names(webapps: t.Sequence[Webapp]) -> tuple[dict[int, str], list[str]]:
    """Return a safe and unique host name for each application.

    Returns:
        Host names by id, and the names that several applications have in common.
    """
    wanted = {webapp["id"]: _safe_name(webapp) for webapp in webapps}
    counts = Counter(wanted.values())
    with_id = {key: counts[name] > 1 or name.lower() in _TAKEN for key, name in wanted.items()}
    names: dict[int, str] = {}
    used: set[str] = set()
    # Applications that keep their name come first, so that the name with id of another one never takes it.
    for key in sorted(wanted, key=lambda key: (with_id[key], key)):
        name = f"{wanted[key]}_{key}" if with_id[key] else wanted[key]
        while name in used:
            name = f"{name}_{key}"
        used.add(name)
        names[key] = name
    return names, sorted(name for name, count in counts.items() if count > 1)


def _safe_name(webapp: Webapp) -> str:
    """Return the name of an application without characters that have a meaning in patterns, paths or templates."""
    name = unicodedata.normalize("NFC", webapp.get("name") or "")
    safe = _NOT_IN_A_NAME.sub("_", name)[:_LONGEST_NAME].strip("._-")
    return safe or f"webapp_{webapp['id']}"
