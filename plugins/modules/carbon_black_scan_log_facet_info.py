#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count container scan logs of Carbon Black Cloud by field."""

from __future__ import annotations

DOCUMENTATION = r"""
module: carbon_black_scan_log_facet_info
short_description: Count container scan logs of Carbon Black Cloud by field
version_added: 1.0.0
description:
  - Returns the most frequent values of fields in the container scan logs, with their counts. They help to choose
    criteria for M(appsec.perimeter.carbon_black_scan_log_info).
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_carbon_black
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._carbon_black.criteria
  - appsec.perimeter._connection
  - appsec.perimeter._carbon_black
options:
  fields:
    description:
      - The fields to count. The service documents V(sources), V(repositories) and V(registries), and its sample also
        has V(clusters) and V(scan_status). Others cause a warning, and the service may leave them out.
    type: list
    elements: str
    default: [sources, repositories, registries]
  rows:
    description:
      - Number of the most frequent values to return for each field.
    type: int
    default: 50
notes:
  - O(criteria) also takes C(scan_time), as in M(appsec.perimeter.carbon_black_scan_log_info).
  - Other people choose the names of images. Never use them as templates, commands or unescaped text.
seealso:
  - module: appsec.perimeter.carbon_black_scan_log_info
"""

EXAMPLES = r"""
- name: Count what triggered the scans of the last week, and which are still pending
  appsec.perimeter.carbon_black_scan_log_facet_info:
    criteria:
      scan_time: {range: -1w}
    fields: [sources, scan_status]
    rows: 10
  register: facets
"""

RETURN = r"""
facets:
  description: One entry for each of O(fields), in that order. A field that the service left out has no buckets.
  type: list
  elements: dict
  returned: success
  contains:
    field:
      description: Name of the field.
      type: str
      returned: success
      sample: sources
    buckets:
      description: Its values with their counts, the most frequent first.
      type: list
      elements: dict
      returned: success
      sample: [{name: CLUSTER_SCAN, total: 45}, {name: CLI, total: 7}]
  sample:
    - field: sources
      buckets: [{name: CLUSTER_SCAN, total: 45}, {name: CLI, total: 7}]
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: success
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: "Carbon Black Cloud refused the credentials (HTTP 401): user is not authorized."
    hint: Nothing more was sent, so that the account is not locked. Check api_id and api_secret_key.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.scan_log_info import run_facets
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CARBON_BLACK, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "criteria": {"type": "dict"},
            "search": {"type": "str"},
            "fields": {"type": "list", "elements": "str", "default": ["sources", "repositories", "registries"]},
            "rows": {"type": "int", "default": 50},
        }
    )
    run_vendor_module(CARBON_BLACK.merge(own), connect, run_facets)


if __name__ == "__main__":
    main()
