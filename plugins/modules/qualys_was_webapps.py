#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage many web applications in Qualys WAS in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_webapps
short_description: Manage many web applications in Qualys WAS in one task
version_added: 1.0.0
description:
  - Creates, updates and deletes any number of web applications in Qualys Web Application Scanning.
  - All records are read once, differences are written in parallel, and each application has its own result. A failure
    of one does not stop the others.
  - Comparing names, URLs and tags takes one request per thousand applications. Any other option takes one more request
    for each existing application.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._qualys.filters
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
  state:
    description:
      - V(present) creates and updates O(webapps). V(absent) deletes the records that O(ids) or O(filters) select.
    type: str
    choices: [present, absent]
    default: present
  webapps:
    description:
      - The desired applications.
    type: list
    elements: dict
    suboptions:
      # Written by tests/tools/module_docs.py from the options of qualys_was_webapp.
      id:
        description:
          - Id of the web application. Without it, O(webapps[].name) identifies the record.
        type: int
      name:
        description:
          - Name of the web application. Without O(webapps[].id), it identifies the application. Names are not unique at
            Qualys. If several applications have the name, O(webapps[].url) has to select one of them, else the task
            fails.
          - With O(webapps[].id), it is the desired name of the application.
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
            V(SUBDOMAIN) also the O(webapps[].sub_domain), V(DOMAINS) also the O(webapps[].domains).
          - One of V(ALL), V(LIMIT), V(SUBDOMAIN), V(DOMAINS), or the value that the record already has.
        type: str
      sub_domain:
        description:
          - The domain whose subdomains belong to the application, for O(webapps[].scope=SUBDOMAIN).
        type: str
      domains:
        description:
          - Further domains of the application, for O(webapps[].scope=DOMAINS).
          - An empty list removes all.
        type: list
        elements: str
      domains_mode:
        description:
          - Whether O(webapps[].domains) replaces the present entries (V(set)), is added to them (V(add)), or is removed
            from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      domains_add:
        description:
          - Entries to add to O(webapps[].domains); can be combined with O(webapps[].domains_remove) in one update.
        type: list
        elements: str
      domains_remove:
        description:
          - Entries to remove from O(webapps[].domains); missing ones are ignored.
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
          - Whether O(webapps[].uris) replaces the present entries (V(set)), is added to them (V(add)), or is removed
            from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      uris_add:
        description:
          - Entries to add to O(webapps[].uris); can be combined with O(webapps[].uris_remove) in one update.
        type: list
        elements: str
      uris_remove:
        description:
          - Entries to remove from O(webapps[].uris); missing ones are ignored.
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
          - Whether O(webapps[].tags) replaces the present entries (V(set)), is added to them (V(add)), or is removed
            from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      tags_add:
        description:
          - Entries to add to O(webapps[].tags); can be combined with O(webapps[].tags_remove) in one update.
        type: list
        elements: str
      tags_remove:
        description:
          - Entries to remove from O(webapps[].tags); missing ones are ignored.
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
          - Whether O(webapps[].scanner_tags) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      scanner_tags_add:
        description:
          - Entries to add to O(webapps[].scanner_tags); can be combined with O(webapps[].scanner_tags_remove) in one
            update.
        type: list
        elements: str
      scanner_tags_remove:
        description:
          - Entries to remove from O(webapps[].scanner_tags); missing ones are ignored.
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
          - Whether O(webapps[].auth_records) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      auth_records_add:
        description:
          - Entries to add to O(webapps[].auth_records); can be combined with O(webapps[].auth_records_remove) in one
            update.
        type: list
        elements: str
      auth_records_remove:
        description:
          - Entries to remove from O(webapps[].auth_records); missing ones are ignored.
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
          - Whether O(webapps[].attributes) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      attributes_add:
        description:
          - Entries to add to O(webapps[].attributes); can be combined with O(webapps[].attributes_remove) in one
            update.
        type: dict
      attributes_remove:
        description:
          - Names to remove from O(webapps[].attributes); missing ones are ignored.
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
          - Whether O(webapps[].headers) replaces the present entries (V(set)), is added to them (V(add)), or is removed
            from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      headers_add:
        description:
          - Entries to add to O(webapps[].headers); can be combined with O(webapps[].headers_remove) in one update.
          - An added header replaces those of the same name.
        type: list
        elements: str
      headers_remove:
        description:
          - Entries to remove from O(webapps[].headers); missing ones are ignored.
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
          - Whether O(webapps[].url_allowlist) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      url_allowlist_add:
        description:
          - Entries to add to O(webapps[].url_allowlist); can be combined with O(webapps[].url_allowlist_remove) in one
            update.
          - An added entry replaces the one with the same text.
        type: list
        elements: raw
      url_allowlist_remove:
        description:
          - Entries to remove from O(webapps[].url_allowlist); missing ones are ignored.
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
          - Whether O(webapps[].url_excludelist) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      url_excludelist_add:
        description:
          - Entries to add to O(webapps[].url_excludelist); can be combined with O(webapps[].url_excludelist_remove) in
            one update.
          - An added entry replaces the one with the same text.
        type: list
        elements: raw
      url_excludelist_remove:
        description:
          - Entries to remove from O(webapps[].url_excludelist); missing ones are ignored.
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
          - Whether O(webapps[].post_data_excludelist) replaces the present entries (V(set)), is added to them (V(add)),
            or is removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      post_data_excludelist_add:
        description:
          - Entries to add to O(webapps[].post_data_excludelist); can be combined with
            O(webapps[].post_data_excludelist_remove) in one update.
          - An added entry replaces the one with the same text.
        type: list
        elements: raw
      post_data_excludelist_remove:
        description:
          - Entries to remove from O(webapps[].post_data_excludelist); missing ones are ignored.
          - The text of an entry is enough, whether or not it is a regular expression.
        type: list
        elements: raw
      logout_regex_list:
        description:
          - URLs that end the session and are not followed. Each is a text, or a dictionary with C(value) and C(regex).
          - An empty list removes all.
        type: list
        elements: raw
      logout_regex_list_mode:
        description:
          - Whether O(webapps[].logout_regex_list) replaces the present entries (V(set)), is added to them (V(add)), or
            is removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      logout_regex_list_add:
        description:
          - Entries to add to O(webapps[].logout_regex_list); can be combined with O(webapps[].logout_regex_list_remove)
            in one update.
          - An added entry replaces the one with the same text.
        type: list
        elements: raw
      logout_regex_list_remove:
        description:
          - Entries to remove from O(webapps[].logout_regex_list); missing ones are ignored.
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
          - Whether O(webapps[].dns_overrides) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      dns_overrides_add:
        description:
          - Entries to add to O(webapps[].dns_overrides); can be combined with O(webapps[].dns_overrides_remove) in one
            update.
        type: list
        elements: str
      dns_overrides_remove:
        description:
          - Entries to remove from O(webapps[].dns_overrides); missing ones are ignored.
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
              - Whether O(webapps[].crawling_scripts[].starting_url) is a regular expression.
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
          - Whether O(webapps[].crawling_scripts) replaces the present entries (V(set)), is added to them (V(add)), or
            is removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      crawling_scripts_add:
        description:
          - Entries to add to O(webapps[].crawling_scripts); can be combined with O(webapps[].crawling_scripts_remove)
            in one update.
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
              - Whether O(webapps[].crawling_scripts_add[].starting_url) is a regular expression.
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
          - Names to remove from O(webapps[].crawling_scripts); missing ones are ignored.
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
          - Whether O(webapps[].comments) replaces the present entries (V(set)), is added to them (V(add)), or is
            removed from them (V(remove)).
        type: str
        choices: [set, add, remove]
        default: set
      comments_add:
        description:
          - Entries to add to O(webapps[].comments); can be combined with O(webapps[].comments_remove) in one update.
        type: list
        elements: str
      comments_remove:
        description:
          - Entries to remove from O(webapps[].comments); missing ones are ignored.
        type: list
        elements: str
      reactivate_if_exists:
        description:
          - Whether a create restores an application that was deleted from WAS but is still in the subscription.
        type: bool
        default: false
  prune:
    description:
      - Whether to delete applications that match O(prune_filters) and are not in O(webapps).
      - Nothing is deleted when O(webapps) is empty, when the listing is not complete, or after a failure.
    type: bool
    default: false
  prune_filters:
    description:
      - Filters for the applications that this task owns, in the form of O(filters). Required for O(prune); there is no
        default.
    type: list
    elements: dict
    suboptions:
      field:
        description:
          - Name of the field, as Qualys writes it.
        type: str
        required: true
      operator:
        description:
          - As in O(filters[].operator).
        type: str
      value:
        description:
          - As in O(filters[].value).
        type: raw
      name:
        description:
          - As in O(filters[].name).
        type: str
  ids:
    description:
      - Applications to delete, for O(state=absent). Ids that do not exist are ignored.
    type: list
    elements: int
  max_deletes:
    description:
      - Maximum number of applications to delete. If more match, nothing is changed.
      - Required with O(prune), and with O(filters) with O(state=absent); there is no default.
    type: int
  remove_from_subscription:
    description:
      - Whether deleted applications also leave the subscription. Otherwise they stay visible in other modules of
        Qualys, and still count.
    type: bool
    default: true
