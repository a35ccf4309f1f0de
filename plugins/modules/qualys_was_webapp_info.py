#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List web applications in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_webapp_info
short_description: List web applications in Qualys WAS
version_added: 1.0.0
description:
  - Lists and counts web applications in Qualys Web Application Scanning.
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
      - Id of one application, which is returned in full detail. If the id does not exist, the list is empty.
    type: int
  detail:
    description:
      - V(summary) has id, name, URL, risk score and dates; V(verbose) adds the tags; V(full) adds everything else,
        and takes one more request for each application.
    type: str
    choices: [summary, verbose, full]
    default: summary
  count_only:
    description:
      - Whether to return only the number of applications that match, which takes one request.
    type: bool
    default: false
  limit:
    description:
      - Maximum number of applications to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(webapps).
    type: str
seealso:
  - module: appsec.perimeter.qualys_was_webapp
"""

EXAMPLES = r"""
- name: Applications that were never scanned
  appsec.perimeter.qualys_was_webapp_info:
    filters:
      - field: isScanned
        value: false
    query: "[].{name: name, url: url}"
  register: unscanned

- name: Count the applications with the tag prod
  appsec.perimeter.qualys_was_webapp_info:
    filters:
      - field: tags.name
        value: prod
    count_only: true
  register: prod

- name: Read one application in the form of the options of qualys_was_webapp
  appsec.perimeter.qualys_was_webapp_info:
    id: 4711
  register: shop
"""

RETURN = r"""
webapps:
  description:
    - The applications, ascending by id, or what O(query) makes of them.
    - Everything that is an option of M(appsec.perimeter.qualys_was_webapp) has the form of the option.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 4711
      name: shop
      url: https://shop.example.com/
      risk_score: 410
      created: "2026-01-05T09:00:00Z"
      updated: "2026-10-01T12:00:00Z"
total:
  description: Number of applications that match.
  type: int
  returned: success
  sample: 200
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run_info


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "int"},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "verbose", "full"], "default": "summary"},
            "count_only": {"type": "bool", "default": False},
            "limit": {"type": "int"},
            "query": {"type": "str"},
        },
        mutually_exclusive=[("id", "filters"), ("id", "limit"), ("count_only", "query"), ("count_only", "limit")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_info)


if __name__ == "__main__":
    main()
