#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage one web application in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_webapp
short_description: Manage one web application in Qualys WAS
version_added: 1.0.0
description:
  - Creates, updates and deletes a web application in Qualys Web Application Scanning.
  - Options that are omitted are left alone; an empty list, dictionary or text clears. Only differences are written.
  - To manage many applications, use M(appsec.perimeter.qualys_was_webapps), which is much faster than a loop.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  # The options x_mode, x_add and x_remove of a list x are written by tests/tools/module_docs.py.
  state:
    description:
      - Whether the application should exist.
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the web application. Without it, O(name) identifies the record.
    type: int
  name:
    description:
      - Name of the web application. Without O(id), it identifies the application. Names are not unique at Qualys. If
        several applications have the name, O(url) has to select one of them, else the task fails.
      - With O(id), it is the desired name of the application.
    type: str
  url:
    description:
      - Target URL. Required to create an application.
    type: str
  owner:
    description:
      - User who owns the application, by user name or id.
    type: str
  scope:
    description:
      - What the crawler may access, starting from the target URL. V(ALL) allows its host, V(LIMIT) its directory,
        V(SUBDOMAIN) also the O(sub_domain), V(DOMAINS) also the O(domains).
      - One of V(ALL), V(LIMIT), V(SUBDOMAIN), V(DOMAINS), or the value that the record already has.
    type: str
  sub_domain:
    description:
      - The domain whose subdomains belong to the application, for O(scope=SUBDOMAIN).
    type: str
  domains:
    description:
      - Further domains of the application, for O(scope=DOMAINS).
      - An empty list removes all.
    type: list
    elements: str
  domains_mode:
    description:
      - Whether O(domains) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  domains_add:
    description:
      - Entries to add to O(domains); can be combined with O(domains_remove) in one update.
    type: list
    elements: str
  domains_remove:
    description:
      - Entries to remove from O(domains); missing ones are ignored.
    type: list
    elements: str
  uris:
    description:
      - URLs to crawl in addition to linked ones.
      - An empty list removes all.
    type: list
    elements: str
  uris_mode:
    description:
      - Whether O(uris) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  uris_add:
    description:
      - Entries to add to O(uris); can be combined with O(uris_remove) in one update.
    type: list
    elements: str
  uris_remove:
    description:
      - Entries to remove from O(uris); missing ones are ignored.
    type: list
    elements: str
  tags:
    description:
      - Tags, by name or id. Names are compared exactly; digits are read as an id.
      - An empty list removes all.
    type: list
    elements: str
  tags_mode:
    description:
      - Whether O(tags) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  tags_add:
    description:
      - Entries to add to O(tags); can be combined with O(tags_remove) in one update.
    type: list
    elements: str
  tags_remove:
    description:
      - Entries to remove from O(tags); missing ones are ignored.
    type: list
    elements: str
  scanner_tags:
    description:
      - Tags, by name or id, of the scanner appliances that scan the application by default.
      - An empty list removes all.
    type: list
    elements: str
  scanner_tags_mode:
    description:
      - Whether O(scanner_tags) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  scanner_tags_add:
    description:
      - Entries to add to O(scanner_tags); can be combined with O(scanner_tags_remove) in one update.
    type: list
    elements: str
  scanner_tags_remove:
    description:
      - Entries to remove from O(scanner_tags); missing ones are ignored.
    type: list
    elements: str
  default_scanner:
    description:
      - Scanner that is used by default.
      - An empty dictionary removes it, so that the platform decides.
    type: dict
    suboptions:
      type:
        description:
          - Type of the scanner. Every scanner must have one.
          - One of V(EXTERNAL), V(INTERNAL), V(scannerTags), or the value that the record already has.
        type: str
      friendly_name:
        description:
          - Name of the appliance, for V(INTERNAL).
        type: str
  auth_records:
    description:
      - Authentication records that are attached to the application, by name or id. Names are compared exactly;
        digits are read as an id.
      - An empty list removes all.
    type: list
    elements: str
  auth_records_mode:
    description:
      - Whether O(auth_records) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  auth_records_add:
    description:
      - Entries to add to O(auth_records); can be combined with O(auth_records_remove) in one update.
    type: list
    elements: str
  auth_records_remove:
    description:
      - Entries to remove from O(auth_records); missing ones are ignored.
    type: list
    elements: str
  default_profile:
    description:
      - Option profile that is used by default, by name or id.
    type: str
  attributes:
    description:
      - Custom attributes, as names and values.
      - An empty dictionary removes all.
    type: dict
  attributes_mode:
    description:
      - Whether O(attributes) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  attributes_add:
    description:
      - Entries to add to O(attributes); can be combined with O(attributes_remove) in one update.
    type: dict
  attributes_remove:
    description:
      - Names to remove from O(attributes); missing ones are ignored.
    type: list
    elements: str
  headers:
    description:
      - Headers that the scanner sends, each as a name, a colon and a value. They may contain tokens, so only their
        names are shown.
      - An empty list removes all.
    type: list
    elements: str
  headers_mode:
    description:
      - Whether O(headers) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  headers_add:
    description:
      - Entries to add to O(headers); can be combined with O(headers_remove) in one update.
      - An added header replaces those of the same name.
    type: list
    elements: str
  headers_remove:
    description:
      - Entries to remove from O(headers); missing ones are ignored.
      - A name without a value removes every header of that name.
    type: list
    elements: str
  url_allowlist:
    description:
      - URLs that may be crawled although they are excluded. Each is a text, or a dictionary with C(value) and
        C(regex).
      - An empty list removes all.
    type: list
    elements: raw
  url_allowlist_mode:
    description:
      - Whether O(url_allowlist) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  url_allowlist_add:
    description:
      - Entries to add to O(url_allowlist); can be combined with O(url_allowlist_remove) in one update.
      - An added entry replaces the one with the same text.
    type: list
    elements: raw
  url_allowlist_remove:
    description:
      - Entries to remove from O(url_allowlist); missing ones are ignored.
      - The text of an entry is enough, whether or not it is a regular expression.
    type: list
    elements: raw
  url_excludelist:
    description:
      - URLs that are not crawled. Each is a text, or a dictionary with C(value) and C(regex).
      - An empty list removes all.
    type: list
    elements: raw
  url_excludelist_mode:
    description:
      - Whether O(url_excludelist) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  url_excludelist_add:
    description:
      - Entries to add to O(url_excludelist); can be combined with O(url_excludelist_remove) in one update.
      - An added entry replaces the one with the same text.
    type: list
    elements: raw
  url_excludelist_remove:
    description:
      - Entries to remove from O(url_excludelist); missing ones are ignored.
      - The text of an entry is enough, whether or not it is a regular expression.
    type: list
    elements: raw
  post_data_excludelist:
    description:
      - URLs to which no form is sent. Each is a text, or a dictionary with C(value) and C(regex).
      - An empty list removes all.
    type: list
    elements: raw
  post_data_excludelist_mode:
    description:
      - Whether O(post_data_excludelist) replaces the present entries (V(set)), is added to them (V(add)), or is removed
        from them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  post_data_excludelist_add:
    description:
      - Entries to add to O(post_data_excludelist); can be combined with O(post_data_excludelist_remove) in one update.
      - An added entry replaces the one with the same text.
    type: list
    elements: raw
  post_data_excludelist_remove:
    description:
      - Entries to remove from O(post_data_excludelist); missing ones are ignored.
      - The text of an entry is enough, whether or not it is a regular expression.
    type: list
    elements: raw
  logout_regex_list:
    description:
      - URLs that end the session and are not followed. Each is a text, or a dictionary with C(value) and
        C(regex).
      - An empty list removes all.
    type: list
    elements: raw
  logout_regex_list_mode:
    description:
      - Whether O(logout_regex_list) replaces the present entries (V(set)), is added to them (V(add)), or is removed
        from them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  logout_regex_list_add:
    description:
      - Entries to add to O(logout_regex_list); can be combined with O(logout_regex_list_remove) in one update.
      - An added entry replaces the one with the same text.
    type: list
    elements: raw
  logout_regex_list_remove:
    description:
      - Entries to remove from O(logout_regex_list); missing ones are ignored.
      - The text of an entry is enough, whether or not it is a regular expression.
    type: list
    elements: raw
  use_robots:
    description:
      - What to do with C(robots.txt), such as V(IGNORE), V(ADD_PATHS), V(BLACKLIST), or another word of Qualys.
    type: str
  use_sitemap:
    description:
      - Whether the sitemap is crawled.
    type: bool
  cancel_after:
    description:
      - Hours after which a scan of the application is cancelled. V(0) means never.
    type: int
  dns_overrides:
    description:
      - DNS overrides, by name or id.
      - An empty list removes all.
    type: list
    elements: str
  dns_overrides_mode:
    description:
      - Whether O(dns_overrides) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  dns_overrides_add:
    description:
      - Entries to add to O(dns_overrides); can be combined with O(dns_overrides_remove) in one update.
    type: list
    elements: str
  dns_overrides_remove:
    description:
      - Entries to remove from O(dns_overrides); missing ones are ignored.
    type: list
    elements: str
  crawling_scripts:
    description:
      - Selenium scripts for the crawler. A script with the same name is replaced.
      - An empty list removes all.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the script.
        type: str
        required: true
      data:
        description:
          - The script, in the HTML format of Selenium IDE. It may contain credentials and is never shown.
        type: str
      starting_url:
        description:
          - URL at which the script starts.
        type: str
      starting_url_regex:
        description:
          - Whether O(crawling_scripts[].starting_url) is a regular expression.
        type: bool
        default: false
      regex:
        description:
          - Regular expression that recognises success.
        type: str
      requires_authentication:
        description:
          - Whether the script needs a session that is logged in.
        type: bool
        default: false
  crawling_scripts_mode:
    description:
      - Whether O(crawling_scripts) replaces the present entries (V(set)), is added to them (V(add)), or is removed from
        them (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  crawling_scripts_add:
    description:
      - Entries to add to O(crawling_scripts); can be combined with O(crawling_scripts_remove) in one update.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the script.
        type: str
        required: true
      data:
        description:
          - The script, in the HTML format of Selenium IDE. It may contain credentials and is never shown.
        type: str
      starting_url:
        description:
          - URL at which the script starts.
        type: str
      starting_url_regex:
        description:
          - Whether O(crawling_scripts_add[].starting_url) is a regular expression.
        type: bool
        default: false
      regex:
        description:
          - Regular expression that recognises success.
        type: str
      requires_authentication:
        description:
          - Whether the script needs a session that is logged in.
        type: bool
        default: false
  crawling_scripts_remove:
    description:
      - Names to remove from O(crawling_scripts); missing ones are ignored.
    type: list
    elements: str
  comments:
    description:
      - Comments. One with the same text is not added again.
      - An empty list removes all.
    type: list
    elements: str
  comments_mode:
    description:
      - Whether O(comments) replaces the present entries (V(set)), is added to them (V(add)), or is removed from them
        (V(remove)).
    type: str
    choices: [set, add, remove]
    default: set
  comments_add:
    description:
      - Entries to add to O(comments); can be combined with O(comments_remove) in one update.
    type: list
    elements: str
  comments_remove:
    description:
      - Entries to remove from O(comments); missing ones are ignored.
    type: list
    elements: str
  reactivate_if_exists:
    description:
      - Whether a create restores an application that was deleted from WAS but is still in the subscription.
    type: bool
    default: false
  remove_from_subscription:
    description:
      - Whether a deleted application also leaves the subscription. Otherwise it stays visible in other modules of
        Qualys, and still counts.
    type: bool
    default: true
seealso:
  - module: appsec.perimeter.qualys_was_webapps
  - module: appsec.perimeter.qualys_was_webapp_info
"""

EXAMPLES = r"""
# A play can have module_defaults too. Credentials that are not given are taken from the environment.
- name: Set the connection once for several tasks
  module_defaults:
    group/appsec.perimeter.qualys:
      platform: eu1
      username: "{{ qualys_username }}"
      password: "{{ qualys_password }}"
  block:
    - name: Manage the shop, with its login and without the logout page
      appsec.perimeter.qualys_was_webapp:
        name: shop
        url: https://shop.example.com/
        tags: [prod, pci]
        auth_records: [shop login]
        url_excludelist:
          - https://shop.example.com/logout
          - value: ^https://shop\.example\.com/export/
            regex: true
        cancel_after: 8

- name: Add one tag and remove another in one update
  appsec.perimeter.qualys_was_webapp:
    name: shop
    tags_add: [team-checkout]
    tags_remove: [team-legacy]

- name: Delete the old shop
  appsec.perimeter.qualys_was_webapp:
    name: old shop
    state: absent
"""

RETURN = r"""
webapp:
  description:
    - The application after the task; in check mode as it would be. Null when it does not exist.
    - Everything that is an option has the form of the option, so that it can be used as such. After O(state=absent) it
      is the application as it was before.
  type: dict
  returned: success
  sample:
    id: 4711
    name: shop
    url: https://shop.example.com/
    owner: jdoe
    scope: ALL
    sub_domain: null
    domains: []
    uris: [https://shop.example.com/admin]
    tags: [pci, prod]
    scanner_tags: []
    default_scanner: {type: EXTERNAL, friendly_name: null}
    auth_records: [shop login]
    default_profile: Initial WAS Options
    attributes: {team: checkout}
    headers: ["X-Scanner: VALUE_REDACTED"]
    url_allowlist: []
    url_excludelist: [{value: "https://shop.example.com/logout", regex: false}]
    post_data_excludelist: []
    logout_regex_list: []
    use_robots: IGNORE
    use_sitemap: false
    cancel_after: 8
    dns_overrides: []
    crawling_scripts: []
    comments: [managed by Ansible]
    risk_score: 410
    created: "2026-01-05T09:00:00Z"
    updated: "2026-10-01T12:00:00Z"
    created_by: jdoe
    updated_by: jdoe
    is_scheduled: true
    crawling_script_ids: []
    last_scan:
      id: 9988
      name: nightly
      date: "2026-10-31T02:00:00Z"
      status: FINISHED
      results_status: FINISHED
      auth_status: SUCCESSFUL
unresolved:
  description:
    - Names in the options that no record has, each with the C(option) and the C(kind) of record. There is also a
      warning for each.
    - In check mode they are not an error, because an earlier task may create the record. In a real run they are an
      error. An id that does not exist is always an error.
  type: list
  elements: dict
  returned: check mode, when there are any
  sample:
    - {option: auth_records, kind: authentication record, name: shop login}
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: always
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: "Qualys answered count/was/webapp with INVALID_CREDENTIALS: Authentication failed."
    hint: Check username and password (or client_id and client_secret), and the platform.
    code: INVALID_CREDENTIALS
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import OPTIONS


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "id": {"type": "int"},
            **OPTIONS,
            "reactivate_if_exists": {"type": "bool", "default": False},
            "remove_from_subscription": {"type": "bool", "default": True},
        },
        required_one_of=[("id", "name")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