notes:
  - A filter is never sent to a delete call. It is resolved to ids by a complete search, O(max_deletes) is checked, and
    only these ids are deleted.
seealso:
  - module: appsec.perimeter.qualys_was_webapp
  - module: appsec.perimeter.qualys_was_webapp_info
"""

EXAMPLES = r"""
- name: Apply the applications in a file
  appsec.perimeter.qualys_was_webapps:
    webapps: "{{ lookup('ansible.builtin.file', 'webapps.yml') | from_yaml }}"

- name: Manage the applications of team checkout, and delete up to five that are not listed
  appsec.perimeter.qualys_was_webapps:
    webapps:
      - name: shop
        url: https://shop.example.com/
        tags: [prod, team-checkout]
      - name: basket
        url: https://basket.example.com/
        tags: [prod, team-checkout]
    prune: true
    prune_filters:
      - field: tags.name
        value: team-checkout
    max_deletes: 5

- name: Delete up to twenty applications with the tag retired
  appsec.perimeter.qualys_was_webapps:
    state: absent
    filters:
      - field: tags.name
        value: retired
    max_deletes: 20
"""

RETURN = r"""
plan:
  description: What was done; in check mode what would be done.
  type: dict
  returned: always
  sample:
    create: ["web application 'basket'"]
    update: ["web application 'shop'"]
    delete: ["web application 4712 (old shop)"]
    unchanged: 998
