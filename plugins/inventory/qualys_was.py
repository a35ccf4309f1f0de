# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web applications of Qualys WAS as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: qualys_was
short_description: Web applications of Qualys WAS as an inventory
version_added: 1.0.0
description:
  - Each web application is a host, and each tag a group.
  - The file that configures it ends with C(qualys_was.yml) or C(qualys_was.yaml).
  - A host is named after its application. What is no letter, digit, dot, hyphen or underscore becomes an underscore,
    so that a name never means anything else in a pattern, a path or a template. Where applications would share a
    name, each of them has its id behind it, and a warning says so.
  - Nothing that comes from Qualys is ever a template.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._connection.plugin
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description:
      - Always V(appsec.perimeter.qualys_was).
    type: str
    required: true
    choices: [appsec.perimeter.qualys_was]
  detail:
    description:
      - V(summary) has id, name, URL, risk score and dates; V(verbose) adds the tags. Both need a few requests for each
        thousand applications.
      - V(full) adds everything else, the last scan among it, and needs one more request for each application.
    type: str
    choices: [summary, verbose, full]
    default: verbose
  severities:
    description:
      - Whether to count the open findings of each application by severity, which needs one request for each thousand
        of them.
      - Open are findings that are new, active, reopened or in retest, and not ignored.
    type: bool
    default: false
  fields:
    description:
      - What becomes variables of the hosts, by the names that M(appsec.perimeter.qualys_was_webapp_info) returns, and
        V(severities).
      - The default is V(id), V(name) and V(url), and where they are read V(tags), V(last_scan) and V(severities).
      - Few variables keep an inventory of thousands of hosts fast.
    type: list
    elements: str
  hostvars_prefix:
    description:
      - What the names of these variables begin with. Without a prefix V(name) and V(tags) would stand in the way of
        Ansible's own words.
    type: str
    default: was_
  tag_groups:
    description:
      - Whether each tag is a group. Needs O(detail=verbose) or O(detail=full).
    type: bool
    default: true
  tag_group_prefix:
    description:
      - What the names of these groups begin with.
    type: str
    default: tag_
notes:
  - Applications are no machines that Ansible could log in to. Let tasks for them run on the controller, for example
    with O(compose) as in the examples.
  - The options O(platform), O(api_url), O(username), O(password), O(client_id), O(client_secret) and O(gateway_url)
    may be templates, and no other option of the connection.
  - An incomplete listing is an error, since hosts that are missing without a word are worse than no inventory.
seealso:
  - plugin: ansible.builtin.constructed
    plugin_type: inventory
  - module: appsec.perimeter.qualys_was_webapp_info
"""

EXAMPLES = r"""
# production.qualys_was.yml: production only, by how the last scan ended, and how many findings are open
plugin: appsec.perimeter.qualys_was
platform: eu1
username: acme_xy1
password: "{{ lookup('ansible.builtin.env', 'ACME_PASSWORD') }}"
filters:
  - field: tags.name
    value: prod
detail: full
severities: true
keyed_groups:
  - key: was_last_scan.status | default('never')
    prefix: scan
groups:
  urgent: was_severities.critical > 0
compose:
  ansible_connection: "'local'"
  ansible_python_interpreter: ansible_playbook_python

# estate.qualys_was.yml: everything; the connection comes from the environment
#
# plugin: appsec.perimeter.qualys_was

