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
  - A host has the name of its application. Characters other than letters, digits, dots, hyphens and underscores are
    replaced by underscores, because they may have a meaning in patterns, paths or templates. If applications would
    share a name, their ids are appended, with a warning.
  - Values from Qualys are never evaluated as templates.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._connection.plugin
  - appsec.perimeter._qualys.plugin
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
      - V(summary) has id, name, URL, risk score and dates; V(verbose) adds the tags. Both take a few requests per
        thousand applications.
      - V(full) adds everything else, including the last scan, and takes one more request for each application.
    type: str
    choices: [summary, verbose, full]
    default: verbose
  severities:
    description:
      - Whether to count the open findings of each application by severity, which takes one request per thousand
        findings.
      - Findings are open if they are new, active, reopened or in retest, and not ignored.
    type: bool
    default: false
  fields:
    description:
      - The fields that become host variables, with the names that M(appsec.perimeter.qualys_was_webapp_info) returns,
        and V(severities).
      - The default is V(id), V(name) and V(url), and, if they are read, V(tags), V(last_scan) and V(severities).
      - Few variables keep an inventory of thousands of hosts fast.
    type: list
    elements: str
  hostvars_prefix:
    description:
      - Prefix for the names of these variables. Without a prefix, V(name) and V(tags) would conflict with Ansible's own
        variables.
    type: str
    default: was_
  tag_groups:
    description:
      - Whether to create a group for each tag. Requires O(detail=verbose) or O(detail=full).
    type: bool
    default: true
  tag_group_prefix:
    description:
      - Prefix for the names of these groups.
    type: str
    default: tag_
notes:
  - Applications are not machines to which Ansible can log in. Run tasks for them on the controller, for example with
    O(compose) as in the examples.
  - Of the connection options, only O(platform), O(api_url), O(username), O(password), O(client_id), O(client_secret)
    and O(gateway_url) may be templates.
  - An incomplete listing is an error, because silently missing hosts are worse than no inventory.
seealso:
  - plugin: ansible.builtin.constructed
    plugin_type: inventory
  - module: appsec.perimeter.qualys_was_webapp_info
"""

EXAMPLES = r"""
# production.qualys_was.yml: production only, grouped by the status of the last scan and by open findings
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

# hourly.qualys_was.yml: cached for an hour, so that runs in between send no requests
#
# plugin: appsec.perimeter.qualys_was
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: /var/cache/ansible/qualys_was
# cache_timeout: 3600
"""

import json
import os
import typing as t
from collections import defaultdict

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import HAS_REQUESTS
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.connection import ENVIRONMENT
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.hosts import (
    Selection,
    Webapp,
    check_option_names,
    host_names,
    read_hosts,
)
from ansible_collections.appsec.perimeter.plugins.plugin_utils._vendor_text import as_data

if t.TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader


def _forget_empty_variables() -> None:
    """Remove empty variables: CI systems turn missing variables into empty text, which Ansible uses as a value."""
    for name in _VARIABLES:
        if os.environ.get(name) == "":
            del os.environ[name]


_VARIABLES = ("PERIMETER_CA_PATH", "PERIMETER_PROXY", "PERIMETER_STATE_DIR", "PERIMETER_SHARED_LIMIT")
"""The variables that the documentation of the options declares with ``env``."""

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
    "shared_limit",
)
SELECTION = ("filters", "filters_strict", "detail", "severities", "fields")
SUFFIXES = ("qualys_was.yml", "qualys_was.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Web applications as hosts, tags as groups."""

    NAME = "appsec.perimeter.qualys_was"

    def verify_file(self, path: str) -> bool:
        """Return whether the name of a file is one for this plugin."""
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Read the configuration, then the applications, and fill the inventory.

        Raises:
            AnsibleParserError: the inventory could not be read. The message has no secrets.
        """
        super().parse(inventory, loader, path, cache)
        _forget_empty_variables()
        config = self._read_config_data(path)
        try:
            check_option_names(config, self._options, self.NAME)
            selection = self._selection()
            self._fill(self._webapps(selection, path, cache), selection.shown)
        except PerimeterError as error:
            # Without the cause, because the message is sufficient, and Ansible would show the whole chain.
            raise AnsibleParserError(str(error)) from None
        except AnsibleError:
            raise
        except Exception as error:  # noqa: BLE001 - the text of an unforeseen error may quote anything
            raise AnsibleParserError(
                f"The inventory plugin failed with an internal error, {type(error).__name__}. "
                "That is a defect of appsec.perimeter: please report it."
            ) from None

    # Options

    def _selection(self) -> Selection:
        return Selection(**{name: self.get_option(name) for name in SELECTION})

    def _params(self) -> dict[str, t.Any]:
        """Return the connection options for the client."""
        params = {name: self.get_option(name) for name in CONNECTION}
        self.templar.available_variables = self._vars or {}
        return params | {name: self._credential(name) for name in ENVIRONMENT}

    def _credential(self, name: str) -> str | None:
        value = self.get_option(name)
        if value is None:
            return None
        try:
            # This also decrypts a value from a vault.
            rendered = self.templar.template(value)
        except Exception as error:  # noqa: BLE001 - its text may quote the secret
            raise AnsibleParserError(
                f"{name}: its template cannot be evaluated ({type(error).__name__}). "
                "Check the variables in it, and that the vault can be decrypted."
            ) from None
        # A plain str instead of Ansible's subclasses, which carry encryption or an origin.
        return "".join(str(rendered))

    # Data

    def _webapps(self, selection: Selection, path: str, cache: bool) -> list[Webapp]:
        """Return the applications, from the cache if it is enabled and has them."""
        wanted = self.get_option("cache")
        params = self._params()
        asked = selection.fingerprint(params, os.environ)
        key = self.get_cache_key(path)
        if wanted and cache:
            found = self._cached(key, asked)
            if found is not None:
                return found
        if not HAS_REQUESTS:
            raise AnsibleParserError(missing_required_lib("requests"))
        with connect(params, os.environ) as client:
            webapps, vanished = read_hosts(client, selection)
        if vanished:
            self.display.warning(f"{vanished} web applications vanished while they were read.")
        if wanted:
            # As text, because cache plugins interpret members such as __ansible_vault, and the names come from Qualys.
            self._cache[key] = {"asked": asked, "webapps": json.dumps(webapps)}
        return webapps

    def _cached(self, key: str, asked: str) -> list[Webapp] | None:
        try:
            held = self._cache[key]
        except KeyError:
            return None
        if not isinstance(held, dict) or held.get("asked") != asked or not isinstance(held.get("webapps"), str):
            return None
        return t.cast("list[Webapp]", json.loads(held["webapps"]))

    # Inventory

    def _fill(self, webapps: t.Sequence[Webapp], fields: t.Sequence[str]) -> None:
        prefix, strict = self.get_option("hostvars_prefix"), self.get_option("strict")
        names, shared = host_names(webapps)
        if shared:
            self.display.warning(
                f"{len(shared)} host names would stand for several web applications, so their ids were appended: "
                f"{', '.join(shared[:5])}{', …' if len(shared) > 5 else ''}."
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
            self.display.warning(
                f"Several tags share a group, because their names only differ in punctuation: {shared}."
            )