results:
  description:
    - One entry for each of O(webapps), in their order, and one for each deletion that failed.
    - C(fields) lists the options that differed.
  type: list
  elements: dict
  returned: always
  sample:
    - id: 4711
      name: shop
      action: update
      changed: true
      failed: false
      fields: [tags]
    - id: null
      name: basket
      action: create
      changed: false
      failed: true
      fields: [name, url]
      msg: "Qualys answered create/was/webapp with INVALID_REQUEST: the URL is not valid."
      error: {kind: vendor, message: the URL is not valid., hint: "", code: INVALID_REQUEST}
deleted:
  description: The applications that were deleted; in check mode, those that would be.
  type: list
  elements: dict
  returned: always
  sample:
    - {id: 4712, name: old shop, url: "https://old.example.com/"}
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

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run_many
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import OPTIONS


def main() -> None:
    """Entry point."""
    webapp = {
        "id": {"type": "int"},
        **OPTIONS,
        "reactivate_if_exists": {"type": "bool", "default": False},
    }
    own = Spec(
        options={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "webapps": {"type": "list", "elements": "dict", "options": webapp},
            "prune": {"type": "bool", "default": False},
            **filter_option("prune_filters"),
            "ids": {"type": "list", "elements": "int"},
            **filter_option("filters"),
            "max_deletes": {"type": "int"},
            "remove_from_subscription": {"type": "bool", "default": True},
        },
        mutually_exclusive=[("webapps", "ids"), ("webapps", "filters"), ("ids", "filters")],
        required_if=[("state", "present", ("webapps",)), ("prune", True, ("prune_filters", "max_deletes"))],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_many)


if __name__ == "__main__":
    main()