# hourly.qualys_was.yml: kept for an hour, so that runs in between send nothing
#
# plugin: appsec.perimeter.qualys_was
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: /var/cache/ansible/qualys_was
# cache_timeout: 3600
"""

import difflib
import hashlib
import json
import os
import re
import typing as t
import unicodedata
from collections import Counter, defaultdict

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import IncompleteRead, PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import HAS_REQUESTS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import MAX_PAGE, QualysClient, connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.connection import (
    ENVIRONMENT,
    with_environment,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import Criterion, build
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.listing import (
    IDS_PER_SEARCH,
    Listing,
    Tally,
    Window,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.shapes import Raw, number, text, truth
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.targets import read_complete
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import RESOURCE
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import (
    FIELDS,
    READ_ONLY,
    from_raw,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_fields import SEVERITY_LEVELS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.elements import GET, SEARCH, VERBOSE
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.resource_info import LEVELS
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.apply import every
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.plan import shown_record
from ansible_collections.appsec.perimeter.plugins.plugin_utils._vendor_text import as_data

if t.TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader


def _forget_empty_variables() -> None:
    """Empty is unset: CI systems turn missing variables into empty text, and Ansible takes that for a value."""
    for name in _VARIABLES:
        if os.environ.get(name) == "":
            del os.environ[name]


Webapp = dict[str, t.Any]
_VARIABLES = ("PERIMETER_CA_PATH", "PERIMETER_PROXY", "PERIMETER_STATE_DIR")
"""What the documentation of the options names with ``env``."""

CONNECTION = (
    "timeout",
    "retries",
    "max_wait",
    "max_connections",
    "validate_certs",
    "ca_path",
    "client_cert",
    "client_key",
    "proxy",
    "allow_http",
)
SUFFIXES = ("qualys_was.yml", "qualys_was.yaml")
OPEN = ("NEW", "ACTIVE", "REOPENED", "RETESTING")
"""Words for findings that are open. Information that was gathered has no status, and is not counted."""
# Searches do not take RETESTING, which is a status all the same: so the others are left out instead.
_OPEN_CRITERIA: tuple[Criterion, ...] = (
    {"field": "type", "operator": "IN", "value": "VULNERABILITY,SENSITIVE_CONTENT"},
    {"field": "status", "operator": "NOT EQUALS", "value": "FIXED"},
    {"field": "status", "operator": "NOT EQUALS", "value": "PROTECTED"},
)

# What every search has, although it is no option.
_IN_SEARCH = ("id", "risk_score", "created", "updated")
_FIELD_LEVELS: dict[str, int] = {
    **dict.fromkeys(READ_ONLY, GET),
    **dict.fromkeys(_IN_SEARCH, SEARCH),
    **{field.name: field.read for field in FIELDS},
}
_FILTER_KEYS = frozenset({"field", "operator", "value", "name"})
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 120
# Ansible gives these names a meaning of its own: an application called localhost must not become this machine.
_TAKEN = frozenset({"all", "ungrouped", "localhost", "127.0.0.1", "::1"})


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Web applications as hosts, tags as groups."""

    NAME = "appsec.perimeter.qualys_was"

    def verify_file(self, path: str) -> bool:
        """Whether the file is one for this plugin, by its name."""
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Read the configuration, then the applications, and fill the inventory.

        Raises:
            AnsibleParserError: anything went wrong; one sentence, without a secret.
        """
        super().parse(inventory, loader, path, cache)
        _forget_empty_variables()
        config = self._read_config_data(path)
        try:
            self._check_options(config)
            self._fill(self._webapps(path, cache))
        except PerimeterError as error:
            # The cause is left out: the sentence says all, and Ansible would show the chain.
            raise AnsibleParserError(str(error)) from None
        except AnsibleError:
            raise
        except Exception as error:  # noqa: BLE001 - the text of an unforeseen error may quote anything
            raise AnsibleParserError(
                f"The inventory plugin failed inside, with {type(error).__name__}. "
                "That is a defect of appsec.perimeter: please report it."
            ) from None

    # Options

    def _check_options(self, config: t.Mapping[str, t.Any]) -> None:
        known = set(self._options)
        for name in sorted(set(map(str, config)) - known):
            similar = difflib.get_close_matches(name, known, 1)
            raise AnsibleParserError(
                f"{name} is not an option of {self.NAME}.{f' Is {similar[0]} meant?' if similar else ''}"
            )
        for index, entry in enumerate(self.get_option("filters") or []):
            if not isinstance(entry, dict) or "field" not in entry or set(entry) - _FILTER_KEYS:
                raise AnsibleParserError(f"filters[{index}] is not a mapping of field, operator and value.")
        level, severities = LEVELS[self.get_option("detail")], self.get_option("severities")
        for name in self.get_option("fields") or []:
            if name == "severities" and not severities:
                raise AnsibleParserError("fields: severities needs the option severities: true.")
            if name not in {*_FIELD_LEVELS, "severities"}:
                allowed = ", ".join(sorted({*_FIELD_LEVELS, "severities"}))
                raise AnsibleParserError(f"fields: {name} is not a field of a web application. One of {allowed}.")
            if _FIELD_LEVELS.get(name, SEARCH) > level:
                needed = "full" if _FIELD_LEVELS[name] == GET else "verbose"
                raise AnsibleParserError(f"fields: {name} needs detail: {needed}.")

    def _fields(self) -> list[str]:
        """The fields that become variables."""
        given: list[str] | None = self.get_option("fields")
        if given is not None:
            return [str(name) for name in given]
        level = LEVELS[self.get_option("detail")]
        fields = ["id", "name", "url"]
        fields += ["tags"] if level >= VERBOSE else []
        fields += ["last_scan"] if level >= GET else []
        return fields + (["severities"] if self.get_option("severities") else [])

    def _params(self) -> dict[str, t.Any]:
        """The connection options, as the client takes them."""
        params = {name: self.get_option(name) for name in CONNECTION}
        self.templar.available_variables = self._vars or {}
        return params | {name: self._credential(name) for name in ENVIRONMENT}

    def _credential(self, name: str) -> str | None:
        value = self.get_option(name)
        if value is None:
            return None
        try:
            # Also decrypts a value from a vault.
            rendered = self.templar.template(value)
        except Exception as error:  # noqa: BLE001 - its text may quote the secret
            raise AnsibleParserError(
                f"{name}: its template cannot be evaluated ({type(error).__name__}). "
                "Check the names in it, and that the vault is open."
            ) from None
        # A plain text: neither an encrypted one nor one that knows where it came from.
        return "".join(str(rendered))

    # Data

    def _webapps(self, path: str, cache: bool) -> list[Webapp]:
        """The applications, from the cache where that is wanted and possible."""
        wanted = self.get_option("cache")
        params = self._params()
        asked = self._question(params)
        key = self.get_cache_key(path)
        if wanted and cache:
            found = self._cached(key, asked)
            if found is not None:
                return found
        if not HAS_REQUESTS:
            raise AnsibleParserError(missing_required_lib("requests"))
        with connect(params, os.environ) as client:
            webapps = self._read(client)
        if wanted:
            # As one text: a cache plugin gives members such as __ansible_vault a meaning, and names are the vendor's.
            self._cache[key] = {"asked": asked, "webapps": json.dumps(webapps)}
        return webapps

    def _question(self, params: t.Mapping[str, t.Any]) -> str:
        """What the answer in the cache depends on: another account or filter never gets it. Secrets have no part."""
        account = with_environment(params, os.environ)
        parts = {name: account[name] for name in ("platform", "api_url", "username", "client_id")}
        options = {name: self.get_option(name) for name in ("filters", "filters_strict", "detail", "severities")}
        whole = json.dumps([parts, options, self._fields()], default=str, sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()

    def _cached(self, key: str, asked: str) -> list[Webapp] | None:
        try:
            held = self._cache[key]
        except KeyError:
            return None
        if not isinstance(held, dict) or held.get("asked") != asked or not isinstance(held.get("webapps"), str):
            return None
        return t.cast("list[Webapp]", json.loads(held["webapps"]))

    def _read(self, client: QualysClient) -> list[Webapp]:
        level = LEVELS[self.get_option("detail")]
        filters = self.get_option("filters")
        criteria = build(filters, RESOURCE, strict=self.get_option("filters_strict"))
        raws = read_complete(client, RESOURCE, criteria, "web applications", verbose=level >= VERBOSE)
        if level >= GET:
            raws = self._in_full(client, raws)
        kept = {"id", "name", "tags", *self._fields()}
        shown = (shown_record(FIELDS, from_raw(raw, level)) or {} for raw in raws)
        webapps = [{name: value for name, value in record.items() if name in kept} for record in shown]
        if self.get_option("severities"):
            ids = [webapp["id"] for webapp in webapps] if filters else None
            counts = count_severities(client, ids)
            for webapp in webapps:
                found = counts[webapp["id"]]
                webapp["severities"] = {name: found[name] for name in SEVERITY_LEVELS.values()}
        return webapps

    def _in_full(self, client: QualysClient, raws: list[Raw]) -> list[Raw]:
        found = every(raws, lambda raw: client.get(RESOURCE, raw["id"]), workers=client.workers)
        full = [raw for raw in found if raw is not None]
        if len(full) < len(raws):
            self.display.warning(f"{len(raws) - len(full)} web applications vanished while they were read.")
        return full

    # Inventory

    def _fill(self, webapps: t.Sequence[Webapp]) -> None:
        prefix, fields, strict = self.get_option("hostvars_prefix"), self._fields(), self.get_option("strict")
        names, shared = host_names(webapps)
        if shared:
            self.display.warning(
                f"{len(shared)} host names would stand for several web applications, which have their id behind it "
                f"instead: {', '.join(shared[:5])}{', …' if len(shared) > 5 else ''}."
            )
        for webapp in webapps:
            host = names[webapp["id"]]
            variables = {f"{prefix}{name}": as_data(webapp.get(name)) for name in fields}
            self.inventory.add_host(host)
            for name, value in variables.items():
                self.inventory.set_variable(host, name, value)
            self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
        if self.get_option("tag_groups"):
            self._add_tag_groups(webapps, names)

    def _add_tag_groups(self, webapps: t.Sequence[Webapp], names: t.Mapping[int, str]) -> None:
        prefix = self.get_option("tag_group_prefix")
        tags: dict[str, set[str]] = defaultdict(set)
        for webapp in webapps:
            for tag in webapp.get("tags") or []:
                group = self.inventory.add_group(self._sanitize_group_name(f"{prefix}{tag}"))
                self.inventory.add_child(group, names[webapp["id"]])
                tags[group].add(tag)
        shared = sorted(group for group, found in tags.items() if len(found) > 1)
        if shared:
            self.display.warning(f"Several tags share a group, since their names differ in punctuation only: {shared}.")


def host_names(webapps: t.Sequence[Webapp]) -> tuple[dict[int, str], list[str]]:
    """A safe and unique host name for each application.

    Returns:
        Names by id, and the names that several applications would have had.
    """
    wanted = {webapp["id"]: _safe_name(webapp) for webapp in webapps}
    counts = Counter(wanted.values())
    with_id = {key: counts[name] > 1 or name.lower() in _TAKEN for key, name in wanted.items()}
    names: dict[int, str] = {}
    used: set[str] = set()
    # Those that keep their name come first, whatever the id makes of the others.
    for key in sorted(wanted, key=lambda key: (with_id[key], key)):
        name = f"{wanted[key]}_{key}" if with_id[key] else wanted[key]
        while name in used:
            name = f"{name}_{key}"
        used.add(name)
        names[key] = name
    return names, sorted(name for name, count in counts.items() if count > 1)


def _safe_name(webapp: Webapp) -> str:
    """The name of an application, with nothing in it that means something in a pattern, a path or a template."""
    name = unicodedata.normalize("NFC", webapp.get("name") or "")
    safe = _NOT_IN_A_NAME.sub("_", name)[:_LONGEST_NAME].strip("._-")
    return safe or f"webapp_{webapp['id']}"


def count_severities(client: QualysClient, ids: t.Sequence[int] | None) -> dict[int, Counter[str]]:
    """How many open findings each application has, by severity.

    Args:
        client: the account.
        ids: the applications; None for all.

    Raises:
        IncompleteRead: Qualys announced another number of findings than it sent, twice.
    """
    parts = [None] if ids is None else [ids[at : at + IDS_PER_SEARCH] for at in range(0, len(ids), IDS_PER_SEARCH)]
    total: dict[int, Counter[str]] = defaultdict(Counter)
    for part in parts:
        chosen: Criterion = {"field": "webApp.id", "operator": "IN", "value": ",".join(map(str, part or ()))}
        criteria = [*_OPEN_CRITERIA, *([] if part is None else [chosen])]
        listing = Listing(client, "finding", criteria, MAX_PAGE)
        for (webapp, severity), count in _count(listing).items():
            total[webapp][severity] += count
    return total


def _count(listing: Listing) -> Counter[tuple[int, str]]:
    """Count window by window, so that no more than a few pages of findings are held."""
    tally = Tally(listing.client.count(listing.resource, listing.criteria))

    def window_counts(window: Window) -> tuple[int, Counter[tuple[int, str]]]:
        found: Counter[tuple[int, str]] = Counter()
        records = 0
        for page in listing.pages(window, tally):
            records += len(page)
            found.update(pair for raw in page if (pair := _webapp_and_severity(raw)) is not None)
        return records, found

    for _attempt in range(2):
        windows = listing.windows(tally.announced_before)
        counted = every(windows, window_counts, workers=listing.client.workers)
        if listing.settled(tally, sum(records for records, _found in counted)):
            return sum((found for _records, found in counted), Counter())
        tally.start_again()
    raise IncompleteRead(
        f"Qualys announced {tally.announced_after} findings and sent {tally.records}, twice.",
        hint="Run again when no scan is changing them.",
    )


def _webapp_and_severity(raw: Raw) -> tuple[int, str] | None:
    """The application and the severity of a finding; None when it does not count."""
    webapp = raw.get("webApp")
    webapp_id = number(webapp.get("id")) if isinstance(webapp, dict) else None
    severity = SEVERITY_LEVELS.get(text(raw.get("severity")) or "")
    counts = text(raw.get("status")) in OPEN and not truth(raw.get("isIgnored"))
    return (webapp_id, severity) if counts and webapp_id is not None and severity is not None else None
