#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List option profiles of Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_option_profile_info
short_description: List option profiles of Qualys WAS
version_added: 1.0.0
description:
  - Lists option profiles of Qualys Web Application Scanning, which have the settings of scans.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
requirements:
  - jmespath, for O(query)
options:
  id:
    description:
      - Id of one option profile, which is returned in full detail. If the id does not exist, the list is empty.
    type: int
  name:
    description:
      - Returns only option profiles with exactly this name.
    type: str
  detail:
    description:
      - V(summary) has name, owner, tags and dates; V(full) adds the settings, and takes one more request for each
        profile.
    type: str
    choices: [summary, full]
    default: summary
  limit:
    description:
      - Maximum number of option profiles to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(option_profiles).
    type: str
seealso:
  - module: appsec.perimeter.qualys_was_webapp
"""

EXAMPLES = r"""
- name: The profile that CI scans use
  appsec.perimeter.qualys_was_option_profile_info:
    name: CI quick
    detail: full
  register: profile

- name: Profiles that no application uses
  appsec.perimeter.qualys_was_option_profile_info:
    filters:
      - field: usedByWebApps
        value: false
    query: "[].name"
  register: unused
"""

RETURN = r"""
option_profiles:
  description: The profiles, ascending by id, or what O(query) makes of them. Times are UTC.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 12001
      name: Initial WAS Options
      is_default: true
      owner: jdoe
      tags: [{id: 90001, name: prod}]
      form_submission: BOTH
      max_crawl_requests: 300
      timeout_error_threshold: 20
      unexpected_error_threshold: 50
      performance: LOW
      bruteforce_option: MINIMAL
      ignore_binary_files: false
      sensitive_content: {credit_card_number: false, social_security_number: false, custom_contents: null}
      parameter_set: {id: 0, name: Initial Parameters}
      comments: []
      created: "2026-01-31T08:00:00Z"
      created_by: jdoe
      updated: "2026-01-31T08:00:00Z"
      updated_by: jdoe
total:
  description: How many profiles match.
  type: int
  returned: success
  sample: 12
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.lookups import run_option_profiles


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "int"},
            "name": {"type": "str"},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "full"], "default": "summary"},
            "limit": {"type": "int"},
            "query": {"type": "str"},
        },
        mutually_exclusive=[("id", "name"), ("id", "filters"), ("id", "limit")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_option_profiles)


if __name__ == "__main__":
    main()
